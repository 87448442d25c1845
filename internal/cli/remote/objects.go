package remote

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/action"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// parallelReads bounds requests side by side.
const parallelReads = 8

// treeNode is an object in the server's tree.
type treeNode struct {
	Group, Version, Kind, Namespace, Name, UID string
	ParentRefs                                 []struct{ UID string }
	Health                                     *v1alpha1.HealthStatus
	CreatedAt                                  *metav1.Time
}

func (n *treeNode) ref() object.Ref {
	return object.Ref{Group: n.Group, Kind: n.Kind, Namespace: n.Namespace, Name: n.Name}
}

func (s *Server) nodes(ctx context.Context, app *v1alpha1.Application) ([]treeNode, error) {
	path, query := appPath(keyOf(app), "/resource-tree")
	var tree struct{ Nodes []treeNode }
	err := s.get(ctx, path, query, &tree)
	return tree.Nodes, err
}

func keyOf(app *v1alpha1.Application) cli.AppKey {
	return cli.AppKey{Namespace: app.Namespace, Name: app.Name}
}

// Tree implements cli.Objects.
func (s *Server) Tree(ctx context.Context, app *v1alpha1.Application) (owned []cli.Owned, skipped []string, err error) {
	nodes, err := s.nodes(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	for i := range nodes {
		n := &nodes[i]
		if n.UID == "" {
			continue // it is in the manifests, and not in the cluster
		}
		o := cli.Owned{Ref: n.ref(), Version: n.Version, UID: types.UID(n.UID)}
		for _, p := range n.ParentRefs {
			o.Owners = append(o.Owners, types.UID(p.UID))
		}
		if n.Health != nil {
			o.Health, o.Message = string(n.Health.Status), n.Health.Message
		}
		if n.CreatedAt != nil {
			o.Created = n.CreatedAt.Time
		}
		owned = append(owned, o)
	}
	return owned, nil, nil
}

func objectQuery(app *v1alpha1.Application, ref object.Ref, version string) (string, url.Values) {
	path, query := appPath(keyOf(app), "/resource")
	for name, value := range map[string]string{
		"namespace": ref.Namespace, "resourceName": ref.Name, "version": version, "group": ref.Group, "kind": ref.Kind,
	} {
		query.Set(name, value)
	}
	return path, query
}

// LiveObject implements cli.Objects. Secret values are masked by the server.
func (s *Server) LiveObject(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	path, query := objectQuery(app, ref, version)
	var answer struct{ Manifest string }
	if err := s.get(ctx, path, query, &answer); err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal([]byte(answer.Manifest), &u.Object); err != nil {
		return nil, fault.New(fault.Internal, "the manifest of %s cannot be read: %w", ref, err)
	}
	return u, nil
}

// MaskedAnnotations implements cli.Objects: the server has masked them.
func (s *Server) MaskedAnnotations(context.Context) ([]string, error) { return nil, nil }

// PatchObject implements cli.Objects.
func (s *Server) PatchObject(
	ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, kind types.PatchType, patch []byte,
) error {
	path, query := objectQuery(app, object.RefOf(live), live.GroupVersionKind().Version)
	query.Set("patchType", string(kind))
	return s.send(ctx, http.MethodPost, path, query, string(patch), nil)
}

// DeleteObject implements cli.Objects.
func (s *Server) DeleteObject(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, force, orphan bool) error {
	path, query := objectQuery(app, object.RefOf(live), live.GroupVersionKind().Version)
	query.Set("force", strconv.FormatBool(force))
	query.Set("orphan", strconv.FormatBool(orphan))
	err := s.send(ctx, http.MethodDelete, path, query, nil, nil)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// ResourceActions implements cli.Objects.
func (s *Server) ResourceActions(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured) ([]action.Action, error) {
	path, query := objectQuery(app, object.RefOf(live), live.GroupVersionKind().Version)
	var answer struct {
		Actions []struct {
			Name, DisplayName, IconClass string
			Disabled                     bool
			Params                       []struct{ Name, Value, Type, Default string }
		}
	}
	if err := s.get(ctx, path+"/actions", query, &answer); err != nil {
		return nil, err
	}
	out := make([]action.Action, len(answer.Actions))
	for i, a := range answer.Actions {
		out[i] = action.Action{Name: a.Name, DisplayName: a.DisplayName, IconClass: a.IconClass, Disabled: a.Disabled}
		for _, p := range a.Params {
			out[i].Params = append(out[i].Params, action.Param{Name: p.Name, Value: p.Value, Type: p.Type, Default: p.Default})
		}
	}
	return out, nil
}

// RunAction implements cli.Objects.
func (s *Server) RunAction(
	ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, name string, params map[string]string,
) error {
	path, query := appPath(keyOf(app), "/resource/actions/v2")
	type parameter struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	given := []parameter{}
	for _, param := range slices.Sorted(maps.Keys(params)) {
		given = append(given, parameter{param, params[param]})
	}
	gvk := live.GroupVersionKind()
	return s.send(ctx, http.MethodPost, path, query, map[string]any{
		"name": app.Name, "appNamespace": app.Namespace, "namespace": live.GetNamespace(), "resourceName": live.GetName(),
		"version": gvk.Version, "group": gvk.Group, "kind": gvk.Kind, "action": name, "resourceActionParameters": given,
	}, nil)
}

// podFinder finds pods in the server's tree.
type podFinder struct {
	server   *Server
	app      *v1alpha1.Application
	selected []object.Ref
}

// PodFinder implements cli.Objects.
func (s *Server) PodFinder(app *v1alpha1.Application, selected []object.Ref) cli.PodFinder {
	return &podFinder{s, app, selected}
}

// maxDepth bounds chains of owners, which can be cyclic.
const maxDepth = 16

// Pods implements cli.PodFinder.
func (f *podFinder) Pods(ctx context.Context) ([]corev1.Pod, error) {
	nodes, err := f.server.nodes(ctx, f.app)
	if err != nil {
		return nil, err
	}
	byUID := map[string]*treeNode{}
	for i := range nodes {
		byUID[nodes[i].UID] = &nodes[i]
	}
	var mine func(n *treeNode, depth int) bool
	mine = func(n *treeNode, depth int) bool {
		if slices.Contains(f.selected, n.ref()) {
			return true
		}
		return depth < maxDepth && slices.ContainsFunc(n.ParentRefs, func(p struct{ UID string }) bool {
			up := byUID[p.UID]
			return up != nil && mine(up, depth+1)
		})
	}
	var found []*treeNode
	for i := range nodes {
		if n := &nodes[i]; n.Group == "" && n.Kind == "Pod" && n.UID != "" && mine(n, 0) {
			found = append(found, n)
		}
	}
	pods, err := f.read(ctx, found)
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	return pods, err
}

// read reads pods. Those that are gone by now are left out.
func (f *podFinder) read(ctx context.Context, nodes []*treeNode) ([]corev1.Pod, error) {
	found := make([]*corev1.Pod, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, n := range nodes {
		g.Go(func() error {
			u, err := f.server.LiveObject(ctx, f.app, n.ref(), n.Version)
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			p := &corev1.Pod{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, p); err != nil {
				return fault.New(fault.Internal, "read %s: %w", n.ref(), err)
			}
			found[i] = p
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	for _, p := range found {
		if p != nil {
			pods = append(pods, *p)
		}
	}
	return pods, nil
}
