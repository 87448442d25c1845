// Package rest maps HTTP onto the service layer: a request goes in; the answer of one procedure comes out as JSON, as a
// stream of JSON, or as an error with its status. Paths and JSON are those of Argo CD. One table of routes makes the mux,
// the OpenAPI document and the matrix of the tests.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/server"
)

// Bounds of a request. Argo CD takes bodies of any size up to 100 MB; nothing that is asked for here needs a tenth of it.
const (
	defaultMaxBody  = 10 << 20
	defaultTimeout  = 2 * time.Minute
	defaultBeat     = 15 * time.Second
	headerTimeout   = 10 * time.Second
	readTimeout     = time.Minute
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 64 << 10
	streamWriteTime = 15 * time.Second
)

// Options are what the handler serves. Only Server is needed.
type Options struct {
	Server *server.Server
	// UI serves every path that is none of the API's.
	UI http.Handler
	// Webhook serves POST /api/webhook.
	Webhook http.Handler
	// Mounts are further handlers by mux pattern, such as those of signing in at an identity provider. They get the security
	// headers, the log, the limits and the address of the caller in the context, and check callers themselves.
	Mounts map[string]http.Handler
	// Secure says that browsers reach the server by TLS although it does not speak it itself.
	Secure bool
	// TrustForwarded takes the address of a caller from X-Forwarded-For, as a proxy in front sets it.
	TrustForwarded bool
	// MaxBody bounds a body in bytes, Timeout the time for an answer, Beat the silence of a stream; 0 means the default.
	MaxBody       int64
	Timeout, Beat time.Duration
	Log           *slog.Logger
	// RequestID makes the name of a request, for the log and the caller.
	RequestID func() string
}

func (o *Options) applyDefaults() {
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Beat == 0 {
		o.Beat = defaultBeat
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RequestID == nil {
		o.RequestID = randomID
	}
}

// Handler serves the API. Drain ends its streams.
type Handler struct {
	Options
	handler  http.Handler
	draining context.Context
	drain    context.CancelFunc
}

// New returns the handler of the API.
func New(o Options) (*Handler, error) {
	o.applyDefaults()
	h := &Handler{Options: o}
	h.draining, h.drain = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	table := Routes(o.Server)
	for _, r := range table {
		mux.Handle(r.Method+" "+r.Path, h.endpoint(r))
	}
	if err := h.publish(mux, table); err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }) // the caller is gone
	if o.Webhook != nil {
		mux.Handle("POST /api/webhook", o.Webhook)
	}
	for pattern, mounted := range o.Mounts {
		mux.Handle(pattern, mounted)
	}
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		if methods := allowed(mux, r); len(methods) > 0 {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			h.fail(w, r, errMethod{r.Method, methods})
			return
		}
		h.fail(w, r, fault.New(fault.NotFound, "no such path: %s", r.URL.Path))
	})
	if o.UI != nil {
		mux.Handle("/", o.UI)
	}
	h.handler = h.wrap(mux)
	return h, nil
}

// allowed are the methods that something is served for at the path of a request.
func allowed(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut} {
		if _, pattern := mux.Handler(&http.Request{Method: method, Host: r.Host, URL: r.URL}); strings.HasPrefix(pattern, method+" ") ||
			method == http.MethodHead && strings.HasPrefix(pattern, http.MethodGet+" ") {
			methods = append(methods, method)
		}
	}
	return methods
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// Drain ends the streams, so that a shutdown does not wait for their callers. Requests go on to their end.
func (h *Handler) Drain() {
	h.drain()
	h.Server.Close()
}

// NewServer returns an HTTP server for h with limits that a slow or hostile peer cannot stretch. Its Shutdown drains.
func NewServer(h *Handler) *http.Server {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: h.Timeout + readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug), // what peers do wrong with TLS is no news
	}
	s.RegisterOnShutdown(h.Drain)
	return s
}
