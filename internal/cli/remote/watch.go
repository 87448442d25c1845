package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
)

const (
	// mendFor is how long a lost connection is mended before a watch gives up.
	mendFor = 30 * time.Second
	mendGap = time.Second
	// endGap is the time before a stream that ended without an error is opened again.
	endGap = 100 * time.Millisecond
)

// WatchApplication implements cli.Applications: it reads the application and follows the stream from there on, and does so again
// when the stream ends, so that no state is missed that lasts.
func (s *Server) WatchApplication(ctx context.Context, key cli.AppKey, see func(*v1alpha1.Application) (done bool, err error)) error {
	var failingSince time.Time
	for {
		done, progress, err := s.watchOnce(ctx, key, see)
		if done {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			failingSince = time.Time{}
		}
		gap := mendGap
		switch {
		case errors.Is(err, errStreamEnded):
			gap = endGap
		case !fault.Is(err, fault.Transient):
			return fmt.Errorf("watch application %s: %w", key, err)
		case failingSince.IsZero():
			failingSince = time.Now()
		case time.Since(failingSince) > mendFor:
			return fmt.Errorf("watch application %s: %w", key, err)
		}
		if err := pause(ctx, gap); err != nil {
			return err
		}
	}
}

// watchOnce reads the application and follows it until the stream ends. progress says that the server answered.
func (s *Server) watchOnce(
	ctx context.Context, key cli.AppKey, see func(*v1alpha1.Application) (bool, error),
) (done, progress bool, err error) {
	query := url.Values{"name": {key.Name}}
	if key.Namespace != "" {
		query.Set("appNamespace", key.Namespace)
	}
	raw, err := s.Application(ctx, key)
	var app *v1alpha1.Application
	switch {
	case errors.Is(err, cli.ErrNoApplication):
	case err != nil:
		return false, false, err
	default:
		if app, err = typed(raw); err != nil {
			return true, true, err
		}
		query.Set("resourceVersion", app.ResourceVersion)
	}
	if done, err := see(app); done || err != nil {
		return true, true, err
	}
	finished := false
	_, err = s.stream(ctx, "/api/v1/stream/applications", query, func(element json.RawMessage) (bool, error) {
		var event struct {
			Type        string                `json:"type"`
			Application *v1alpha1.Application `json:"application"`
		}
		if err := json.Unmarshal(element, &event); err != nil || event.Application == nil {
			return false, fault.New(fault.Internal, "an event of the stream is none: %w", err)
		}
		if event.Application.Name != key.Name || key.Namespace != "" && event.Application.Namespace != key.Namespace {
			return false, nil
		}
		now := event.Application
		if event.Type == "DELETED" {
			s.forget(key)
			now = nil
		} else if s.stale(key, now.ResourceVersion) {
			return false, nil // a cache that lags
		} else {
			s.remember(key, now.ResourceVersion)
		}
		done, err := see(now)
		finished = done || err != nil
		return finished, err
	})
	return finished, true, err
}
