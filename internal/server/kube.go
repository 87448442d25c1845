package server

import (
	"context"
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/settings"
)

// kubeFault gives an error of the Kubernetes API its kind; what says what was done.
func kubeFault(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	kind := fault.Transient
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		kind = fault.NotFound
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		kind = fault.Conflict
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err), apierrors.IsUnsupportedMediaType(err):
		kind = fault.Invalid
	case apierrors.IsForbidden(err):
		kind = fault.Denied
	case apierrors.IsUnauthorized(err):
		kind = fault.Internal // Belay's own credentials; signing in again does not help the caller
	}
	return fault.New(kind, "%s: %w", what, err)
}

// changeApplication reads an application past the cache, for an action that the caller must be permitted, asks decide for a
// merge patch and applies it; it begins again when somebody else was faster. A nil patch changes nothing. Patches keep fields
// that this program does not know; an update would drop them.
func (s *Server) changeApplication(
	ctx context.Context, a Named, action string, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	var result *v1alpha1.Application
	err := retry.RetryOnConflict(operation.Again(), func() error {
		app, err := s.applicationFrom(ctx, s.Reader, a, action)
		if err != nil {
			return err
		}
		patch, err := decide(app)
		if err != nil || patch == nil {
			result = app
			return err
		}
		data, err := json.Marshal(operation.For(app, patch))
		if err != nil {
			return fmt.Errorf("encode patch of application %s/%s: %w", app.Namespace, app.Name, err)
		}
		result = &v1alpha1.Application{}
		result.Name, result.Namespace = app.Name, app.Namespace
		return s.Client.Patch(ctx, result, client.RawPatch(types.MergePatchType, data))
	})
	if err != nil && apierrors.ReasonForError(err) != "" && fault.KindOf(err) == fault.Internal {
		err = kubeFault(err, "change application %s", a.Name)
	}
	return result, err
}

// changeRecorded is changeApplication with a record of what came of it. What the caller may not do is recorded where it is
// refused, and what does not exist is not at all.
func (s *Server) changeRecorded(
	ctx context.Context, a Named, action string, done Activity, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	var seen *v1alpha1.Application
	app, err := s.changeApplication(ctx, a, action, func(app *v1alpha1.Application) (map[string]any, error) {
		seen = app
		return decide(app)
	})
	if seen != nil {
		s.Record(ctx, seen, err, done)
	}
	return app, err
}

// mergePatch returns what makes before into after; nil when they are equal.
func mergePatch(before, after any) (map[string]any, error) {
	from, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	to, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	data, err := jsonpatch.CreateMergePatch(from, to)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	var patch map[string]any
	if err := json.Unmarshal(data, &patch); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	if len(patch) == 0 {
		return nil, nil
	}
	return patch, nil
}

// configMap reads a ConfigMap of the control plane; one that does not exist is empty.
func (s *Server) configMap(ctx context.Context, name string) (map[string]string, error) {
	var cm corev1.ConfigMap
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return cm.Data, kubeFault(err, "read ConfigMap %s", name)
}

// settings are what argocd-cm and argocd-cmd-params-cm say. What cannot be read in them is the controller's to tell.
func (s *Server) settings(ctx context.Context) (settings.Settings, map[string]string, error) {
	config, err := s.configMap(ctx, settings.ConfigMapName)
	if err != nil {
		return settings.Settings{}, nil, err
	}
	params, err := s.configMap(ctx, settings.ParamsName)
	if err != nil {
		return settings.Settings{}, nil, err
	}
	parsed, _ := settings.Parse(config, params, nil)
	return parsed, config, nil
}

// secrets reads the Secrets of the control plane that are of one of the types.
func (s *Server) secrets(ctx context.Context) ([]*corev1.Secret, error) {
	var list corev1.SecretList
	err := s.Client.List(ctx, &list, client.InNamespace(s.Namespace), client.HasLabels{v1alpha1.LabelSecretType})
	if err != nil {
		return nil, kubeFault(err, "list the Secrets of repositories and clusters")
	}
	out := make([]*corev1.Secret, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// signedIn returns who asks, or the error for somebody whom nobody knows. Methods that answer with what the caller may see
// begin with it: to see nothing is not the same as not being known.
func signedIn(ctx context.Context) (Caller, error) {
	c, ok := CallerOf(ctx)
	if !ok {
		return c, fault.New(fault.Unauthenticated, "sign in first")
	}
	return c, nil
}
