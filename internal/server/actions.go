package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/action"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// ResourceActionsListResponse are the actions that an object has.
type ResourceActionsListResponse struct {
	Actions []ResourceAction `json:"actions"`
}

// ResourceAction is something that can be done to an object.
type ResourceAction struct {
	Name        string                `json:"name"`
	Params      []ResourceActionParam `json:"params,omitempty"`
	Disabled    bool                  `json:"disabled,omitempty"`
	IconClass   string                `json:"iconClass,omitempty"`
	DisplayName string                `json:"displayName,omitempty"`
}

// ResourceActionParam is a parameter of an action. Value is what it begins with where somebody is asked for it, Default is taken
// when none is given.
type ResourceActionParam struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Type    string `json:"type,omitempty"`
	Default string `json:"default,omitempty"`
}

// ResourceActionParameters is a parameter as it is given.
type ResourceActionParameters struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// ResourceActionRunRequestV2 is of Application.RunResourceActionV2.
type ResourceActionRunRequestV2 struct {
	Named                    `json:",inline"`
	Namespace                string                     `json:"namespace,omitempty"`
	ResourceName             string                     `json:"resourceName,omitempty"`
	Version                  string                     `json:"version,omitempty"`
	Group                    string                     `json:"group,omitempty"`
	Kind                     string                     `json:"kind,omitempty"`
	Action                   string                     `json:"action,omitempty"`
	ResourceActionParameters []ResourceActionParameters `json:"resourceActionParameters,omitempty"`
}

// ListResourceActions says what can be done to an object.
func (s *Server) ListResourceActions(ctx context.Context, q *ApplicationResourceRequest) (*ResourceActionsListResponse, error) {
	_, u, err := s.resource(ctx, q, "get")
	if err != nil {
		return nil, err
	}
	set, err := s.actionSet(ctx)
	if err != nil {
		return nil, err
	}
	found, err := set.List(u, s.Engine.MaskedAnnotations()...)
	if err != nil {
		return nil, err
	}
	out := &ResourceActionsListResponse{Actions: []ResourceAction{}}
	for _, a := range found {
		shown := ResourceAction{Name: a.Name, Disabled: a.Disabled, IconClass: a.IconClass, DisplayName: a.DisplayName}
		for _, p := range a.Params {
			shown.Params = append(shown.Params, ResourceActionParam{Name: p.Name, Value: p.Value, Type: p.Type, Default: p.Default})
		}
		out.Actions = append(out.Actions, shown)
	}
	return out, nil
}

// RunResourceAction does it. The right is action/<group>/<kind>/<name of the action>.
func (s *Server) RunResourceAction(ctx context.Context, q *ResourceActionRunRequestV2) (*ApplicationResponse, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	if err := s.require(ctx, "applications", fmt.Sprintf("action/%s/%s/%s", q.Group, q.Kind, q.Action), s.rbacObject(app)); err != nil {
		return nil, err
	}
	ref := object.Ref{Group: q.Group, Kind: q.Kind, Namespace: q.Namespace, Name: q.ResourceName}
	if ref.Kind == "" || ref.Name == "" {
		return nil, fault.New(fault.Invalid, "kind and resourceName are needed")
	}
	// What is no object of the application has no record there.
	if _, err := s.node(ctx, app, ref); err != nil {
		return nil, err
	}
	params := map[string]string{}
	for _, p := range q.ResourceActionParameters {
		params[p.Name] = p.Value
	}
	out, err := s.act(ctx, app, action.Request{Ref: ref, Version: q.Version, Action: q.Action, Params: params})
	text := "ran " + q.Action + " of " + ref.String() + given(params, out.Builtin)
	if len(out.Done) > 0 {
		text += ": " + out.String()
	}
	s.Record(ctx, app, withoutValues(err, params, out.Builtin), Activity{Kind: audit.KindAction, Text: text})
	if err != nil {
		return nil, err
	}
	return &ApplicationResponse{}, nil
}

// given says in a record which parameters an action had. What they were is left out where a script may take anything as one, a
// password among them.
func given(params map[string]string, builtin bool) string {
	words := slices.Sorted(maps.Keys(params))
	if len(words) == 0 {
		return ""
	}
	if builtin {
		for i, name := range words {
			words[i] = name + "=" + params[name]
		}
	}
	return " with " + strings.Join(words, ", ")
}

// withoutValues is an error as the record has it: a script, or the cluster, may repeat the parameters.
func withoutValues(err error, params map[string]string, builtin bool) error {
	if err == nil || builtin {
		return err
	}
	text := err.Error()
	for _, value := range params {
		if value != "" {
			text = strings.ReplaceAll(text, value, mask.Hidden)
		}
	}
	return fault.As(fault.KindOf(err), errors.New(text))
}

// act runs an action as the project of the application permits it.
func (s *Server) act(ctx context.Context, app *v1alpha1.Application, q action.Request) (action.Outcome, error) {
	set, err := s.actionSet(ctx)
	if err != nil {
		return action.Outcome{}, err
	}
	p, err := s.projectOf(ctx, app)
	if err != nil {
		return action.Outcome{}, err
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return action.Outcome{}, err
	}
	permitted, err := s.permissions(ctx, p)
	if err != nil {
		return action.Outcome{}, err
	}
	q.Project, q.Server, q.ServerName = permitted, dest.Server, dest.Name
	q.Masked, q.Now = s.Engine.MaskedAnnotations(), s.Now
	return set.Run(ctx, actionCluster{s, app, dest}, q)
}

// ResourceActionRunRequest is of Application.RunResourceAction, which has no parameters: the body is the action.
type ResourceActionRunRequest struct {
	ApplicationResourceRequest `json:",inline"`
	Action                     string `json:"action,omitempty" body:"*"`
}

// RunResourceActionV1 is the older form of RunResourceAction.
func (s *Server) RunResourceActionV1(ctx context.Context, q *ResourceActionRunRequest) (*ApplicationResponse, error) {
	return s.RunResourceAction(ctx, &ResourceActionRunRequestV2{Named: q.Named, Namespace: q.Namespace, ResourceName: q.ResourceName,
		Version: q.Version, Group: q.Group, Kind: q.Kind, Action: q.Action})
}

// actionMemory keeps the compiled actions of the settings as they are now.
type actionMemory struct {
	mu   sync.Mutex
	of   map[string]string // the keys of argocd-cm that say them
	last settings.Settings
	set  *action.Set
}

// actionSet returns the actions of all kinds. Problems of the settings are the controller's to tell.
func (s *Server) actionSet(ctx context.Context) (*action.Set, error) {
	config, err := s.configMap(ctx, settings.ConfigMapName)
	if err != nil {
		return nil, err
	}
	said := map[string]string{}
	for key, text := range config {
		if strings.HasPrefix(key, settings.Customizations) {
			said[key] = text
		}
	}
	m := &s.actions
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.set == nil || !maps.Equal(m.of, said) {
		m.last, _ = settings.Parse(said, nil, &m.last)
		m.set, _ = action.Compile(m.last.Scripts)
		m.of = said
	}
	return m.set, nil
}

// actionCluster implements action.Cluster.
type actionCluster struct {
	server *Server
	app    *v1alpha1.Application
	dest   Destination
}

func (c actionCluster) Object(ctx context.Context, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	return c.server.live(ctx, c.app, ref, version)
}

func (c actionCluster) Namespaced(kind schema.GroupVersionKind) (bool, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	namespaced, err := c.dest.Client.IsObjectNamespaced(u)
	if meta.IsNoMatchError(err) {
		return false, fault.New(fault.Invalid, "the cluster has no kind %s in %s", kind.Kind, kind.GroupVersion())
	}
	return namespaced, kubeFault(err, "look up the kind %s", kind)
}

func (c actionCluster) PatchObject(ctx context.Context, u *unstructured.Unstructured, patch []byte, o action.WriteOptions) error {
	ref, merge := object.RefOf(u), client.RawPatch(types.MergePatchType, patch)
	if o.Status {
		options := []client.SubResourcePatchOption{client.FieldOwner("belay-server")}
		if o.DryRun {
			options = append(options, client.DryRunAll)
		}
		return c.dest.fault(c.dest.Client.Status().Patch(ctx, u, merge, options...), "patch the status of", ref)
	}
	options := []client.PatchOption{client.FieldOwner("belay-server")}
	if o.DryRun {
		options = append(options, client.DryRunAll)
	}
	return c.dest.fault(c.dest.Client.Patch(ctx, u, merge, options...), "patch", ref)
}

func (c actionCluster) CreateObject(ctx context.Context, u *unstructured.Unstructured, o action.WriteOptions) error {
	options := []client.CreateOption{client.FieldOwner("belay-server")}
	if o.DryRun {
		options = append(options, client.DryRunAll)
	}
	return c.dest.fault(c.dest.Client.Create(ctx, u, options...), "create", object.RefOf(u))
}
