package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/action"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/settings"
)

// actionSet is what argocd-cm says of actions, and which annotations of Secrets it hides.
func (c *Connection) actionSet(ctx context.Context) (*action.Set, []string, error) {
	ctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(ctx, appKey{Namespace: c.Namespace, Name: settings.ConfigMapName}, &cm)
	if client.IgnoreNotFound(err) != nil {
		return nil, nil, fmt.Errorf("read actions from ConfigMap %s/%s: %w", c.Namespace, settings.ConfigMapName, err)
	}
	s, _ := settings.Parse(cm.Data, nil, nil) // problems are the controller's to tell
	set, _ := action.Compile(s.Scripts)
	return set, s.MaskedAnnotations, nil
}

// ResourceActions implements Objects.
func (c *Connection) ResourceActions(ctx context.Context, _ *v1alpha1.Application, live *unstructured.Unstructured) ([]action.Action, error) {
	set, masked, err := c.actionSet(ctx)
	if err != nil {
		return nil, err
	}
	return set.List(live, masked...)
}

// RunAction implements Objects. The scripts run in this process, and the rights are those of the kubeconfig.
func (c *Connection) RunAction(
	ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, name string, params map[string]string,
) error {
	set, masked, err := c.actionSet(ctx)
	if err != nil {
		return err
	}
	p, err := c.permits(ctx, app)
	if err != nil {
		return err
	}
	own := object.RefOf(live)
	_, err = set.Run(ctx, &kubeActions{c, app, own}, action.Request{
		Ref: own, Version: live.GroupVersionKind().Version, Action: name, Params: params, Masked: masked,
		Project: p, Server: v1alpha1.InClusterServer, ServerName: v1alpha1.InClusterName, Now: c.now,
	})
	return err
}

// permits is the project of an application.
func (c *Connection) permits(ctx context.Context, app *v1alpha1.Application) (*project.Project, error) {
	name := app.Spec.ProjectName()
	p := project.Default(c.Namespace)
	raw, err := c.Project(ctx, name)
	if err == nil {
		p, err = typedProject(raw)
	}
	if err != nil && !(errors.Is(err, ErrNoProject) && name == v1alpha1.DefaultProjectName) {
		return nil, fmt.Errorf("read project %s: %w", name, err)
	}
	globals, err := c.GlobalProjects(ctx, p)
	if err != nil {
		return nil, err
	}
	return project.New(p).Inherit(globals...), nil
}

// kubeActions implements action.Cluster for an object that is known to be one of the application's.
type kubeActions struct {
	conn *Connection
	app  *v1alpha1.Application
	own  object.Ref
}

func (k *kubeActions) Object(ctx context.Context, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	if ref != k.own {
		roots, _, err := treeOf(ctx, k.conn, k.app)
		if err != nil {
			return nil, err
		}
		same := func(r object.Ref) bool { return r == ref }
		if !slices.ContainsFunc(roots, func(n *node) bool { return len(n.below(same)) > 0 }) {
			return nil, fault.New(fault.NotFound, "%s is no object of application %s", ref, qualified(k.app))
		}
	}
	return k.conn.LiveObject(ctx, k.app, ref, version)
}

func (k *kubeActions) Namespaced(kind schema.GroupVersionKind) (bool, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	namespaced, err := k.conn.Client.IsObjectNamespaced(u)
	if err != nil {
		return false, fmt.Errorf("look up the kind %s in %s: %w", kind.Kind, kind.GroupVersion(), err)
	}
	return namespaced, nil
}

func (k *kubeActions) PatchObject(ctx context.Context, u *unstructured.Unstructured, patch []byte, o action.WriteOptions) error {
	ctx, cancel := k.conn.request(ctx)
	defer cancel()
	ref, merge := object.RefOf(u), client.RawPatch(types.MergePatchType, patch)
	if o.Status {
		options := []client.SubResourcePatchOption{client.FieldOwner("belay")}
		if o.DryRun {
			options = append(options, client.DryRunAll)
		}
		return actionWrite(k.conn.Client.Status().Patch(ctx, u, merge, options...), "patch the status of", ref)
	}
	options := []client.PatchOption{client.FieldOwner("belay")}
	if o.DryRun {
		options = append(options, client.DryRunAll)
	}
	return actionWrite(k.conn.Client.Patch(ctx, u, merge, options...), "patch", ref)
}

func (k *kubeActions) CreateObject(ctx context.Context, u *unstructured.Unstructured, o action.WriteOptions) error {
	ctx, cancel := k.conn.request(ctx)
	defer cancel()
	options := []client.CreateOption{client.FieldOwner("belay")}
	if o.DryRun {
		options = append(options, client.DryRunAll)
	}
	return actionWrite(k.conn.Client.Create(ctx, u, options...), "create", object.RefOf(u))
}

// actionWrite gives the answer of the cluster its kind. What it says about a Secret may repeat a value, and is left out.
func actionWrite(err error, verb string, ref object.Ref) error {
	if err == nil {
		return nil
	}
	kind := fault.KindOf(err)
	switch {
	case apierrors.IsNotFound(err):
		kind = fault.NotFound
	case apierrors.IsConflict(err):
		kind = fault.Conflict
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		kind = fault.Invalid
	case apierrors.IsForbidden(err):
		kind = fault.Denied
	}
	if ref.Group == "" && ref.Kind == "Secret" {
		return fault.New(kind, "%s %s: %s", verb, ref, apierrors.ReasonForError(err))
	}
	return fault.New(kind, "%s %s: %w", verb, ref, err)
}
