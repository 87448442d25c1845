package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/server"
)

// requestState is what the handlers of one request learn for its line in the log.
type requestState struct {
	id, address, caller string
}

type requestKey struct{}

func requestOf(ctx context.Context) *requestState {
	if s, ok := ctx.Value(requestKey{}).(*requestState); ok {
		return s
	}
	return &requestState{}
}

func randomID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// wrap puts around the mux what every request gets: a name, the address of its caller, the log, an answer for a panic, the security headers, the
// limit of the body and the refusal of writes from other sites.
func (h *Handler) wrap(mux *http.ServeMux) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		start := time.Now()
		state := &requestState{id: h.RequestID(), address: h.addressOf(r)}
		w := &recorder{ResponseWriter: rw}
		r = r.WithContext(server.WithAddress(context.WithValue(r.Context(), requestKey{}, state), state.address))
		securityHeaders(w.Header(), r)
		w.Header().Set("X-Request-Id", state.id)
		defer func() {
			broken := h.recovered(w, r, recover())
			h.logRequest(r, w, time.Since(start))
			if broken {
				panic(http.ErrAbortHandler)
			}
		}()
		if r.URL.Path != "/api/webhook" { // sent by servers, and signed
			if err := foreign.Check(r); err != nil {
				h.fail(w, r, fault.New(fault.Denied, "a page of another site may not write here"))
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, h.MaxBody)
		}
		mux.ServeHTTP(w, r)
	})
}

// recovered turns a panic into an answer, or tells that the connection has to break because an answer has begun.
func (h *Handler) recovered(w *recorder, r *http.Request, why any) (broken bool) {
	if why == nil {
		return false
	}
	if err, ok := why.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	h.Log.LogAttrs(r.Context(), slog.LevelError, "panic", slogRequest(requestOf(r.Context()).id),
		slog.String("panic", mask.Text(fmt.Sprint(why))), slog.String("stack", string(debug.Stack())))
	if w.status != 0 {
		return true
	}
	h.fail(w, r, errors.New("panic"))
	return false
}

// securityHeaders tell browsers what pages may do. Nothing of the API is a page.
func securityHeaders(header http.Header, r *http.Request) {
	policy := "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
	if strings.HasPrefix(r.URL.Path, "/api/") {
		policy = "default-src 'none'; frame-ancestors 'none'"
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.TLS != nil {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// logRequest writes the line of a request. The query stays out: it may hold what is secret, and the path tells enough.
func (h *Handler) logRequest(r *http.Request, w *recorder, took time.Duration) {
	state := requestOf(r.Context())
	level := slog.LevelInfo
	if r.URL.Path == "/healthz" {
		level = slog.LevelDebug
	}
	h.Log.LogAttrs(r.Context(), level, "request", slogRequest(state.id), slog.String("method", r.Method),
		slog.String("path", mask.Text(r.URL.Path)), slog.Int("status", w.code()), slog.Int64("bytes", w.bytes),
		slog.Duration("took", took), slog.String("caller", state.caller), slog.String("address", state.address))
}

func slogRequest(id string) slog.Attr { return slog.String("request", id) }
func slogError(err error) slog.Attr   { return slog.String("error", mask.Text(err.Error())) }
func levelOf(status int) slog.Level {
	if status == http.StatusServiceUnavailable {
		return slog.LevelWarn
	}
	return slog.LevelError
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func began(w http.ResponseWriter) bool {
	r, ok := w.(*recorder)
	return ok && r.status != 0
}
