package server

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// ApplicationResourceRequest names an object of an application.
type ApplicationResourceRequest struct {
	Named        `json:",inline"`
	Namespace    string `query:"namespace" json:"namespace,omitempty"`
	ResourceName string `query:"resourceName" json:"resourceName,omitempty"`
	Version      string `query:"version" json:"version,omitempty"`
	Group        string `query:"group" json:"group,omitempty"`
	Kind         string `query:"kind" json:"kind,omitempty"`
}

// ApplicationResourceResponse is an object as JSON without secret values.
type ApplicationResourceResponse struct {
	Manifest string `json:"manifest"`
}

// ApplicationResourcePatchRequest is of Application.PatchResource.
type ApplicationResourcePatchRequest struct {
	ApplicationResourceRequest `json:",inline"`
	// Patch is the patch in JSON, as a string.
	Patch string `json:"patch" body:"*"`
	// PatchType is a media type of Kubernetes, such as application/merge-patch+json.
	PatchType string `query:"patchType" json:"patchType,omitempty"`
}

// ApplicationResourceDeleteRequest is of Application.DeleteResource.
type ApplicationResourceDeleteRequest struct {
	ApplicationResourceRequest `json:",inline"`
	Force                      bool `query:"force" json:"force,omitempty"`
	Orphan                     bool `query:"orphan" json:"orphan,omitempty"`
}

func (q *ApplicationResourceRequest) ref() object.Ref {
	return object.Ref{Group: q.Group, Kind: q.Kind, Namespace: q.Namespace, Name: q.ResourceName}
}

// GetResource reads an object of an application from the cluster.
func (s *Server) GetResource(ctx context.Context, q *ApplicationResourceRequest) (*ApplicationResourceResponse, error) {
	_, u, err := s.resource(ctx, q, "get")
	if err != nil {
		return nil, err
	}
	text, err := s.manifest(u)
	return &ApplicationResourceResponse{Manifest: text}, err
}

// PatchResource changes an object of an application in the cluster.
func (s *Server) PatchResource(ctx context.Context, q *ApplicationResourcePatchRequest) (*ApplicationResourceResponse, error) {
	app, u, err := s.resource(ctx, &q.ApplicationResourceRequest, "update")
	if err != nil {
		return nil, err
	}
	kind := types.PatchType(q.PatchType)
	switch kind {
	case types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType:
	case "":
		kind = types.MergePatchType
	default:
		return nil, fault.New(fault.Invalid, "patch type %q is none of %s, %s and %s", q.PatchType, types.MergePatchType, types.JSONPatchType, types.StrategicMergePatchType)
	}
	if !json.Valid([]byte(q.Patch)) {
		return nil, fault.New(fault.Invalid, "the patch is no JSON")
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return nil, err
	}
	err = dest.fault(dest.Client.Patch(ctx, u, client.RawPatch(kind, []byte(q.Patch)), client.FieldOwner("belay-server")), "patch", q.ref())
	s.Record(ctx, app, err, Activity{Kind: audit.KindSettings, Text: "patched " + q.ref().String()})
	if err != nil {
		return nil, err
	}
	text, err := s.manifest(u)
	return &ApplicationResourceResponse{Manifest: text}, err
}

// DeleteResource deletes an object of an application from the cluster.
func (s *Server) DeleteResource(ctx context.Context, q *ApplicationResourceDeleteRequest) (*ApplicationResponse, error) {
	app, u, err := s.resource(ctx, &q.ApplicationResourceRequest, "delete")
	if err != nil {
		return nil, err
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return nil, err
	}
	uid := u.GetUID()
	options := []client.DeleteOption{client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationForeground)}
	switch {
	case q.Force:
		options = append(options, client.PropagationPolicy(metav1.DeletePropagationBackground), client.GracePeriodSeconds(0))
	case q.Orphan:
		options = append(options, client.PropagationPolicy(metav1.DeletePropagationOrphan))
	}
	err = dest.fault(client.IgnoreNotFound(dest.Client.Delete(ctx, u, options...)), "delete", q.ref())
	s.Record(ctx, app, err, Activity{Kind: audit.KindDelete, Text: "deleted " + q.ref().String()})
	if err != nil {
		return nil, err
	}
	return &ApplicationResponse{}, nil
}

// resource reads an object that belongs to the application, for an action that the caller must be permitted: with it itself
// as Argo CD has it in fine-grained rules, such as delete/apps/Deployment/shop/web.
func (s *Server) resource(ctx context.Context, q *ApplicationResourceRequest, action string) (*v1alpha1.Application, *unstructured.Unstructured, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, nil, err
	}
	if q.Kind == "" || q.ResourceName == "" {
		return nil, nil, fault.New(fault.Invalid, "kind and resourceName are needed")
	}
	ref := q.ref()
	if err := s.permitObject(ctx, app, action, ref); err != nil {
		return nil, nil, err
	}
	u, err := s.live(ctx, app, ref, q.Version)
	return app, u, err
}

// live reads an object that belongs to the application; without a version in the one that the tree has.
func (s *Server) live(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	node, err := s.node(ctx, app, ref)
	if err != nil {
		return nil, err
	}
	u, err := s.Engine.Live(ctx, app, ref, firstText(version, node.Version))
	if err != nil {
		return nil, err
	}
	if u.GetAPIVersion() == "" || u.GetKind() == "" {
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: ref.Group, Version: node.Version, Kind: ref.Kind})
	}
	return u, nil
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// permitObject checks the right to act on one object. Since Argo CD 3.0 the right to update or delete an application is none
// over its objects, unless argocd-cm says that it is.
func (s *Server) permitObject(ctx context.Context, app *v1alpha1.Application, action string, ref object.Ref) error {
	if action != "update" && action != "delete" {
		return s.require(ctx, "applications", action, s.rbacObject(app))
	}
	fine := fmt.Sprintf("%s/%s/%s/%s/%s", action, ref.Group, ref.Kind, ref.Namespace, ref.Name)
	_, config, err := s.settings(ctx)
	if err != nil {
		return err
	}
	if config["server.rbac.disableApplicationFineGrainedRBACInheritance"] == "false" && s.Allowed(ctx, "applications", action, s.rbacObject(app)) {
		return nil
	}
	return s.require(ctx, "applications", fine, s.rbacObject(app))
}

// node finds an object in the tree of the application: what is not there is none of its objects.
func (s *Server) node(ctx context.Context, app *v1alpha1.Application, ref object.Ref) (*Node, error) {
	nodes, err := s.Engine.Tree(ctx, app)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		if nodes[i].Ref == ref && !nodes[i].Orphaned {
			return &nodes[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "%s is no object of application %s in the cluster", ref, app.Name)
}

// fault gives the answer of the cluster about an object its kind. What the cluster says about a Secret may repeat a value, and is
// left out.
func (d Destination) fault(err error, verb string, ref object.Ref) error {
	if err != nil && ref.Group == "" && ref.Kind == "Secret" {
		kind := fault.KindOf(kubeFault(err, ""))
		return fault.New(kind, "%s %s: %s%s", verb, ref, apierrors.ReasonForError(err), d.missingRight(err))
	}
	return kubeFault(d.explained(err), "%s %s", verb, ref)
}

// explained is the answer of the cluster and, where it forbids something to the service account that asked, how that is given.
func (d Destination) explained(err error) error {
	if right := d.missingRight(err); right != "" {
		return fmt.Errorf("%w%s", err, right)
	}
	return err
}

func (d Destination) missingRight(err error) string {
	if d.User == "" || !apierrors.IsForbidden(err) {
		return ""
	}
	return apply.MissingRight(d.User, err.Error())
}
