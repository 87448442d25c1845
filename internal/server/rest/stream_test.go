package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
)

// sse is one event of a stream.
type sse struct{ id, event, data string }

// follow opens a stream and gives its events.
func (b *bench) follow(ctx context.Context, user, path, last string) (<-chan sse, *http.Response) {
	b.t.Helper()
	r := b.request(ctx, user, "GET", path, nil)
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	out := make(chan sse, 1000)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		var e sse
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data = value
			case "":
				if e.data != "" {
					out <- e
				}
				e = sse{}
			}
		}
	}()
	return out, resp
}

// until reads events until one is wanted.
func until(ctx context.Context, t *testing.T, events <-chan sse, what string, wanted func(sse) bool) sse {
	t.Helper()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the stream ended before %s", what)
			}
			if wanted(e) {
				return e
			}
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func watched(t *testing.T, e sse) (kind string, app v1alpha1.Application) {
	t.Helper()
	var r struct {
		Result server.ApplicationWatchEvent `json:"result"`
	}
	if err := json.Unmarshal([]byte(e.data), &r); err != nil {
		t.Fatalf("%v in %s", err, e.data)
	}
	return r.Result.Type, r.Result.Application
}

// label changes an application.
func (b *bench) label(name, value string) {
	b.t.Helper()
	body := map[string]any{"patchType": "merge", "patch": fmt.Sprintf(`{"metadata":{"labels":{"turn":%q}}}`, value)}
	b.as("admin", "PATCH", "/api/v1/applications/"+name, body).is(b.t, http.StatusOK)
}

// TestWatch follows applications, breaks off, and goes on without a gap and without a repetition.
func TestWatch(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b.fixture("x") // has the project
	b.App("one", nil)
	b.App("dev", func(a *v1alpha1.Application) { a.Spec.Project = "dev" })
	is := func(want, name, turn string) func(sse) bool {
		return func(e sse) bool {
			kind, app := watched(t, e)
			return kind == want && app.Name == name && app.Labels["turn"] == turn
		}
	}
	const path = "/api/v1/stream/applications"
	first, stop := context.WithCancel(ctx)
	events, resp := b.follow(first, "admin", path, "")
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	until(ctx, t, events, "the first state", is("ADDED", "one", ""))
	b.label("one", "1")
	last := until(ctx, t, events, "a change", is("MODIFIED", "one", "1"))
	stop()
	b.label("one", "2")
	b.label("one", "3")
	b.as("admin", "DELETE", "/api/v1/applications/dev?cascade=false", nil).is(t, http.StatusOK)
	events, _ = b.follow(ctx, "admin", path, last.id)
	for _, turn := range []string{"2", "3"} {
		e := until(ctx, t, events, "what was missed", func(sse) bool { return true })
		if !is("MODIFIED", "one", turn)(e) {
			t.Fatalf("after the break came %s, not turn %s", e.data, turn)
		}
	}
	until(ctx, t, events, "the deletion that was missed", is("DELETED", "dev", ""))

	// Who may not see an application is not told of it.
	b.App("dev", func(a *v1alpha1.Application) { a.Spec.Project = "dev" })
	events, _ = b.follow(ctx, "proj:dev:deployer", path, "")
	b.label("one", "4")
	b.label("dev", "5")
	until(ctx, t, events, "the change of the role's own", func(e sse) bool {
		_, app := watched(t, e)
		if app.Name != "dev" && app.Name != "shop" { // both are of the role's project
			t.Fatalf("the role was told of %s", e.data)
		}
		return app.Labels["turn"] == "5"
	})
	// An application that moves out of sight is gone.
	if err := b.move("dev", "default"); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, events, "the application that moved away", func(e sse) bool {
		kind, app := watched(t, e)
		return kind == "DELETED" && app.Name == "dev" && app.Spec.Project == ""
	})
}

func (b *bench) move(name, project string) error {
	app := b.Read(name)
	app.Spec.Project = project
	return b.Client.Update(b.t.Context(), app)
}

// TestStream reads the list, and then its changes from the cursor of the list on.
func TestStream(t *testing.T) {
	b := newBench(t)
	b.engine.commit = server.RevisionMetadata{Author: "Ada", Message: "change"}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b.App("one", nil)
	var list server.DeploymentList
	b.as("admin", "GET", "/api/belay/v1/deployments", nil).is(t, http.StatusOK).into(t, &list)
	b.label("one", "between") // the page has not opened its stream yet
	events, _ := b.follow(ctx, "admin", "/api/belay/v1/stream?cursor="+list.Cursor, "")
	e := until(ctx, t, events, "a row", func(e sse) bool {
		if e.event == "resync" {
			t.Fatal("the list had to be read anew although nothing was missed")
		}
		return e.event == "deployment"
	})
	var row server.Deployment
	if err := json.Unmarshal([]byte(e.data), &row); err != nil {
		t.Fatal(err)
	}
	if row.Name != "one" || row.Labels["turn"] != "between" || e.id == "" {
		t.Errorf("the row is %s with id %q", e.data, e.id)
	}
	b.as("admin", "DELETE", "/api/v1/applications/one?cascade=false", nil).is(t, http.StatusOK)
	until(ctx, t, events, "the deletion", func(e sse) bool { return e.event == "deleted" })
	// A cursor from another time cannot be gone on from.
	for _, cursor := range []string{"", "nonsense", "99999999999999"} {
		events, _ := b.follow(ctx, "admin", "/api/belay/v1/stream?cursor="+cursor, "")
		if cursor != "99999999999999" {
			until(ctx, t, events, "resync for "+cursor, func(e sse) bool { return e.event == "resync" })
		}
	}
}

// TestDrain ends streams, and not requests.
func TestDrain(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, _ := b.follow(ctx, "admin", "/api/belay/v1/stream", "")
	until(ctx, t, events, "the beginning", func(sse) bool { return true })
	b.handler.Drain()
	for {
		select {
		case _, ok := <-events:
			if !ok {
				b.as("admin", "GET", "/api/v1/applications", nil).is(t, http.StatusOK)
				return
			}
		case <-ctx.Done():
			t.Fatal("the stream goes on after the drain")
		}
	}
}

// TestHeartbeat sees comments in the silence of a stream.
func TestHeartbeat(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := b.request(ctx, "admin", "GET", "/api/v1/stream/applications", nil)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for n := 0; n < 2; {
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		if lines.Text() == ":" {
			n++
		}
	}
}

// TestStreamEndsWithItsSession: who has signed out, or was signed out, is told nothing more.
func TestStreamEndsWithItsSession(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, path := range []string{"/api/v1/stream/applications", "/api/belay/v1/stream"} {
		events, _ := b.follow(ctx, "reader", path, "")
		if err := b.sessions.Revoke(ctx, b.sessions.token("reader")); err != nil {
			t.Fatal(err)
		}
		for open := true; open; {
			select {
			case _, open = <-events:
			case <-ctx.Done():
				t.Fatalf("%s goes on after its session", path)
			}
		}
	}
}

// revocable are rights of everybody that can be taken away, by resource.
type revocable struct{ gone atomic.Value }

func (r *revocable) Allows(_ server.Caller, resource, _, _ string) bool {
	return r.gone.Load() != resource
}

// TestLogsEndWithTheRight: whoever loses the right to read logs, or the session, is told no further line.
func TestLogsEndWithTheRight(t *testing.T) {
	rights := &revocable{}
	b := newBench(t, func(b *bench, _ *rest.Options) { b.server.Access, b.server.Recheck = rights, 20*time.Millisecond })
	b.fixture("x")
	b.Eventually("the pod runs", func(ctx context.Context) bool {
		var pod corev1.Pod
		return b.Client.Get(ctx, types.NamespacedName{Namespace: b.Namespace, Name: "lone"}, &pod) == nil && pod.Status.Phase == corev1.PodRunning
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const path = "/api/v1/applications/shop/pods/lone/logs?follow=true"
	for _, resource := range []string{"logs", "applications"} {
		rights.gone.Store("nothing")
		events, resp := b.follow(ctx, "reader", path, "")
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d", resp.StatusCode)
		}
		rights.gone.Store(resource)
		e := until(ctx, t, events, "the refusal", func(e sse) bool { return strings.Contains(e.data, `"error"`) })
		if !strings.Contains(e.data, "permission denied") || !strings.Contains(e.data, `"code":7`) {
			t.Errorf("without %s: %s", resource, e.data)
		}
		if e, more := <-events; more {
			t.Errorf("without %s the stream goes on: %s", resource, e.data)
		}
	}
	rights.gone.Store("nothing")
	events, _ := b.follow(ctx, "reader", path, "")
	if err := b.sessions.Revoke(ctx, b.sessions.token("reader")); err != nil {
		t.Fatal(err)
	}
	for open := true; open; {
		select {
		case _, open = <-events:
		case <-ctx.Done():
			t.Fatal("the stream goes on after its session")
		}
	}
}
