package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// lastApplied is where a client-side apply keeps what it wrote.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// prepare finds the place of an object, gives it its namespace and remembers what will have to be cleaned up.
func (sc *scenario) prepare(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	m, err := sc.objects.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		sc.objects.forget()
		m, err = sc.objects.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, err
	}
	t := target{kind: m.Resource.Resource + "." + m.Resource.Version + "." + m.Resource.Group, name: u.GetName(), namespace: u.GetNamespace()}
	if t = sc.in(t); m.Scope.Name() == meta.RESTScopeNameNamespace {
		u.SetNamespace(t.namespace)
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot || t.namespace != sc.ns {
		sc.created = append(sc.created, t)
	}
	return sc.objects.place(m, t.namespace), nil
}

func (sc *scenario) applyServerSide(ctx context.Context, u *unstructured.Unstructured, manager string) error {
	at, err := sc.prepare(u)
	if err != nil {
		return err
	}
	_, err = at.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return err
}

// applyClientSide writes an object as kubectl apply without --server-side does: its manager owns the fields by
// an update, and what was applied is kept in an annotation. Fields that the last apply had and this one has not are not taken away.
func (sc *scenario) applyClientSide(ctx context.Context, u *unstructured.Unstructured, manager string) error {
	at, err := sc.prepare(u)
	if err != nil {
		return err
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		return err
	}
	annotations := maps.Clone(u.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastApplied] = string(data)
	u.SetAnnotations(annotations)
	_, err = at.Create(ctx, u, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	if data, err = json.Marshal(u.Object); err != nil {
		return err
	}
	_, err = at.Patch(ctx, u.GetName(), mergePatch, data, metav1.PatchOptions{FieldManager: manager})
	return err
}

// settings merges a YAML mapping of texts into a ConfigMap of the control plane, argocd-cm if not said otherwise. It is put
// back as it was in the end.
func settings(c *call) error {
	if !c.External && c.plane == c.Plane {
		return fmt.Errorf("settings: other scenarios share this control plane; the script needs the line alone")
	}
	name := c.arg(1)
	if name == "" {
		name = "argocd-cm"
	}
	data := map[string]string{}
	if err := yaml.Unmarshal([]byte(c.expand(c.ts, c.ts.ReadFile(c.args[0]))), &data); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	t := target{kind: "configmap", namespace: c.plane.Namespace, name: name}
	at, err := c.at(t)
	if err != nil {
		return err
	}
	before, err := at.Get(c.ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + c.plane.Namespace +
			", labels: {app.kubernetes.io/part-of: argocd, app.kubernetes.io/name: " + name + "}}\n"
		if err := c.place(manifest); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	c.restore(before, data, t)
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	return c.patch(t, patch)
}

// restore puts the changed keys back when the scenario ends.
func (c *call) restore(before *unstructured.Unstructured, changed map[string]string, t target) {
	if !c.External || before == nil {
		return // a control plane of its own goes with the scenario, and what it created is cleaned up
	}
	was, _, err := unstructured.NestedStringMap(before.Object, "data")
	if err != nil {
		c.t.Logf("%s has no texts: %v", t, err)
	}
	old := map[string]any{}
	for key := range changed {
		old[key] = nil
		if v, ok := was[key]; ok {
			old[key] = v
		}
	}
	c.ts.Defer(func() {
		patch, err := json.Marshal(map[string]any{"data": old})
		if err == nil {
			var at dynamic.ResourceInterface
			if at, err = c.at(t); err == nil {
				_, err = at.Patch(context.Background(), t.name, mergePatch, patch, metav1.PatchOptions{FieldManager: by})
			}
		}
		if err != nil {
			c.t.Errorf("restore %s: %v", t, err)
		}
	})
}
