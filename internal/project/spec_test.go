package project

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func valid() *v1alpha1.Application {
	return &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "argocd"},
		Spec: v1alpha1.ApplicationSpec{
			Project:     "shop",
			Source:      &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/a/b", Path: "overlays/prod"},
			Destination: v1alpha1.ApplicationDestination{Server: "https://kubernetes.default.svc", Namespace: "prod"},
		},
	}
}

func brief(found []v1alpha1.ApplicationCondition) []string {
	var out []string
	for _, c := range found {
		out = append(out, string(c.Type)+": "+c.Message)
	}
	return out
}

// check compares conditions by type and the words that each must have.
func check(t *testing.T, found []v1alpha1.ApplicationCondition, want []string) {
	t.Helper()
	got := brief(found)
	ok := len(got) == len(want)
	for i := range want {
		kind, words, _ := strings.Cut(want[i], ": ")
		ok = ok && strings.HasPrefix(got[i], kind+": ") && strings.Contains(got[i], words)
	}
	if !ok {
		t.Errorf("conditions\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const head = "project: shop\ndestination: {server: 'https://kubernetes.default.svc', namespace: prod}\n"

func TestValidateSpec(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"plain", head + `source: {repoURL: "https://git.example.com/a", path: x}`, nil},
		{"all known options", head + `
source: {repoURL: "https://git.example.com/a", path: ., kustomize: {namePrefix: a-}}
syncPolicy:
  automated: {prune: true}
  syncOptions: [CreateNamespace=true, PruneLast=true, ApplyOutOfSyncOnly=true, ServerSideApply=true, Replace=false, Prune=confirm, Delete=false,
    Validate=false, PrunePropagationPolicy=background, SkipDryRunOnMissingResource=true, RespectIgnoreDifferences=true, FailOnSharedResource=true, ClientSideApplyMigration=false]
  managedNamespaceMetadata: {labels: {a: b}}
  retry: {limit: 5, backoff: {duration: 5s, factor: 2, maxDuration: "180"}}`, nil},
		{"no cluster", "destination: {namespace: a}\nsource: {repoURL: r, path: x}", []string{"InvalidSpecError: Destination server missing"}},
		{"two clusters", "destination: {name: a, server: b}\nsource: {repoURL: r, path: x}", []string{"InvalidSpecError: both name and server defined: a b"}},
		{"namespace", "destination: {name: a, namespace: A_b}\nsource: {repoURL: r, path: x}", []string{`InvalidSpecError: spec.destination.namespace "A_b"`}},
		{"no source", head, []string{"InvalidSpecError: the Application has no source"}},
		{"no repository", head + "source: {repoURL: ' ', path: x}", []string{"InvalidSpecError: spec.source.repoURL is empty"}},
		{"no path", head + "source: {repoURL: r}", []string{"InvalidSpecError: spec.source.path, spec.source.chart, or spec.source.ref are required"}},
		{"absolute path", head + "source: {repoURL: r, path: /etc}", []string{`InvalidSpecError: "/etc" leaves the repository`}},
		{"path out of the repository", head + "source: {repoURL: r, path: a/../../b}", []string{"InvalidSpecError: leaves the repository"}},
		{"path within the repository", head + "source: {repoURL: r, path: a/../b}", nil},
		{"path with dots in a name", head + "source: {repoURL: r, path: ..a}", nil},
		{"two types", head + "source: {repoURL: r, path: x, helm: {}, kustomize: {}}", []string{"InvalidSpecError: multiple application sources defined: helm,kustomize"}},
		{"options", head + "source: {repoURL: r, path: x}\nsyncPolicy: {syncOptions: [CreateNamespace, CreatNamespace=true, PruneLast=yes, CreateNamespace=true]}", []string{
			`SpecWarning: "CreateNamespace" has no effect: write it as Name=value`,
			`SpecWarning: "CreatNamespace=true" has no effect: no sync option has that name`,
			`SpecWarning: "PruneLast=yes" has no effect: PruneLast takes true, false`}},
		{"namespace metadata without namespace", head + "source: {repoURL: r, path: x}\nsyncPolicy: {managedNamespaceMetadata: {labels: {a: b}}}", []string{"SpecWarning: CreateNamespace=true"}},
		{"retry", head + "source: {repoURL: r, path: x}\nsyncPolicy: {retry: {backoff: {duration: soon, maxDuration: -1s, factor: 0}}}", []string{
			`InvalidSpecError: retry.backoff.duration "soon"`, `InvalidSpecError: retry.backoff.maxDuration "-1s"`, "SpecWarning: factor 0"}},
		{"source and sources", head + "source: {repoURL: r, path: x}\nsources: [{repoURL: r, path: y}]", []string{"SpecWarning: spec.source has no effect"}},
		{"one of sources", head + "sources: [{repoURL: '', path: y}]", []string{"InvalidSpecError: spec.sources[0].repoURL is empty"}},
		{"several sources", head + "sources: [{repoURL: r, path: y}, {repoURL: s, ref: values}, {repoURL: t, path: z, ref: More_1-a}]", nil},
		{"two sources of one ref", head + "sources: [{repoURL: r, path: y, ref: a}, {repoURL: s, ref: a}, {repoURL: s, ref: a}]", []string{
			`InvalidSpecError: spec.sources[1].ref "a" is that of spec.sources[0] too`, `InvalidSpecError: spec.sources[2].ref "a" is that of spec.sources[0] too`}},
		{"a ref that cannot be written in a path", head + "sources: [{repoURL: r, path: y}, {repoURL: s, ref: a/b}]", []string{`InvalidSpecError: spec.sources[1].ref "a/b"`}},
		{"nothing but files", head + "sources: [{repoURL: s, ref: a}]", []string{"InvalidSpecError: nothing to deploy"}},
		{"a source that is empty", head + "sources: [{repoURL: r, path: y}, {repoURL: s}]", []string{"InvalidSpecError: spec.sources[1].path, spec.sources[1].chart, or spec.sources[1].ref are required"}},
		{"the ref of a single source", head + "source: {repoURL: r, path: y, ref: a}", []string{"SpecWarning: spec.source.ref has no effect"}},
		{"a single source with nothing but a ref", head + "source: {repoURL: r, ref: a}", []string{"InvalidSpecError: spec.source.path", "SpecWarning: spec.source.ref has no effect"}},
		{"chart", head + "source: {repoURL: r, chart: x, targetRevision: 1.*}", nil},
		{"chart without version, with path", head + "source: {repoURL: r, chart: x, path: y}", []string{"SpecWarning: spec.source.path has no effect", "InvalidSpecError: targetRevision is required"}},
		{"oci", head + "source: {repoURL: 'oci://a/b', path: .}", nil},
		{"hydrator", head + "sourceHydrator: {drySource: {repoURL: r, targetRevision: HEAD, path: x}, syncSource: {targetBranch: b, path: y}}", []string{"InvalidSpecError: spec.sourceHydrator"}},
		{"kustomize version", head + "source: {repoURL: r, path: y, kustomize: {version: v5}}", []string{"SpecWarning: spec.source.kustomize.version (the built-in version renders); they are kept and have no effect"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := &v1alpha1.Application{}
			if err := yaml.UnmarshalStrict([]byte(c.spec), &app.Spec); err != nil {
				t.Fatal(err)
			}
			before := app.DeepCopy()
			found := ValidateSpec(app)
			check(t, found, c.want)
			if again := ValidateSpec(app); !cmp.Equal(found, again) {
				t.Errorf("a second look differs: %s", cmp.Diff(found, again))
			}
			if diff := cmp.Diff(before, app); diff != "" {
				t.Errorf("ValidateSpec changed the Application: %s", diff)
			}
		})
	}
}

func TestLongValuesAreCut(t *testing.T) {
	app := valid()
	app.Spec.Source.Path = "/" + strings.Repeat("x", 1<<20)
	app.Spec.Destination.Namespace = strings.Repeat("N", 1<<20)
	app.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: v1alpha1.SyncOptions{strings.Repeat("o", 1<<20)}}
	for _, c := range ValidateSpec(app) {
		if len(c.Message) > 500 {
			t.Errorf("%s: message of %d bytes", c.Type, len(c.Message))
		}
	}
}

// TestRestrictionsFailClosed: what a project forbids by means that are not built yet stops syncs.
func TestRestrictionsFailClosed(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"nothing", `{}`, nil},
		{"signature keys", `{signatureKeys: [{keyID: ABCD}]}`, []string{"ComparisonError: AppProject shop yet: spec.signatureKeys (signatures of commits are not verified); no sync starts"}},
		{"source integrity", `{sourceIntegrity: {git: {policies: [{repos: [{url: "*"}], gpg: {mode: strict, keys: [ABCD]}}]}}}`, []string{"ComparisonError: spec.sourceIntegrity"}},
		{"source integrity without mode", `{sourceIntegrity: {git: {policies: [{repos: [{url: "*"}]}]}}}`, []string{"ComparisonError: spec.sourceIntegrity"}},
		{"source integrity that asks for nothing", `{sourceIntegrity: {git: {policies: [{repos: [{url: "*"}], gpg: {mode: none}}]}}}`, nil},
		{"harmless fields", `{destinationServiceAccounts: [{server: a, defaultServiceAccount: b}], orphanedResources: {}}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, parse(t, c.spec).Validate(valid()), c.want)
		})
	}
}
