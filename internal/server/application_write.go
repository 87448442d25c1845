package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	mergepatch "gopkg.in/evanphx/json-patch.v4"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/settings"
)

// ApplicationCreateRequest is of Application.Create.
type ApplicationCreateRequest struct {
	Application *v1alpha1.Application `json:"application" body:"*"`
	// Upsert changes an application that exists already with another specification.
	Upsert *bool `query:"upsert" json:"upsert,omitempty"`
	// Validate has no effect: repositories are not asked here, and what the project permits is always checked.
	Validate *bool `query:"validate" json:"validate,omitempty"`
}

// ApplicationUpdateRequest is of Application.Update.
type ApplicationUpdateRequest struct {
	Name        string                `path:"name" json:"-"`
	Application *v1alpha1.Application `json:"application" body:"*"`
	Validate    *bool                 `query:"validate" json:"validate,omitempty"`
	Project     string                `query:"project" json:"project,omitempty"`
}

// ApplicationUpdateSpecRequest is of Application.UpdateSpec.
type ApplicationUpdateSpecRequest struct {
	Named    `json:",inline"`
	Spec     *v1alpha1.ApplicationSpec `json:"spec" body:"*"`
	Validate *bool                     `query:"validate" json:"validate,omitempty"`
}

// ApplicationPatchRequest is of Application.Patch.
type ApplicationPatchRequest struct {
	Named `json:",inline"`
	Patch string `json:"patch"`
	// PatchType is json (RFC 6902, the default) or merge (RFC 7386).
	PatchType string `json:"patchType,omitempty"`
}

// ApplicationDeleteRequest is of Application.Delete.
type ApplicationDeleteRequest struct {
	Named `json:",inline"`
	// Cascade is true unless it is set to false.
	Cascade *bool `query:"cascade" json:"cascade,omitempty"`
	// PropagationPolicy is foreground, the default, or background.
	PropagationPolicy string `query:"propagationPolicy" json:"propagationPolicy,omitempty"`
}

// ApplicationResponse is empty.
type ApplicationResponse struct{}

// CreateApplication makes an application, or changes the one that exists when the request says so.
func (s *Server) CreateApplication(ctx context.Context, q *ApplicationCreateRequest) (*v1alpha1.Application, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	if q.Application == nil || q.Application.Name == "" {
		return nil, fault.New(fault.Invalid, "the request holds no application with a name")
	}
	want := q.Application
	app := &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Name: want.Name, Namespace: cmp.Or(want.Namespace, s.Namespace), Labels: want.Labels,
			Annotations: want.Annotations, Finalizers: want.Finalizers},
		Spec: want.Spec,
	}
	if app.Spec.Project == "" {
		app.Spec.Project = v1alpha1.DefaultProjectName
	}
	if err := s.require(ctx, "applications", "create", s.rbacObject(app)); err != nil {
		return nil, err
	}
	if err := s.validate(ctx, app); err != nil {
		return nil, err
	}
	err := s.Client.Create(ctx, app)
	if apierrors.IsAlreadyExists(err) {
		return s.upsert(ctx, app, q.Upsert != nil && *q.Upsert)
	}
	s.Record(ctx, app, err, Activity{Kind: audit.KindCreate, Text: "created the application"})
	if err != nil {
		return nil, kubeFault(err, "create application %s", app.Name)
	}
	return s.shown(app), nil
}

// upsert answers with the application that exists when it is the wanted one, or makes it so.
func (s *Server) upsert(ctx context.Context, want *v1alpha1.Application, change bool) (*v1alpha1.Application, error) {
	a := Named{Name: want.Name, AppNamespace: want.Namespace}
	have, err := s.applicationFrom(ctx, s.Reader, a, "get")
	if err != nil {
		return nil, err
	}
	if apiequality.Semantic.DeepEqual(have.Spec, want.Spec) && apiequality.Semantic.DeepEqual(have.Labels, want.Labels) &&
		apiequality.Semantic.DeepEqual(have.Annotations, want.Annotations) && apiequality.Semantic.DeepEqual(have.Finalizers, want.Finalizers) {
		return s.shown(have), nil
	}
	if !change {
		return nil, fault.New(fault.Invalid, "existing application spec is different, use upsert flag to force update: application %s", want.Name)
	}
	return s.update(ctx, a, func(*v1alpha1.Application) (*v1alpha1.Application, error) { return want, nil })
}

// UpdateApplication changes specification, labels, annotations and finalizers.
func (s *Server) UpdateApplication(ctx context.Context, q *ApplicationUpdateRequest) (*v1alpha1.Application, error) {
	if q.Application == nil {
		return nil, fault.New(fault.Invalid, "the request holds no application")
	}
	name := cmp.Or(q.Application.Name, q.Name)
	if q.Name != "" && name != q.Name {
		return nil, fault.New(fault.Invalid, "the request is for application %q and holds application %q", q.Name, name)
	}
	return s.update(ctx, Named{Name: name, AppNamespace: q.Application.Namespace, Project: q.Project},
		func(*v1alpha1.Application) (*v1alpha1.Application, error) { return q.Application, nil })
}

// UpdateApplicationSpec changes the specification.
func (s *Server) UpdateApplicationSpec(ctx context.Context, q *ApplicationUpdateSpecRequest) (*v1alpha1.ApplicationSpec, error) {
	if q.Spec == nil {
		return nil, fault.New(fault.Invalid, "the request holds no specification")
	}
	app, err := s.update(ctx, q.Named, func(app *v1alpha1.Application) (*v1alpha1.Application, error) {
		app.Spec = *q.Spec
		return app, nil
	})
	if err != nil {
		return nil, err
	}
	return &app.Spec, nil
}

// PatchApplication patches specification, labels, annotations and finalizers. What else a patch says has no effect: status
// and operation have procedures of their own, with rights of their own.
func (s *Server) PatchApplication(ctx context.Context, q *ApplicationPatchRequest) (*v1alpha1.Application, error) {
	return s.update(ctx, q.Named, func(app *v1alpha1.Application) (*v1alpha1.Application, error) {
		data, err := json.Marshal(app)
		if err != nil {
			return nil, fmt.Errorf("encode application %s: %w", app.Name, err)
		}
		patched, err := applyPatch(data, []byte(q.Patch), q.PatchType)
		if err != nil {
			return nil, err
		}
		out := &v1alpha1.Application{}
		if err := json.Unmarshal(patched, out); err != nil {
			return nil, fault.New(fault.Invalid, "the patched application is none: %w", err)
		}
		if out.Name != app.Name || out.Namespace != app.Namespace {
			return nil, fault.New(fault.Invalid, "a patch cannot change the name or the namespace of application %s", app.Name)
		}
		return out, nil
	})
}

// Bounds of a JSON patch: a few copies of copies are larger than any memory. Kubernetes has bounds of the same kind.
const (
	maxPatchOperations = 10000
	maxPatchCopies     = 3 << 20
)

func applyPatch(data, patch []byte, kind string) ([]byte, error) {
	var out []byte
	var err error
	switch kind {
	case "", "json":
		var ops jsonpatch.Patch
		if ops, err = jsonpatch.DecodePatch(patch); err != nil {
			break
		}
		if len(ops) > maxPatchOperations {
			return nil, fault.New(fault.Invalid, "the patch has %d operations, and %d are permitted", len(ops), maxPatchOperations)
		}
		options := jsonpatch.NewApplyOptions()
		options.AccumulatedCopySizeLimit = maxPatchCopies
		out, err = ops.ApplyWithOptions(data, options)
	case "merge":
		out, err = mergepatch.MergePatch(data, patch)
	default:
		return nil, fault.New(fault.Invalid, "patch type %q is none of json and merge", kind)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the patch cannot be applied: %w", err)
	}
	return out, nil
}

// update writes what change makes of an application: its specification, labels, annotations and finalizers.
func (s *Server) update(
	ctx context.Context, a Named, change func(*v1alpha1.Application) (*v1alpha1.Application, error),
) (*v1alpha1.Application, error) {
	app, err := s.changeRecorded(ctx, a, "update", Activity{Kind: audit.KindSettings, Text: "changed the application"}, func(app *v1alpha1.Application) (map[string]any, error) {
		want, err := change(app.DeepCopy())
		if err != nil {
			return nil, err
		}
		next := app.DeepCopy()
		next.Spec, next.Labels, next.Annotations, next.Finalizers = want.Spec, want.Labels, want.Annotations, want.Finalizers
		if next.Spec.ProjectName() != app.Spec.ProjectName() {
			for _, action := range []string{"create", "update"} {
				if err := s.require(ctx, "applications", action, s.rbacObject(next)); err != nil {
					return nil, err
				}
			}
		}
		if err := s.validate(ctx, next); err != nil {
			return nil, err
		}
		return mergePatch(app, next)
	})
	if err != nil {
		return nil, err
	}
	return s.shown(app), nil
}

// validate refuses an application that could not be reconciled: by its own fields, or by its project.
func (s *Server) validate(ctx context.Context, app *v1alpha1.Application) error {
	if app.Namespace != s.Namespace {
		conf, _, err := s.settings(ctx)
		if err != nil {
			return err
		}
		if !s.watches(&conf, app.Namespace) {
			return fault.New(fault.Denied, "namespace %q is not permitted for applications: add it to application.namespaces", app.Namespace)
		}
	}
	p, err := s.projectOf(ctx, app)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Invalid, "application %s references project %s which does not exist", app.Name, app.Spec.ProjectName())
	}
	if err != nil {
		return err
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return err
	}
	clusters, _ := settings.NewClusters(secrets) // problems of Secrets are shown with the clusters
	return s.permitSpec(ctx, app, p, clusters)
}

// permitSpec judges an application by its own fields and by its project.
func (s *Server) permitSpec(ctx context.Context, app *v1alpha1.Application, p *v1alpha1.AppProject, clusters []settings.Cluster) error {
	var own []project.Cluster
	for _, c := range clusters {
		if c.Project == p.Name {
			own = append(own, project.Cluster{Server: c.Server, Name: c.Name})
		}
	}
	judge, err := s.permissions(ctx, p, own...)
	if err != nil {
		return err
	}
	var texts []string
	for _, c := range project.ValidateSpec(app) {
		if c.Type == v1alpha1.ConditionInvalidSpecError {
			texts = append(texts, c.Message)
		}
	}
	if app.Namespace != s.Namespace {
		if err := judge.PermitsSourceNamespace(app.Namespace, s.Namespace); err != nil {
			texts = append(texts, err.Error())
		}
	}
	for _, source := range app.Spec.GetSources() {
		if err := judge.PermitsSource(source.RepoURL); err != nil {
			texts = append(texts, err.Error())
		}
	}
	if len(texts) == 0 {
		to := destinationOf(app.Spec.Destination, clusters)
		if err := judge.PermitsDestination(to.Server, to.Name, to.Namespace); err != nil {
			texts = append(texts, err.Error())
		}
	}
	if len(texts) > 0 {
		return fault.As(fault.Invalid, errors.New("application spec for "+app.Name+" is invalid: "+strings.Join(texts, "; ")))
	}
	return nil
}

// destinationOf completes a destination that names its cluster in one way with the other, as far as the cluster is known.
func destinationOf(d v1alpha1.ApplicationDestination, clusters []settings.Cluster) v1alpha1.ApplicationDestination {
	known := append(slices.Clone(clusters), settings.Cluster{Server: v1alpha1.InClusterServer, Name: v1alpha1.InClusterName})
	for _, c := range known {
		if d.Server != "" && strings.TrimRight(d.Server, "/") == c.Server || d.Server == "" && d.Name == c.Name {
			d.Server, d.Name = c.Server, c.Name
			break
		}
	}
	return d
}

// DeleteApplication deletes an application, with its objects unless cascade is false.
func (s *Server) DeleteApplication(ctx context.Context, q *ApplicationDeleteRequest) (*ApplicationResponse, error) {
	cascade := q.Cascade == nil || *q.Cascade
	if !cascade && q.PropagationPolicy != "" {
		return nil, fault.New(fault.Invalid, "a propagation policy has no meaning without cascade")
	}
	if !slices.Contains([]string{"", "foreground", "background"}, q.PropagationPolicy) {
		return nil, fault.New(fault.Invalid, "propagation policy %q is none of foreground and background", q.PropagationPolicy)
	}
	app, err := s.changeApplication(ctx, q.Named, "delete", func(app *v1alpha1.Application) (map[string]any, error) {
		want := operation.Finalizers(app.Finalizers, cascade, q.PropagationPolicy)
		if slices.Equal(want, app.Finalizers) || app.DeletionTimestamp != nil && cascade {
			return nil, nil // finalizers cannot be added to what is being deleted
		}
		return map[string]any{"metadata": map[string]any{"finalizers": want}}, nil
	})
	if err != nil {
		return nil, err
	}
	// The object whose finalizers were settled, and no other of that name.
	err = s.Client.Delete(ctx, app, client.Preconditions{UID: &app.UID})
	text := "deleted the application and its objects"
	if !cascade {
		text = "deleted the application and left its objects"
	}
	s.Record(ctx, app, err, Activity{Kind: audit.KindDelete, Text: text})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, kubeFault(err, "delete application %s", q.Name)
	}
	return &ApplicationResponse{}, nil
}
