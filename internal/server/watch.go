package server

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// ApplicationWatchQuery is of Application.Watch.
type ApplicationWatchQuery struct {
	ApplicationQuery `json:",inline"`
	// ResourceVersion, or Last, is where a stream broke off: what followed is sent, if that is still known.
	ResourceVersion string `query:"resourceVersion" json:"resourceVersion,omitempty"`
	Last            string `header:"Last-Event-ID" json:"-"`
}

// ApplicationWatchEvent is a change of an application: ADDED, MODIFIED or DELETED.
type ApplicationWatchEvent struct {
	Type        string               `json:"type"`
	Application v1alpha1.Application `json:"application"`
}

// StreamEvent gives the event the resource version as its identifier.
func (e *ApplicationWatchEvent) StreamEvent() (id, name string, data any) {
	return e.Application.ResourceVersion, "", e
}

// WatchApplications sends the applications that the query selects and the caller may see, then their changes. An
// application that leaves what is selected, or what the caller may see, is told of as deleted.
func (s *Server) WatchApplications(ctx context.Context, q *ApplicationWatchQuery, send func(*ApplicationWatchEvent) error) error {
	if _, err := signedIn(ctx); err != nil {
		return err
	}
	selects, err := q.selects()
	if err != nil {
		return err
	}
	visible := func(app *v1alpha1.Application) bool {
		return selects(app) && s.Allowed(ctx, "applications", "get", s.rbacObject(app))
	}
	sub, resumed := s.changes.subscribe(versionOf(firstText(q.Last, q.ResourceVersion)))
	defer sub.close()
	if err := send(nil); err != nil {
		return err
	}
	sent := map[client.ObjectKey]string{}
	everything := func() error { return s.sendAll(ctx, q, sent, send) }
	if resumed {
		// Which applications the subscriber has is not known: those that are there now are taken for it.
		list, err := s.ListApplications(ctx, &q.ApplicationQuery)
		if err != nil {
			return err
		}
		for i := range list.Items {
			sent[client.ObjectKeyFromObject(&list.Items[i])] = ""
		}
	} else if err := everything(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-sub.changes:
			switch {
			case !ok:
				return errSlow()
			case c.app == nil:
				err = everything()
			default:
				err = s.sendChange(c, visible(c.app), sent, send)
			}
			if err != nil {
				return err
			}
		}
	}
}

func errSlow() error {
	return fault.New(fault.Transient, "the receiver of the stream is too slow: connect again")
}

// sendAll sends every application that is not sent yet in its present state, and tells of those that are gone.
func (s *Server) sendAll(ctx context.Context, q *ApplicationWatchQuery, sent map[client.ObjectKey]string, send func(*ApplicationWatchEvent) error) error {
	list, err := s.ListApplications(ctx, &q.ApplicationQuery)
	if err != nil {
		return err
	}
	there := map[client.ObjectKey]bool{}
	for i := range list.Items {
		app := &list.Items[i]
		key := client.ObjectKeyFromObject(app)
		there[key] = true
		version, known := sent[key]
		if known && version == app.ResourceVersion {
			continue
		}
		kind := string(watch.Added)
		if known {
			kind = string(watch.Modified)
		}
		if err := send(&ApplicationWatchEvent{Type: kind, Application: *app}); err != nil {
			return err
		}
		sent[key] = app.ResourceVersion
	}
	for key := range sent {
		if there[key] {
			continue
		}
		delete(sent, key)
		gone := v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		if err := send(&ApplicationWatchEvent{Type: string(watch.Deleted), Application: gone}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) sendChange(c change, visible bool, sent map[client.ObjectKey]string, send func(*ApplicationWatchEvent) error) error {
	key := client.ObjectKeyFromObject(c.app)
	version, known := sent[key]
	kind := c.kind
	switch {
	case kind != watch.Deleted && visible && known && version == c.id():
		return nil // it was in the list already
	case kind != watch.Deleted && visible && known:
		kind = watch.Modified
	case kind != watch.Deleted && visible:
		kind = watch.Added
	case known, visible: // a subscriber who has come back may have it still
		kind = watch.Deleted
	default:
		return nil
	}
	app := s.shown(c.app)
	if kind == watch.Deleted {
		delete(sent, key)
		if !visible {
			// What it has become is not for the caller.
			app = &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, ResourceVersion: c.id()}}
		}
	} else {
		sent[key] = c.id()
	}
	return send(&ApplicationWatchEvent{Type: string(kind), Application: *app})
}

// treePause is the least time between two trees of a stream.
const treePause = 500 * time.Millisecond

// WatchResourceTree sends the tree of an application, and again when it has become another one.
func (s *Server) WatchResourceTree(ctx context.Context, q *ResourcesQuery, send func(*ApplicationTree) error) error {
	if _, err := s.namedApplication(ctx, q.application(), "get"); err != nil {
		return err
	}
	if err := send(nil); err != nil {
		return err
	}
	last := ""
	ticker := time.NewTicker(treePause)
	defer ticker.Stop()
	for {
		// The right, and the application, may be gone since.
		app, err := s.namedApplication(ctx, q.application(), "get")
		if err != nil {
			return err
		}
		tree, err := s.tree(ctx, app)
		if err != nil {
			return err
		}
		if hash := object.Hash(tree); hash != last {
			last = hash
			if err := send(tree); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// scope is where applications are: in the namespace of the control plane, or anywhere when the settings name others.
func (s *Server) scope(ctx context.Context) []client.ListOption {
	conf, _, err := s.settings(ctx)
	if err == nil && len(conf.ApplicationNamespaces) > 0 {
		return nil
	}
	return []client.ListOption{client.InNamespace(s.Namespace)}
}
