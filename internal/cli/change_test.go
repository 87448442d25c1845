package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
)

func TestCreateFromFlags(t *testing.T) {
	b := newBench(t)
	args := []string{"app", "create", "shop-dev", "--repo", "https://git.example.com/deploy.git", "--path", "overlays/dev", "--revision", "develop",
		"--dest-server", v1alpha1.InClusterServer, "--dest-namespace", "shop", "--sync-policy", "automated", "--auto-prune", "--self-heal",
		"--sync-option", "CreateNamespace=true", "--label", "team=voice", "--kustomize-image", "web=example/web:v2", "--sync-retry-limit", "2"}
	b.run(args...).ok(t).says(t, "application 'shop-dev' created")
	b.run(args...).ok(t).says(t, "application 'shop-dev' unchanged")
	app := b.get("shop-dev")
	want := v1alpha1.ApplicationSpec{
		Project: "default",
		Source: &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "overlays/dev", TargetRevision: "develop",
			Kustomize: &v1alpha1.ApplicationSourceKustomize{Images: v1alpha1.KustomizeImages{"web=example/web:v2"}}},
		Destination: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer, Namespace: "shop"},
		SyncPolicy: &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{Prune: true, SelfHeal: true},
			SyncOptions: v1alpha1.SyncOptions{"CreateNamespace=true"}, Retry: app.Spec.SyncPolicy.Retry},
	}
	if diff := cmp.Diff(want, app.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if app.Labels["team"] != "voice" || app.Spec.SyncPolicy.Retry.Limit != 2 {
		t.Errorf("labels %v, retry %+v", app.Labels, app.Spec.SyncPolicy.Retry)
	}
	other := append(append([]string{}, args...), "--revision", "main")
	b.run(other...).exits(t, 20).says(t, "existing application spec", "--upsert")
	b.run(append(other, "--upsert")...).ok(t).says(t, "application 'shop-dev' updated")
	if got := b.get("shop-dev").Spec.Source.TargetRevision; got != "main" {
		t.Errorf("revision %q after upsert", got)
	}
	b.run("app", "create", "empty").exits(t, 2).says(t, "has no source")
	b.run("app", "create", "x", "--repo", "r", "--path", "p", "--auto-prune", "--dest-name", "in-cluster").exits(t, 2).says(t, "--sync-policy automated")
}

func TestCreateFromFileKeepsUnknownFields(t *testing.T) {
	b := newBench(t)
	file := filepath.Join("..", "..", "examples", "callcenter", "argocd", "apps", "callcenter-ai-prod.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.run("app", "create", "-f", file, "-N", b.namespace).ok(t).says(t, "application 'callcenter-ai-prod' created")
	if got := b.get("callcenter-ai-prod").Spec.Project; got == "" || !strings.Contains(string(data), "project: "+got) {
		t.Errorf("project %q", got)
	}
	doc := `{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: helm}, spec: {project: default, novel: 1,
  destination: {name: in-cluster}, source: {repoURL: https://charts.example.com, chart: web, targetRevision: 1.x,
  helm: {valuesObject: {image: {tag: v2}, list: [1, two]}}}}}`
	b.runIn(t.Context(), doc, "app", "create", "-f", "-").ok(t).says(t, `unknown field "novel"`)
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Application"))
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: "helm"}, u); err != nil {
		t.Fatal(err)
	}
	values, _, _ := unstructured.NestedMap(u.Object, "spec", "source", "helm", "valuesObject")
	if diff := cmp.Diff(map[string]any{"image": map[string]any{"tag": "v2"}, "list": []any{int64(1), "two"}}, values); diff != "" {
		t.Errorf("valuesObject (-want +got):\n%s", diff)
	}
	b.runIn(t.Context(), "kind: [", "app", "create", "-f", "-").exits(t, 2)
	b.runIn(t.Context(), "kind: Pod", "app", "create", "-f", "-").exits(t, 2).says(t, "not an Application")
	b.runIn(t.Context(), "", "app", "create", "-f", "-").exits(t, 2).says(t, "holds no application")
	b.run("app", "create", "-f", "/nowhere.yaml").exits(t, 2)
}

func TestSet(t *testing.T) {
	b := newBench(t)
	b.create("shop", automated)
	b.run("app", "set", "shop", "--sync-policy", "manual", "--revision", "v2", "--parameter", "image.tag=v3", "--helm-set-string", "build=7").ok(t).says(t, "updated")
	app := b.get("shop")
	if app.Spec.SyncPolicy != nil || app.Spec.Source.TargetRevision != "v2" {
		t.Errorf("spec %+v", app.Spec)
	}
	want := []v1alpha1.HelmParameter{{Name: "image.tag", Value: "v3"}, {Name: "build", Value: "7", ForceString: true}}
	if diff := cmp.Diff(want, app.Spec.Source.Helm.Parameters); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	b.run("app", "set", "shop", "--revision", "v2").ok(t).says(t, "unchanged")
	if got := b.get("shop").ResourceVersion; got != app.ResourceVersion {
		t.Error("a set that changes nothing wrote to the application")
	}
	b.run("app", "set", "shop", "--dest-name", "in-cluster").ok(t)
	if d := b.get("shop").Spec.Destination; d.Server != "" || d.Name != "in-cluster" {
		t.Errorf("destination %+v", d)
	}
	b.run("app", "set", "shop", "--sync-policy", "sometimes").exits(t, 2)
	b.run("app", "set", "shop", "--kustomize-replica", "web=many").exits(t, 2)
}

func TestSourcesOfAList(t *testing.T) {
	b := newBench(t)
	b.create("single", automated)
	b.run("app", "add-source", "single", "--repo", "https://git.example.com/more.git", "--path", "x").exits(t, 20).says(t, "does not have spec.sources defined")
	b.run("app", "remove-source", "single", "--source-position", "1").exits(t, 20).says(t, "only source")
	b.create("shop", func(a *v1alpha1.Application) {
		a.Spec.Sources = v1alpha1.ApplicationSources{{RepoURL: "https://git.example.com/charts.git", Path: "chart", TargetRevision: "v1"}}
		a.Spec.Source = nil
	})
	b.run("app", "add-source", "shop", "--repo", "https://git.example.com/values.git", "--revision", "main", "--ref", "values").ok(t).says(t, "updated successfully")
	b.run("app", "add-source", "shop", "--repo", "https://git.example.com/more.git", "--path", "more", "--source-name", "more").ok(t)
	b.run("app", "add-source", "shop", "--repo", "https://git.example.com/more.git").exits(t, 2)
	b.run("app", "set", "shop", "--source-position", "1", "--revision", "v2", "--values", "$values/prod.yaml").ok(t)
	b.run("app", "set", "shop", "--source-name", "more", "--path", "other").ok(t)
	for flags, want := range map[string]string{
		"--revision=v3":                                        "choose one with --source-position or --source-name",
		"--revision=v3 --source-position=0":                    "greater than 0",
		"--revision=v3 --source-position=4":                    "does not have a source at position 4",
		"--revision=v3 --source-name=none":                     `no source of the name "none"`,
		"--revision=v3 --source-name=more --source-position=3": "only one of",
	} {
		b.run(append([]string{"app", "set", "shop"}, strings.Fields(flags)...)...).exits(t, 2).says(t, want)
	}
	b.run("app", "remove-source", "shop").exits(t, 2)
	b.run("app", "remove-source", "shop", "--source-position", "2").ok(t)
	want := v1alpha1.ApplicationSources{
		{RepoURL: "https://git.example.com/charts.git", Path: "chart", TargetRevision: "v2", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"$values/prod.yaml"}}},
		{RepoURL: "https://git.example.com/more.git", Path: "other", Name: "more"},
	}
	if diff := cmp.Diff(want, b.get("shop").Spec.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	b.run("app", "remove-source", "shop", "--source-name", "more").ok(t)
	b.run("app", "remove-source", "shop", "--source-position", "1").exits(t, 20)
}

func TestPatchAndConfirmDeletion(t *testing.T) {
	b := newBench(t)
	b.create("shop", nil)
	b.run("app", "patch", "shop", "--patch", `[{"op":"replace","path":"/spec/source/path","value":"b"}]`).ok(t).says(t, "path: b")
	b.run("app", "patch", "shop", "--type", "merge", "--patch", `{"spec":{"source":{"path":"c"}}}`).ok(t).says(t, "path: c")
	b.run("app", "patch", "shop", "--type", "strategic", "--patch", `{}`).exits(t, 2)
	b.run("app", "patch", "shop", "--patch", `{`).exits(t, 20)
	b.run("app", "confirm-deletion", "shop").ok(t)
	if b.get("shop").Annotations[v1alpha1.AnnotationDeletionApproved] == "" {
		t.Error("no approval")
	}
}

func TestDelete(t *testing.T) {
	b := newBench(t)
	b.create("kept", func(app *v1alpha1.Application) { app.Finalizers = []string{v1alpha1.FinalizerResources} })
	b.create("cascade", nil)
	b.create("background", nil)
	b.run("app", "delete", "kept", "--cascade=false", "--wait").ok(t).says(t, "application 'kept' deleted")
	var gone v1alpha1.Application
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: "kept"}, &gone); !apierrors.IsNotFound(err) {
		t.Errorf("kept: %v", err)
	}
	for name, finalizer := range map[string]string{"cascade": v1alpha1.FinalizerResources, "background": v1alpha1.FinalizerBackground} {
		policy := "foreground"
		if name == "background" {
			policy = "background"
		}
		b.run("app", "delete", name, "-y", "-p", policy).ok(t)
		app := b.get(name)
		if app.DeletionTimestamp == nil || !cmp.Equal(app.Finalizers, []string{finalizer}) {
			t.Errorf("%s: deleted %v, finalizers %v", name, app.DeletionTimestamp, app.Finalizers)
		}
		b.run("app", "delete", name, "-y", "--wait", "--timeout", "1").exits(t, 20).says(t, "is not gone after 1s")
		app.Finalizers = nil
		if err := b.client.Update(t.Context(), app); err != nil {
			t.Fatal(err)
		}
	}
	b.run("app", "delete", "nothing").exits(t, 20).says(t, "does not exist")
	b.run("app", "delete", "x", "-p", "never").exits(t, 2)
}

func TestProjects(t *testing.T) {
	b := newBench(t)
	p := &v1alpha1.AppProject{}
	p.Name, p.Namespace = "voice", b.namespace
	p.Spec.Destinations = []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "voice-*"}}
	p.Spec.SourceRepos = []string{"*"}
	p.Spec.SyncWindows = v1alpha1.SyncWindows{
		{Kind: "deny", Schedule: "* * * * *", Duration: "1h", Applications: []string{"shop-*"}, TimeZone: "Europe/Berlin"},
		{Kind: "allow", Schedule: "not cron", Duration: "1h", Applications: []string{"other"}},
	}
	if err := b.client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b.create("shop-prod", func(app *v1alpha1.Application) { app.Spec.Project = "voice" })
	b.run("proj", "list").ok(t).says(t, "*,voice-*")
	b.run("proj", "get", "voice").ok(t).says(t, "Destinations:       *,voice-*")
	b.run("proj", "get", "voise").exits(t, 20).says(t, "did you mean voice?")
	b.run("proj", "windows", "list", "voice").ok(t).says(t, "Active", "Invalid", "Europe/Berlin")
	b.run("app", "get", "shop-prod").ok(t).says(t, "SyncWindow:         Sync Denied", "Assigned Windows:   deny:* * * * *:1h")
	var windows []any
	if err := json.Unmarshal([]byte(b.run("proj", "windows", "list", "voice", "-o", "json").ok(t).stdout), &windows); err != nil || len(windows) != 2 {
		t.Errorf("windows: %v, %v", windows, err)
	}
}

// TestArgoCDContractIsAccepted writes an Application with every area of the contract and reads it back unchanged.
func TestArgoCDContractIsAccepted(t *testing.T) {
	b := newBench(t)
	data, err := os.ReadFile(filepath.Join("testdata", "contract.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b.runIn(t.Context(), string(data), "app", "create", "-f", "-").ok(t)
	want := decode(t, data)
	// A second write brings status and operation, as clients do that write all three at once.
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Application"))
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: "contract"}, u); err != nil {
		t.Fatal(err)
	}
	u.Object["operation"], u.Object["status"] = want["operation"], want["status"]
	if err := b.client.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	got := &unstructured.Unstructured{}
	got.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Application"))
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: "contract"}, got); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"spec", "operation", "status"} {
		if diff := cmp.Diff(want[part], got.Object[part]); diff != "" {
			t.Errorf("%s (-written +stored):\n%s", part, diff)
		}
	}
}
