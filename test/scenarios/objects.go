package scenarios

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// lookEvery is how often a kind that is not served, or a server that does not answer, is tried again.
const lookEvery = 250 * time.Millisecond

// objects reads and follows objects of any kind. It is safe for concurrent use.
type objects struct {
	dynamic.Interface
	mapper meta.RESTMapper
	// forget has the kinds that are served asked for anew.
	forget func()
}

func newObjects(rc *rest.Config) (*objects, error) {
	rc = rest.CopyConfig(rc)
	rc.WarningHandler = rest.NoWarnings{} // scenarios do odd things on purpose
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	cached := memory.NewMemCacheClient(found)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	return &objects{client, restmapper.NewShortcutExpander(mapper, cached, func(string) {}), mapper.Reset}, nil
}

// target is what a command looks at: one object, or all of a kind in a namespace.
type target struct {
	kind      string // as in the scenario
	namespace string // empty for the default
	name      string // empty for a list
	selector  string // of labels, of a list
}

func (t target) String() string {
	out := t.kind
	if t.name != "" {
		out += "/" + t.name
	}
	if t.namespace != "" {
		out = t.namespace + "/" + out
	}
	return out
}

// kindOf resolves a kind as kubectl does: a name, a plural or a short name, with ".group" or ".version.group" where that
// is not clear. The two kinds that scenarios are about have fixed short names.
func (o *objects) kindOf(name string) (*meta.RESTMapping, error) {
	m, err := o.known(name)
	if meta.IsNoMatchError(err) {
		o.forget() // a definition may have come since
		return o.known(name)
	}
	return m, err
}

func (o *objects) known(name string) (*meta.RESTMapping, error) {
	name = strings.ToLower(name)
	switch name {
	case "app", "apps", "application", "applications":
		name = "applications.v1alpha1.argoproj.io"
	case "project", "projects", "appproject":
		name = "appprojects.v1alpha1.argoproj.io"
	}
	full, group := schema.ParseResourceArg(name)
	if full != nil {
		if gvk, err := o.mapper.KindFor(*full); err == nil {
			return o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		}
	}
	gvk, err := o.mapper.KindFor(group.WithVersion(""))
	if err != nil {
		return nil, err
	}
	return o.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
}

// place is where the objects of a kind are read and written.
func (o *objects) place(m *meta.RESTMapping, namespace string) dynamic.ResourceInterface {
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return o.Resource(m.Resource)
	}
	return o.Resource(m.Resource).Namespace(namespace)
}

// follow shows see the target as it is and after each change, until see returns true or the context ends. One object is
// shown as itself, nil where there is none or its kind is not served; a list as a slice.
func (o *objects) follow(ctx context.Context, t target, see func(any) bool) error {
	for {
		done, err := o.watch(ctx, t, see)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil && !apierrors.IsTimeout(err) {
				return err
			}
			return ctx.Err()
		case <-time.After(lookEvery):
		}
	}
}

// lists shows the objects of several kinds together, as they are now.
func (o *objects) lists(ctx context.Context, t target, see func(any) bool) (bool, error) {
	all := []any{}
	for _, kind := range strings.Split(t.kind, ",") {
		m, err := o.kindOf(kind)
		if err != nil {
			return false, err
		}
		list, err := o.place(m, t.namespace).List(ctx, metav1.ListOptions{LabelSelector: t.selector})
		if err != nil {
			return false, err
		}
		for _, u := range list.Items {
			all = append(all, u.Object)
		}
	}
	return see(all), nil
}

// watch is follow until the watch ends.
func (o *objects) watch(ctx context.Context, t target, see func(any) bool) (bool, error) {
	if strings.Contains(t.kind, ",") {
		return o.lists(ctx, t, see)
	}
	m, err := o.kindOf(t.kind)
	if meta.IsNoMatchError(err) {
		return see(t.show(nil)), nil
	}
	if err != nil {
		return false, err
	}
	opts := metav1.ListOptions{LabelSelector: t.selector}
	if t.name != "" {
		opts.FieldSelector = "metadata.name=" + t.name
	}
	at := o.place(m, t.namespace)
	list, err := at.List(ctx, opts)
	if apierrors.IsNotFound(err) {
		return see(t.show(nil)), nil
	}
	if err != nil {
		return false, err
	}
	now := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		now[list.Items[i].GetNamespace()+"/"+list.Items[i].GetName()] = &list.Items[i]
	}
	if see(t.show(now)) {
		return true, nil
	}
	opts.ResourceVersion = list.GetResourceVersion()
	w, err := at.Watch(ctx, opts)
	if err != nil {
		return false, err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		u, ok := e.Object.(*unstructured.Unstructured)
		if !ok || e.Type == watch.Error || e.Type == watch.Bookmark {
			return false, nil
		}
		key := u.GetNamespace() + "/" + u.GetName()
		now[key] = u
		if e.Type == watch.Deleted {
			delete(now, key)
		}
		if see(t.show(now)) {
			return true, nil
		}
	}
	return false, nil
}

// show is what a query gets to see.
func (t target) show(now map[string]*unstructured.Unstructured) any {
	if t.name != "" {
		for _, u := range now {
			return u.Object
		}
		return nil
	}
	out := make([]any, 0, len(now))
	for _, u := range now {
		out = append(out, u.Object)
	}
	return out
}
