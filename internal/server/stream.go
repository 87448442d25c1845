package server

import (
	"context"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

// StreamQuery is of the one stream that a page of the user interface holds open.
type StreamQuery struct {
	// Cursor is that of the list of deployments, or Last the identifier of the last event: what followed is sent.
	Cursor string `query:"cursor" json:"cursor,omitempty"`
	Last   string `header:"Last-Event-ID" json:"-"`
}

// StreamEvent is a change in the list of deployments.
type StreamEvent struct {
	// Event is deployment: a row as it is now; deleted: a row that is no longer there; resync: the list has to be read anew.
	Event      string      `json:"event"`
	Deployment *Deployment `json:"deployment,omitempty"`
	Name       string      `json:"name,omitempty"`
	Namespace  string      `json:"namespace,omitempty"`
	Cursor     string      `json:"cursor,omitempty"`
}

// StreamEvent gives the event its name. The data of a row is the row itself, as the list has it.
func (e *StreamEvent) StreamEvent() (id, name string, data any) {
	if e.Deployment != nil {
		return e.Cursor, e.Event, e.Deployment
	}
	return e.Cursor, e.Event, e
}

// streamPause is how long changes are gathered: many changes of one row are one event.
const streamPause = 250 * time.Millisecond

// Stream sends the rows of deployments that have become others.
func (s *Server) Stream(ctx context.Context, q *StreamQuery, send func(*StreamEvent) error) error {
	if _, err := signedIn(ctx); err != nil {
		return err
	}
	sub, resumed := s.changes.subscribe(versionOf(firstText(q.Last, q.Cursor)))
	defer sub.close()
	if err := send(nil); err != nil {
		return err
	}
	rows := &rowStream{server: s, send: send}
	if err := rows.begin(ctx, !resumed); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-sub.changes:
			if !ok {
				return errSlow()
			}
			batch, open := gather(ctx, sub, c)
			if err := rows.pass(ctx, batch); err != nil {
				return err
			}
			if !open {
				return errSlow()
			}
		}
	}
}

// gather takes what comes within a pause.
func gather(ctx context.Context, sub *subscription, first change) (batch []change, open bool) {
	batch = append(batch, first)
	pause := time.NewTimer(streamPause)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return batch, true
		case <-pause.C:
			return batch, true
		case c, ok := <-sub.changes:
			if !ok {
				return batch, false
			}
			batch = append(batch, c)
		}
	}
}

// rowStream knows which rows the receiver can have, so that those are taken away which are no longer for it.
type rowStream struct {
	server *Server
	send   func(*StreamEvent) error
	shown  map[client.ObjectKey]bool
}

// begin takes what the receiver may see now for what it has.
func (r *rowStream) begin(ctx context.Context, resync bool) error {
	list, err := r.server.ListApplications(ctx, &ApplicationQuery{})
	if err != nil {
		return err
	}
	r.shown = make(map[client.ObjectKey]bool, len(list.Items))
	for i := range list.Items {
		r.shown[client.ObjectKeyFromObject(&list.Items[i])] = true
	}
	if !resync {
		return nil
	}
	return r.send(&StreamEvent{Event: "resync", Cursor: cursorOf(list.Items)})
}

// pass sends each row once, in the order of the last changes.
func (r *rowStream) pass(ctx context.Context, batch []change) error {
	latest := map[client.ObjectKey]int{}
	for i, c := range batch {
		if c.app == nil {
			return r.begin(ctx, true)
		}
		latest[client.ObjectKeyFromObject(c.app)] = i
	}
	var apps []v1alpha1.Application
	var last []change
	for i, c := range batch {
		if latest[client.ObjectKeyFromObject(c.app)] != i {
			continue
		}
		last = append(last, c)
		if c.kind != watch.Deleted && r.server.Allowed(ctx, "applications", "get", r.server.rbacObject(c.app)) {
			apps = append(apps, *c.app)
		}
	}
	rows, err := r.server.deployments(ctx, apps)
	if err != nil {
		return err
	}
	byKey := map[client.ObjectKey]*Deployment{}
	for i := range rows.Items {
		byKey[client.ObjectKey{Namespace: rows.Items[i].Namespace, Name: rows.Items[i].Name}] = &rows.Items[i]
	}
	for _, c := range last {
		key := client.ObjectKeyFromObject(c.app)
		event := &StreamEvent{Event: "deployment", Name: key.Name, Namespace: key.Namespace, Cursor: c.id(), Deployment: byKey[key]}
		if event.Deployment == nil {
			gone := c.kind == watch.Deleted && r.server.Allowed(ctx, "applications", "get", r.server.rbacObject(c.app))
			if !gone && !r.shown[key] {
				continue // it never was the receiver's
			}
			event.Event = "deleted"
		}
		r.shown[key] = event.Deployment != nil
		if err := r.send(event); err != nil {
			return err
		}
	}
	return nil
}

// cursorOf is the version up to which a list is complete. A list out of a cache has none of its own; the latest of its
// objects serves: what is missing in the list came later.
func cursorOf(apps []v1alpha1.Application) string {
	var latest uint64
	for i := range apps {
		latest = max(latest, versionOf(apps[i].ResourceVersion))
	}
	if latest == 0 {
		return ""
	}
	return strconv.FormatUint(latest, 10)
}
