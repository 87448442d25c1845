package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
)

// Bounds of the waiting for a server whose cache lags behind what it has answered before.
const (
	settleAttempts = 40
	settlePause    = 50 * time.Millisecond
)

// Application implements cli.Applications.
func (s *Server) Application(ctx context.Context, key cli.AppKey) (*unstructured.Unstructured, error) {
	path, query := appPath(key, "")
	for attempt := 1; ; attempt++ {
		app, err := s.readApp(ctx, path, query)
		lags := err == nil && s.stale(key, app.GetResourceVersion()) || fault.Is(err, fault.NotFound) && s.known(key)
		if err == nil && !lags {
			s.remember(key, app.GetResourceVersion())
			return app, nil
		}
		if !lags || attempt == settleAttempts {
			if err == nil {
				return app, nil // the newer one was perhaps of an object that was replaced
			}
			return nil, appError(err, "get", key)
		}
		if err := pause(ctx, settlePause); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (s *Server) readApp(ctx context.Context, path string, query url.Values) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := s.get(ctx, path, query, &u.Object); err != nil {
		return nil, err
	}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	return u, nil
}

// appError says what was done with which application, and tells one that does not exist from all other errors.
func appError(err error, verb string, key cli.AppKey) error {
	if fault.Is(err, fault.NotFound) {
		return fmt.Errorf("%s application %s: %w", verb, key, cli.ErrNoApplication)
	}
	return fmt.Errorf("%s application %s: %w", verb, key, err)
}

// ListApplications implements cli.Applications.
func (s *Server) ListApplications(ctx context.Context, namespace string, selector labels.Selector) ([]unstructured.Unstructured, error) {
	query := url.Values{}
	if namespace != "" {
		query.Set("appNamespace", namespace)
	}
	if !selector.Empty() {
		query.Set("selector", selector.String())
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := s.get(ctx, "/api/v1/applications", query, &list); err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	items := make([]unstructured.Unstructured, len(list.Items))
	for i, text := range list.Items {
		if err := utiljson.Unmarshal(text, &items[i].Object); err != nil {
			return nil, fault.New(fault.Internal, "list applications: the answer cannot be read: %w", err)
		}
		items[i].SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	}
	return items, nil
}

// ApplicationNames implements cli.Applications.
func (s *Server) ApplicationNames(ctx context.Context, namespace string) ([]cli.AppKey, error) {
	query := url.Values{"fields": {"items.metadata.name,items.metadata.namespace"}}
	if namespace != "" {
		query.Set("appNamespace", namespace)
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name, Namespace string }
		}
	}
	if err := s.get(ctx, "/api/v1/applications", query, &list); err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	names := make([]cli.AppKey, len(list.Items))
	for i, item := range list.Items {
		names[i] = cli.AppKey{Namespace: item.Metadata.Namespace, Name: item.Metadata.Name}
	}
	return names, nil
}

// CreateApplication implements cli.Applications. Whether there is one is asked first: the server answers the creation of an equal
// one as if it were new.
func (s *Server) CreateApplication(ctx context.Context, app *unstructured.Unstructured, o cli.CreateOptions) (*unstructured.Unstructured, error) {
	key := cli.AppKey{Namespace: app.GetNamespace(), Name: app.GetName()}
	path, query := appPath(key, "")
	_, err := s.readApp(ctx, path, query)
	switch {
	case err == nil:
		return nil, cli.ErrExists
	case !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Denied): // who may not see all is not told which exist
		return nil, err
	}
	query = url.Values{"upsert": {"false"}, "validate": {strconv.FormatBool(o.Validate)}}
	created := &unstructured.Unstructured{}
	if err := s.send(ctx, http.MethodPost, "/api/v1/applications", query, app.Object, &created.Object); err != nil {
		return nil, err
	}
	s.remember(key, created.GetResourceVersion())
	created.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	return created, nil
}

// ChangeApplication implements cli.Applications. The patch names the version that it was decided on, so that the server refuses it
// when somebody else was faster.
func (s *Server) ChangeApplication(
	ctx context.Context, key cli.AppKey, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	for attempt := 1; ; attempt++ {
		raw, err := s.Application(ctx, key)
		if err != nil {
			return nil, err
		}
		app, err := typed(raw)
		if err != nil {
			return nil, err
		}
		patch, err := decide(app)
		if err != nil || patch == nil {
			return app, err
		}
		changed, err := s.patch(ctx, key, raw, patch)
		if err == nil {
			return typed(changed)
		}
		if attempt == settleAttempts || !s.overtaken(ctx, key, raw, err) {
			return nil, appError(err, "change", key)
		}
		if err := pause(ctx, settlePause); err != nil {
			return nil, err
		}
	}
}

// overtaken reports whether a patch was refused because the application is another one by now.
func (s *Server) overtaken(ctx context.Context, key cli.AppKey, was *unstructured.Unstructured, err error) bool {
	if fault.Is(err, fault.Conflict) {
		return true
	}
	if !fault.Is(err, fault.Invalid) {
		return false
	}
	path, query := appPath(key, "")
	now, err := s.readApp(ctx, path, query)
	if err != nil || now.GetResourceVersion() == was.GetResourceVersion() {
		return false
	}
	s.remember(key, now.GetResourceVersion())
	return true
}

// patch writes a merge patch as a JSON patch, which can name the version that it is for.
func (s *Server) patch(ctx context.Context, key cli.AppKey, raw *unstructured.Unstructured, merge map[string]any) (*unstructured.Unstructured, error) {
	ops := []patchOp{{Op: "test", Path: "/metadata/resourceVersion", Value: raw.GetResourceVersion()}}
	normal, err := normalised(merge)
	if err != nil {
		return nil, err
	}
	ops = appendOps(ops, "", raw.Object, normal)
	data, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	return s.sendPatch(ctx, key, "json", data)
}

func (s *Server) sendPatch(ctx context.Context, key cli.AppKey, kind string, patch []byte) (*unstructured.Unstructured, error) {
	path, _ := appPath(key, "")
	body := map[string]any{"name": key.Name, "appNamespace": key.Namespace, "patch": string(patch), "patchType": kind}
	u := &unstructured.Unstructured{}
	if err := s.send(ctx, http.MethodPatch, path, nil, body, &u.Object); err != nil {
		return nil, err
	}
	s.remember(key, u.GetResourceVersion())
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	return u, nil
}

// PatchApplication implements cli.Applications.
func (s *Server) PatchApplication(ctx context.Context, key cli.AppKey, kind types.PatchType, patch []byte) (*unstructured.Unstructured, error) {
	word := map[types.PatchType]string{types.JSONPatchType: "json", types.MergePatchType: "merge"}[kind]
	u, err := s.sendPatch(ctx, key, word, patch)
	if err != nil {
		return nil, appError(err, "patch", key)
	}
	return u, nil
}

// DeleteApplication implements cli.Applications.
func (s *Server) DeleteApplication(ctx context.Context, key cli.AppKey, cascade bool, propagation string) error {
	path, query := appPath(key, "")
	query.Set("cascade", strconv.FormatBool(cascade))
	if cascade {
		if propagation == "orphan" {
			query.Set("cascade", "false")
		} else {
			query.Set("propagationPolicy", propagation)
		}
	}
	s.forget(key)
	err := s.send(ctx, http.MethodDelete, path, query, nil, nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Refresh implements cli.Applications. The server waits for the controller; when it has waited long enough for a proxy, it is asked
// again.
func (s *Server) Refresh(ctx context.Context, key cli.AppKey, hard bool) error {
	path, query := appPath(key, "")
	query.Set("refresh", v1alpha1.RefreshNormal)
	if hard {
		query.Set("refresh", v1alpha1.RefreshHard)
	}
	for {
		u := &unstructured.Unstructured{}
		err := s.wait(ctx, path, query, &u.Object)
		switch {
		case err == nil:
			s.remember(key, u.GetResourceVersion())
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !fault.Is(err, fault.Transient):
			return appError(err, "refresh", key)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// Start implements cli.Applications. What decide refuses is refused here, with its reason; the server checks again.
func (s *Server) Start(
	ctx context.Context, key cli.AppKey, decide func(*v1alpha1.Application) (cli.Start, error), now time.Time,
) (*v1alpha1.Application, error) {
	raw, err := s.Application(ctx, key)
	if err != nil {
		return nil, err
	}
	app, err := typed(raw)
	if err != nil {
		return nil, err
	}
	if err := operation.Busy(app, now); err != nil {
		return nil, err
	}
	start, err := decide(app)
	if err != nil {
		return nil, err
	}
	below, body := "/sync", syncBody(start.Operation)
	if start.Deployment != nil {
		below, body = "/rollback", map[string]any{"id": start.Deployment.ID, "prune": start.Operation.Sync.Prune, "dryRun": start.Operation.Sync.DryRun}
	}
	body["name"], body["appNamespace"] = key.Name, key.Namespace
	path, _ := appPath(key, below)
	started := &unstructured.Unstructured{}
	if err := s.send(ctx, http.MethodPost, path, nil, body, &started.Object); err != nil {
		return nil, err
	}
	s.remember(key, started.GetResourceVersion())
	return typed(started)
}

// syncBody is the request for a sync.
func syncBody(op *v1alpha1.Operation) map[string]any {
	sync := op.Sync
	body := map[string]any{
		"revision": sync.Revision, "dryRun": sync.DryRun, "prune": sync.Prune, "strategy": sync.SyncStrategy, "infos": op.Info,
		"syncOptions": map[string]any{"items": append([]string{}, sync.SyncOptions...)},
	}
	if len(sync.Resources) > 0 {
		body["resources"] = sync.Resources
	}
	if len(sync.Manifests) > 0 {
		body["manifests"] = sync.Manifests
	}
	if op.Retry.Limit != 0 || op.Retry.Backoff != nil {
		body["retryStrategy"] = op.Retry
	}
	positions, revisions := positioned(sync.Revisions)
	if len(revisions) > 0 {
		body["sourcePositions"], body["revisions"] = positions, revisions
	}
	return body
}

// positioned are the revisions that are given, with the positions of their sources from 1.
func positioned(all []string) (positions []int64, revisions []string) {
	for i, r := range all {
		if r != "" {
			positions, revisions = append(positions, int64(i+1)), append(revisions, r)
		}
	}
	return positions, revisions
}

// Terminate implements cli.Applications.
func (s *Server) Terminate(ctx context.Context, key cli.AppKey) error {
	raw, err := s.Application(ctx, key)
	if err != nil {
		return err
	}
	app, err := typed(raw)
	if err != nil {
		return err
	}
	if patch, err := operation.Terminate(app); err != nil || patch == nil {
		return err // nothing runs, or it is ending already
	}
	path, query := appPath(key, "/operation")
	if err := s.send(ctx, http.MethodDelete, path, query, nil, nil); err != nil {
		return appError(err, "change", key)
	}
	return nil
}

func typed(raw *unstructured.Unstructured) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, app); err != nil {
		return nil, fault.New(fault.Internal, "read application %s/%s: %w", raw.GetNamespace(), raw.GetName(), err)
	}
	return app, nil
}
