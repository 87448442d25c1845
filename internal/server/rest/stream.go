package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/server"
)

// event is an element of a stream that is more than data: its identifier, from which a caller goes on after a break, and
// the name under which a browser gets it.
type event interface {
	StreamEvent() (id, name string, data any)
}

// result is how Argo CD's gateway wraps each element of a stream.
type result struct {
	Result any      `json:"result,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// stream answers with a sequence: server-sent events to those who accept them, otherwise one JSON value a line. A caller who
// does not take an element within some seconds is dropped, and so is one whose session has ended meanwhile.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request, run func(context.Context, *sequence) error) error {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.draining, cancel)()
	s := &sequence{w: w, control: http.NewResponseController(w), events: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
	if err := errors.Join(s.control.SetReadDeadline(time.Time{}), s.control.SetWriteDeadline(time.Time{})); err != nil {
		return fmt.Errorf("free the stream of the deadlines of a request: %w", err)
	}
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		s.beat(ctx, h.Beat, h.stillKnown(r), cancel)
	}()
	err := run(ctx, s)
	left := ctx.Err() != nil
	cancel()
	<-beating
	switch {
	case err == nil || left || s.broken():
		if err == nil {
			_ = s.open() // an empty sequence is an answer too; a caller who has left needs none
		}
		return nil
	case !s.started():
		return err
	}
	_, p := problem(err, requestOf(r.Context()).id)
	return s.fail(p)
}

// sequence writes the elements of a stream.
type sequence struct {
	w       http.ResponseWriter
	control *http.ResponseController
	events  bool

	mu    sync.Mutex
	begun bool
	err   error // of writing; the first one stays
}

func (s *sequence) started() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.begun }
func (s *sequence) broken() bool  { s.mu.Lock(); defer s.mu.Unlock(); return s.err != nil }

// open begins the answer.
func (s *sequence) open() error { return s.flush(nil) }

// head writes the headers before the first element. mu is held.
func (s *sequence) head() {
	if s.begun {
		return
	}
	s.begun = true
	header := s.w.Header()
	header.Set("Content-Type", "application/json")
	if s.events {
		header.Set("Content-Type", "text/event-stream")
		header.Set("X-Accel-Buffering", "no") // or nginx keeps events back
	}
	s.w.WriteHeader(http.StatusOK)
}

// send writes one element.
func (s *sequence) send(element any) error {
	var id, name string
	body := any(result{Result: element})
	if e, ok := element.(event); ok {
		var own any
		id, name, own = e.StreamEvent()
		body = result{Result: own}
		if name != "" {
			body = own // streams with names are Belay's own and have no wrapping
		}
	}
	return s.write(id, name, body)
}

// fail writes an error as the last element.
func (s *sequence) fail(p Problem) error {
	_ = s.write("", "", result{Error: &p}) // a caller who has left needs no reason
	return nil
}

func (s *sequence) write(id, name string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode element of stream: %w", err)
	}
	var b bytes.Buffer
	if !s.events {
		b.Write(data)
		b.WriteByte('\n')
		return s.flush(b.Bytes())
	}
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	if name != "" {
		fmt.Fprintf(&b, "event: %s\n", name)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return s.flush(b.Bytes())
}

// stillKnown tells whether the session that a stream was opened with has not ended: a stream may outlive it by hours.
func (h *Handler) stillKnown(r *http.Request) func(context.Context) bool {
	caller, ok := server.CallerOf(r.Context())
	token := tokenOf(r)
	return func(ctx context.Context) bool {
		if !ok || caller.Anonymous || token == "" {
			return true
		}
		_, err := h.Server.Sessions.Verify(ctx, token)
		return !fault.Is(err, fault.Unauthenticated) // whatever else is wrong may pass
	}
}

// beat gives up when the caller is no longer known. Into the silence of events it writes comments, so that proxies keep the
// connection and one whose other end has left is noticed; a line without JSON would surprise the readers of lines.
func (s *sequence) beat(ctx context.Context, every time.Duration, known func(context.Context) bool, giveUp func()) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !known(ctx) || s.events && s.flush([]byte(":\n\n")) != nil {
				giveUp()
				return
			}
		}
	}
}

func (s *sequence) flush(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.head()
	s.err = s.control.SetWriteDeadline(time.Now().Add(streamWriteTime))
	if s.err == nil && len(data) > 0 {
		_, s.err = s.w.Write(data)
	}
	if s.err == nil {
		s.err = s.control.Flush()
	}
	return s.err
}
