package service

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// recorder keeps the requests that a server gets.
type recorder struct {
	mu   sync.Mutex
	seen []request
}

type request struct {
	Line   string // method and address
	Body   string
	Header http.Header
}

func (r *recorder) record(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.seen = append(r.seen, request{req.Method + " " + req.URL.String(), string(body), req.Header})
		r.mu.Unlock()
		h(w, req)
	}
}

func (r *recorder) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.seen...)
}

// last returns the last request; its body must be JSON.
func (r *recorder) last(t *testing.T) (line string, body map[string]any, header http.Header) {
	t.Helper()
	all := r.requests()
	if len(all) == 0 {
		t.Fatal("no request")
	}
	req := all[len(all)-1]
	if err := json.Unmarshal([]byte(req.Body), &body); err != nil {
		t.Fatalf("the body is no JSON object: %s", req.Body)
	}
	return req.Line, body, req.Header
}

// build makes a service; ADDRESS in options stands for the server's.
func build(t *testing.T, kind, name, options string) notify.Service {
	t.Helper()
	s, err := New(kind, name, []byte(options), env())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sent(t *testing.T, s notify.Service, m notify.Message, recipient string) {
	t.Helper()
	if err := s.Send(t.Context(), m, recipient); err != nil {
		t.Fatal(err)
	}
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if err == nil || !fault.Is(err, kind) || !contains(err.Error(), text) {
		t.Errorf("got %v (%v), want %v with %q", err, fault.KindOf(err), kind, text)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

type object = map[string]any

// message is one with a part for a type.
func message(text, kind string, part object) notify.Message {
	return notify.Message{Text: text, Parts: map[string]any{kind: part}}
}
