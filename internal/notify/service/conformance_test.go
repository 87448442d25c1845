package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// subject is a service with a message for it, and what its API answers.
type subject struct {
	kind, name string
	// options is the YAML of the service at an address.
	options   func(address string) string
	message   notify.Message
	recipient string
	// secrets must not be in any error.
	secrets []string
	// api answers as the service does.
	api http.HandlerFunc
}

// subjects are the services that speak HTTP.
func subjects() []subject {
	return slices.Concat(chatSubjects(), incidentSubjects())
}

// canaries are secrets that cannot be in a text by chance.
const (
	canary1 = "canary-Kq7/one+é"
	canary2 = "canaryW3kTwo0000"
)

func env() Env {
	return Env{GitHubToken: func(context.Context, GitHubApp) (string, error) { return canary2, nil }}
}

func (s subject) build(t *testing.T, address string) notify.Service {
	t.Helper()
	out, err := New(s.kind, s.name, []byte(s.options(address)), env())
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return out
}

// serve starts a server that is closed with the test.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// secretless fails if an error holds a secret, in the form of a line or not.
func (s subject) secretless(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("the error holds %q: %s", secret, text)
		}
	}
	if strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") { // base64
		t.Errorf("the error holds a part of a secret: %s", text)
	}
	if len(text) > 1000 || strings.Contains(text, "\n") {
		t.Errorf("the error is no short line: %d bytes", len(text))
	}
	if !strings.Contains(text, s.kind) {
		t.Errorf("the error does not name the service: %s", text)
	}
}

func TestEveryServiceIsTested(t *testing.T) {
	var got []string
	for _, s := range subjects() {
		got = append(got, s.kind)
	}
	got = append(got, "email")
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, Kinds()) {
		t.Errorf("tested are %v, of %v", got, Kinds())
	}
}

func TestConformance(t *testing.T) {
	for _, s := range subjects() {
		t.Run(s.kind, func(t *testing.T) {
			t.Run("delivers", s.delivers)
			t.Run("at once", s.atOnce)
			t.Run("cancelled", s.cancelled)
			t.Run("hangs", s.hangs)
			t.Run("hangs in the answer", s.hangsInTheAnswer)
			t.Run("refused", s.refused)
			t.Run("unreachable", s.unreachable)
			t.Run("huge answer", s.huge)
			t.Run("redirect", s.redirect)
		})
	}
}

func (s subject) delivers(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests++
		mu.Unlock()
		s.api(w, r)
	})
	if err := s.build(t, server.URL).Send(t.Context(), s.message, s.recipient); err != nil {
		t.Fatal(err)
	}
	if requests == 0 {
		t.Error("nothing was sent")
	}
}

func (s subject) atOnce(t *testing.T) {
	server := serve(t, s.api)
	svc := s.build(t, server.URL)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := svc.Send(t.Context(), s.message, s.recipient); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func (s subject) cancelled(t *testing.T) {
	server := serve(t, s.api)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.build(t, server.URL).Send(ctx, s.message, s.recipient)
	s.secretless(t, err)
	if !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Transient) {
		t.Errorf("%v (%v)", err, fault.KindOf(err))
	}
}

func (s subject) hangs(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	server := serve(t, func(_ http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server is closed, which waits for its handlers
	s.endsWithContext(t, server.URL, arrived)
}

func (s subject) hangsInTheAnswer(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ok": `)
		w.(http.Flusher).Flush()
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) })
	s.endsWithContext(t, server.URL, arrived)
}

func (s subject) endsWithContext(t *testing.T, address string, arrived <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	svc := s.build(t, address)
	go func() { done <- svc.Send(ctx, s.message, s.recipient) }()
	<-arrived
	cancel()
	err := <-done
	s.secretless(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func (s subject) refused(t *testing.T) {
	for status, kind := range map[int]fault.Kind{
		503: fault.Transient, 500: fault.Transient, 429: fault.Transient, 425: fault.Transient, 408: fault.Transient,
		401: fault.Denied, 403: fault.Denied, 404: fault.NotFound, 400: fault.Invalid, 410: fault.Invalid,
	} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { repeat(w, r, status) })
		err := s.build(t, server.URL).Send(t.Context(), s.message, s.recipient)
		s.secretless(t, err)
		if !fault.Is(err, kind) {
			t.Errorf("%d is %v, want %v", status, fault.KindOf(err), kind)
		}
		if text := err.Error(); !strings.Contains(text, fmt.Sprint(status)) || !strings.Contains(text, strings.TrimPrefix(server.URL, "http://")) {
			t.Errorf("the error does not name the host and the status: %s", text)
		}
	}
}

// repeat answers with all that the request had, as servers do that mean well.
func repeat(w http.ResponseWriter, r *http.Request, status int) {
	w.WriteHeader(status)
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "no:\n%s %s %s\x1b[31m", r.Header.Get("Authorization"), r.URL, body)
	for name, values := range r.Header {
		fmt.Fprintf(w, "%s: %s\n", name, values)
	}
}

func (s subject) unreachable(t *testing.T) {
	server := serve(t, s.api)
	server.Close()
	err := s.build(t, server.URL).Send(t.Context(), s.message, s.recipient)
	s.secretless(t, err)
	if !fault.Is(err, fault.Transient) {
		t.Errorf("%v (%v)", err, fault.KindOf(err))
	}
}

func (s subject) huge(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadGateway} {
		s.hugeWith(t, status)
	}
}

func (s subject) hugeWith(t *testing.T, status int) {
	t.Helper()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		chunk := strings.Repeat(r.Header.Get("Authorization")+r.URL.String()+"x", 1000)
		for range 2 * maxAnswer / len(chunk) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	err := s.build(t, server.URL).Send(t.Context(), s.message, s.recipient)
	if status == http.StatusOK && err == nil {
		return // who does not read the answer need not mind
	}
	s.secretless(t, err)
	if status != http.StatusOK && !fault.Is(err, fault.Transient) {
		t.Errorf("%v (%v)", err, fault.KindOf(err))
	}
}

// redirect checks that another origin learns no credential, whether it is asked or not.
func (s subject) redirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		asked := false
		other := serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked = true
			body, _ := io.ReadAll(r.Body)
			all := fmt.Sprint(r.Header, r.URL, string(body))
			for _, secret := range s.secrets {
				if strings.Contains(all, secret) {
					t.Errorf("after a %d, another host learns %q: %s", status, secret, all)
				}
			}
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, `{"ok": true, "id": 7, "success": true, "status": 1}`)
		})
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/elsewhere", status) })
		err := s.build(t, server.URL).Send(t.Context(), s.message, s.recipient)
		if err != nil {
			s.secretless(t, err)
		}
		if err == nil && !asked {
			t.Errorf("a %d counts as delivered", status)
		}
		if status <= 303 && s.kind != "webhook" {
			wantFault(t, err, fault.Invalid, "where the message would not arrive: set service."+s.kind)
		}
	}
}
