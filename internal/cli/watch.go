package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

const (
	completionTimeout = 3 * time.Second
	// watchRetryFor is how long a lost connection is mended before a watch gives up.
	watchRetryFor = 30 * time.Second
	watchRetryGap = time.Second
)

// errWatchEnded says that the server closed a watch, which it does now and then.
var errWatchEnded = errors.New("watch ended")

// WatchApplication implements Applications. It survives watches that the server ends and short outages.
func (c *Connection) WatchApplication(ctx context.Context, key appKey, see func(*v1alpha1.Application) (done bool, err error)) error {
	var failingSince time.Time
	for {
		done, progress, err := c.watchOnce(ctx, key, see)
		if done {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			failingSince = time.Time{}
		}
		if errors.Is(err, errWatchEnded) {
			continue
		}
		if !mendable(err) {
			return fmt.Errorf("watch application %s: %w", key, err)
		}
		now := time.Now()
		if failingSince.IsZero() {
			failingSince = now
		} else if now.Sub(failingSince) > watchRetryFor {
			return fmt.Errorf("watch application %s: %w", key, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watchRetryGap):
		}
	}
}

// watchOnce lists the Application and watches it from there on. progress says that the server answered.
func (c *Connection) watchOnce(
	ctx context.Context, key appKey, see func(*v1alpha1.Application) (bool, error),
) (done, progress bool, err error) {
	list := &v1alpha1.ApplicationList{}
	only := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name}}
	rctx, cancel := c.request(ctx)
	err = c.Client.List(rctx, list, only...)
	cancel()
	if err != nil {
		return false, false, err
	}
	var app *v1alpha1.Application
	if len(list.Items) > 0 {
		app = &list.Items[0]
	}
	if done, err := see(app); done || err != nil {
		return true, true, err
	}
	from := &client.ListOptions{}
	from.ApplyOptions(only)
	from.Raw = metaListOptions(list.ResourceVersion)
	w, err := c.Client.Watch(ctx, &v1alpha1.ApplicationList{}, from)
	if err != nil {
		return false, true, err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, true, ctx.Err()
		case event, ok := <-w.ResultChan():
			if !ok {
				return false, true, errWatchEnded
			}
			var app *v1alpha1.Application
			switch event.Type {
			case watch.Error:
				return false, true, watchEventError(event)
			case watch.Bookmark:
				continue
			case watch.Added, watch.Modified:
				app, _ = event.Object.(*v1alpha1.Application)
			case watch.Deleted:
			}
			if done, err := see(app); done || err != nil {
				return true, true, err
			}
		}
	}
}

// watchEventError turns an error event into an error; one about an expired version only means: list again.
func watchEventError(event watch.Event) error {
	err := apierrors.FromObject(event.Object)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return errWatchEnded
	}
	return err
}

// mendable reports whether trying again may help; a refusal stays one.
func mendable(err error) bool {
	return !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) && !apierrors.IsNotFound(err) &&
		!apierrors.IsBadRequest(err) && !apierrors.IsMethodNotSupported(err)
}

func metaListOptions(resourceVersion string) *metav1.ListOptions {
	return &metav1.ListOptions{ResourceVersion: resourceVersion, AllowWatchBookmarks: true}
}
