package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// thing is the little that is looked at of an Application or a ConfigMap.
type thing struct {
	Metadata struct {
		Namespace       string `json:"namespace"`
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data   map[string]string `json:"data"`
	Status struct {
		Sync struct {
			Status   string `json:"status"`
			Revision string `json:"revision"`
		} `json:"sync"`
		Health struct {
			Status string `json:"status"`
		} `json:"health"`
	} `json:"status"`
}

func (t *thing) key() string { return t.Metadata.Namespace + "/" + t.Metadata.Name }

// view follows one kind of object by a watch and tells, to the event, when a goal is reached.
type view struct {
	api      *api
	path     string // of the list
	selector string

	mu     sync.Mutex
	things map[string]*thing
	events int
	goals  map[*goal]bool
}

// goal is a condition on a set of objects that all of them fulfil at the same time.
type goal struct {
	check   func(*thing) bool
	pending map[string]bool
	wanted  map[string]bool
	reached chan time.Time
}

// newView lists the objects and follows them until ctx ends.
func newView(ctx context.Context, a *api, path, selector string) (*view, error) {
	v := &view{api: a, path: path, selector: selector, goals: map[*goal]bool{}}
	version, err := v.list(ctx)
	if err != nil {
		return nil, err
	}
	go v.follow(ctx, version)
	return v, nil
}

func (v *view) query(more url.Values) string {
	more.Set("labelSelector", v.selector)
	return v.path + "?" + more.Encode()
}

func (v *view) list(ctx context.Context) (string, error) {
	var l struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []*thing `json:"items"`
	}
	if err := v.api.do(ctx, request{method: http.MethodGet, path: v.query(url.Values{}), into: &l}); err != nil {
		return "", fmt.Errorf("list objects to watch: %w", err)
	}
	v.mu.Lock()
	v.things = make(map[string]*thing, len(l.Items))
	v.mu.Unlock()
	for _, t := range l.Items {
		v.saw("ADDED", t)
	}
	return l.Metadata.ResourceVersion, nil
}

func (v *view) follow(ctx context.Context, version string) {
	for ctx.Err() == nil {
		next, err := v.watch(ctx, version)
		version = next
		if err == nil || ctx.Err() != nil {
			continue
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
		if fresh, err := v.list(ctx); err == nil {
			version = fresh
		}
	}
}

var errWatchEnded = errors.New("the watch ended with an error event") //nolint:gochecknoglobals // a sentinel

// watch takes events until the stream ends, and returns the version to go on from.
func (v *view) watch(ctx context.Context, version string) (string, error) {
	path := v.query(url.Values{"watch": {"1"}, "resourceVersion": {version}, "allowWatchBookmarks": {"true"}})
	resp, err := v.api.open(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return version, err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var e struct {
			Type   string `json:"type"`
			Object *thing `json:"object"`
		}
		if err := dec.Decode(&e); err != nil {
			return version, nil // an ordinary end; what was missed comes with the next one
		}
		if e.Type == "ERROR" {
			return version, errWatchEnded
		}
		version = e.Object.Metadata.ResourceVersion
		if e.Type != "BOOKMARK" {
			v.saw(e.Type, e.Object)
		}
	}
}

func (v *view) saw(kind string, t *thing) {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.events++
	if kind == "DELETED" {
		delete(v.things, t.key())
	} else {
		v.things[t.key()] = t
	}
	for g := range v.goals {
		if g.wanted[t.key()] {
			g.settle(t.key(), kind != "DELETED" && g.check(t))
		}
		v.finish(g, now)
	}
}

func (g *goal) settle(key string, ok bool) {
	if ok {
		delete(g.pending, key)
	} else {
		g.pending[key] = true
	}
}

func (v *view) finish(g *goal, now time.Time) {
	if len(g.pending) == 0 && v.goals[g] {
		delete(v.goals, g)
		g.reached <- now
	}
}

// expect sets a goal; the channel gets the moment at which it is reached.
func (v *view) expect(keys []string, check func(*thing) bool) *goal {
	g := &goal{check: check, pending: map[string]bool{}, wanted: map[string]bool{}, reached: make(chan time.Time, 1)}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.goals[g] = true
	for _, k := range keys {
		g.wanted[k] = true
		t := v.things[k]
		g.settle(k, t != nil && check(t))
	}
	v.finish(g, time.Now())
	return g
}

// wait blocks until the goal is reached. what is for the error when ctx ends before.
func (v *view) wait(ctx context.Context, g *goal, what string) (time.Time, error) {
	select {
	case at := <-g.reached:
		return at, nil
	case <-ctx.Done():
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.goals, g)
	for key := range g.pending {
		state := "absent"
		if t := v.things[key]; t != nil {
			state = fmt.Sprintf("sync %q at %q, health %q, data %v", t.Status.Sync.Status, t.Status.Sync.Revision, t.Status.Health.Status, t.Data)
		}
		return time.Time{}, fmt.Errorf("wait until %s: %d of %d are missing, such as %s (%s): %w",
			what, len(g.pending), len(g.wanted), key, state, context.Cause(ctx))
	}
	return time.Time{}, fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
}

// seen is how many events there were so far.
func (v *view) seen() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.events
}
