package object_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

func manifest(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name}}}
	if namespace != "" {
		u.SetNamespace(namespace)
	}
	return u
}

// TestSetOwner also holds the names of annotations and labels equal to those of the API package.
func TestSetOwner(t *testing.T) {
	long := strings.Repeat("a", 62) + "-" + strings.Repeat("b", 30)
	for _, c := range []struct {
		name     string
		tracking object.Tracking
		obj      *unstructured.Unstructured
		app      string
		annots   map[string]string
		labels   map[string]string
	}{
		{"annotation is the default", object.Tracking{}, manifest("apps/v1", "Deployment", "prod", "web"), "shop",
			map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/Deployment:prod/web"}, nil},
		{"core group", object.Tracking{Method: object.ByAnnotation}, manifest("v1", "ConfigMap", "prod", "web"), "team_shop",
			map[string]string{v1alpha1.AnnotationTrackingID: "team_shop:/ConfigMap:prod/web"}, nil},
		{"cluster-scoped, colons in the name", object.Tracking{}, manifest("rbac.authorization.k8s.io/v1", "ClusterRole", "", "system:shop:admin"), "shop",
			map[string]string{v1alpha1.AnnotationTrackingID: "shop:rbac.authorization.k8s.io/ClusterRole:dest/system:shop:admin"}, nil},
		{"label", object.Tracking{Method: object.ByLabel}, manifest("v1", "ConfigMap", "prod", "web"), "shop",
			nil, map[string]string{v1alpha1.LabelInstance: "shop"}},
		{"long label", object.Tracking{Method: object.ByLabel, InstanceLabel: "example.com/app"}, manifest("v1", "ConfigMap", "prod", "web"), long,
			nil, map[string]string{"example.com/app": strings.Repeat("a", 62)}},
		{"annotation and label", object.Tracking{Method: object.ByAnnotationAndLabel}, manifest("v1", "ConfigMap", "prod", "web"), long,
			map[string]string{v1alpha1.AnnotationTrackingID: long + ":/ConfigMap:prod/web"}, map[string]string{v1alpha1.LabelInstance: strings.Repeat("a", 62)}},
		{"installation id", object.Tracking{InstallationID: "eu"}, manifest("v1", "ConfigMap", "prod", "web"), "shop",
			map[string]string{v1alpha1.AnnotationTrackingID: "shop:/ConfigMap:prod/web", v1alpha1.AnnotationInstallationID: "eu"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.obj.DeepCopy()
			marked, err := c.tracking.Set(c.obj, c.app, "dest")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.annots, marked.GetAnnotations()); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.labels, marked.GetLabels()); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, c.obj); diff != "" {
				t.Errorf("Set changed its input (-before +after):\n%s", diff)
			}
			if app, ok := c.tracking.OwnerOf(marked); !ok || app != c.tracking.Mark(c.app) {
				t.Errorf("owner %q, %v, want %q", app, ok, c.tracking.Mark(c.app))
			}
			if _, ok := c.tracking.OwnerOf(c.obj); ok {
				t.Error("the unmarked object has an owner")
			}
			again, err := c.tracking.Set(marked, c.app, "dest")
			if err != nil || !cmp.Equal(again, marked) {
				t.Errorf("marking twice differs from marking once: %v", cmp.Diff(marked, again))
			}
		})
	}
}

func TestSetKeepsOtherMetadata(t *testing.T) {
	obj := manifest("v1", "ConfigMap", "prod", "web")
	obj.SetAnnotations(map[string]string{"note": "kept", v1alpha1.AnnotationTrackingID: "other:/ConfigMap:prod/web"})
	obj.SetLabels(map[string]string{"tier": "kept"})
	marked, err := object.Tracking{}.Set(obj, "shop", "")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"note": "kept", v1alpha1.AnnotationTrackingID: "shop:/ConfigMap:prod/web"}
	if diff := cmp.Diff(want, marked.GetAnnotations()); diff != "" {
		t.Error(diff)
	}
	if marked.GetLabels()["tier"] != "kept" {
		t.Errorf("labels %v", marked.GetLabels())
	}
}

func TestDefinitionsAreNeverTracked(t *testing.T) {
	crd := manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "as.example.com")
	for _, method := range []object.Method{object.ByAnnotation, object.ByLabel, object.ByAnnotationAndLabel} {
		tracking := object.Tracking{Method: method}
		marked, err := tracking.Set(crd, "shop", "prod")
		if err != nil || len(marked.GetAnnotations())+len(marked.GetLabels()) > 0 {
			t.Errorf("%s: %v %v, error %v", method, marked.GetAnnotations(), marked.GetLabels(), err)
		}
		forged := crd.DeepCopy()
		forged.SetAnnotations(map[string]string{v1alpha1.AnnotationTrackingID: "shop:apiextensions.k8s.io/CustomResourceDefinition:/as.example.com"})
		forged.SetLabels(map[string]string{v1alpha1.LabelInstance: "shop"})
		if app, ok := tracking.OwnerOf(forged); ok {
			t.Errorf("%s: a marked definition belongs to %q", method, app)
		}
	}
}

func TestOwnerRefusesForeignMarks(t *testing.T) {
	ref := object.Ref{Group: "apps", Kind: "ReplicaSet", Namespace: "prod", Name: "web-1"}
	for name, c := range map[string]struct {
		tracking object.Tracking
		annots   map[string]string
	}{
		"copied from the Deployment":         {object.Tracking{}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/Deployment:prod/web"}},
		"copied into another namespace":      {object.Tracking{}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/ReplicaSet:test/web-1"}},
		"another name":                       {object.Tracking{}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/ReplicaSet:prod/web-2"}},
		"another group":                      {object.Tracking{}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:extensions/ReplicaSet:prod/web-1"}},
		"no id":                              {object.Tracking{}, nil},
		"another installation":               {object.Tracking{InstallationID: "eu"}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/ReplicaSet:prod/web-1", v1alpha1.AnnotationInstallationID: "us"}},
		"an installation where we have none": {object.Tracking{}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/ReplicaSet:prod/web-1", v1alpha1.AnnotationInstallationID: "us"}},
		"no installation where we have one":  {object.Tracking{InstallationID: "eu"}, map[string]string{v1alpha1.AnnotationTrackingID: "shop:apps/ReplicaSet:prod/web-1"}},
	} {
		if app, ok := c.tracking.Owner(ref, c.annots, map[string]string{v1alpha1.LabelInstance: "shop"}); ok {
			t.Errorf("%s: owner %q", name, app)
		}
	}
}

func TestSetRefusesBrokenMetadata(t *testing.T) {
	for name, obj := range map[string]map[string]any{
		"no metadata":           {"apiVersion": "v1", "kind": "ConfigMap"},
		"metadata is a string":  {"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"},
		"annotations is a list": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c", "annotations": []any{}}},
	} {
		if _, err := (object.Tracking{}).Set(&unstructured.Unstructured{Object: obj}, "shop", "prod"); err == nil || !strings.Contains(err.Error(), "metadata") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAppName(t *testing.T) {
	for _, c := range []struct{ namespace, name, want, back string }{
		{"argocd", "shop", "shop", "argocd"},
		{"", "shop", "shop", "argocd"},
		{"team", "shop", "team_shop", "team"},
	} {
		got := object.AppName(c.namespace, c.name, "argocd")
		if got != c.want {
			t.Errorf("AppName(%q, %q) = %q, want %q", c.namespace, c.name, got, c.want)
		}
		if namespace, name := object.SplitAppName(got, "argocd"); namespace != c.back || name != c.name {
			t.Errorf("SplitAppName(%q) = %q, %q", got, namespace, name)
		}
	}
}

func TestParseMethod(t *testing.T) {
	for name, want := range map[string]object.Method{"": object.ByAnnotation, "annotation": object.ByAnnotation, "label": object.ByLabel, "annotation+label": object.ByAnnotationAndLabel} {
		if got, err := object.ParseMethod(name); err != nil || got != want {
			t.Errorf("ParseMethod(%q) = %q, %v", name, got, err)
		}
	}
	if _, err := object.ParseMethod("labels"); err == nil || !strings.Contains(err.Error(), `"labels"`) {
		t.Errorf("error %v does not name the value", err)
	}
}

// FuzzParseTrackingID: what parses has a text form that parses to the same, and is the text itself.
func FuzzParseTrackingID(f *testing.F) {
	for _, seed := range []string{"", ":", "a:b/C:d/e", "a:/C:/e:f", "a:b/c/d:e/f", "::/:/", "a:b/C:d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := object.ParseTrackingID(text); ok && id.String() != text {
			t.Errorf("%q parses to %+v, whose text is %q", text, id, id.String())
		}
	})
}
