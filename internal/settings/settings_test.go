package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
)

// visible compares settings without what only functions show.
func visible() cmp.Option {
	return cmp.Options{cmpopts.IgnoreUnexported(Settings{}, Filter{}), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b labels.Selector) bool { return a.String() == b.String() })}
}

func selector(t *testing.T, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func texts(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Error())
	}
	return out
}

func TestParseEmpty(t *testing.T) {
	got, problems := Parse(nil, nil, nil)
	if diff := cmp.Diff(Default(), got, visible()); diff != "" || len(problems) > 0 {
		t.Errorf("%v\n%s", problems, diff)
	}
}

func TestParse(t *testing.T) {
	config := map[string]string{
		"application.resourceTrackingMethod":                            "annotation+label",
		"application.instanceLabelKey":                                  "example.com/app",
		"installationID":                                                "eu",
		"timeout.reconciliation":                                        "300s",
		"timeout.reconciliation.jitter":                                 "0s",
		"timeout.hard.reconciliation":                                   "1d",
		"kustomize.buildOptions":                                        "--enable-helm\n",
		"helm.valuesFileSchemes":                                        "https, s3",
		"helm.enable":                                                   "true",
		"jsonnet.enable":                                                "false",
		"url":                                                           "https://belay.example.com/",
		"application.sync.impersonation.enabled":                        "true",
		"application.sync.impersonation.enforced":                       "false",
		"resource.sensitive.mask.annotations":                           "a,b",
		"resource.compareoptions":                                       "ignoreAggregatedRoles: true\nignoreResourceStatusField: crd\nignoreDifferencesOnResourceUpdates: false\n",
		"resource.customizations.ignoreDifferences.all":                 "managedFieldsManagers: [kube-controller-manager]",
		"resource.customizations.ignoreDifferences.Pod":                 "jsonPointers: [/spec/x]",
		"resource.customizations.health.apps_Deployment":                "return {}",
		"resource.customizations.useOpenLibs.apps_Deployment":           "true",
		"resource.customizations.ignoreResourceUpdates.apps_ReplicaSet": "jqPathExpressions: [.status]",
		"resource.customizations.knownTypeFields.example.com_Widget":    "- field: spec.x\n  type: core/v1/PodSpec",
		"resource.customizations":                                       "example.com/Widget:\n  health.lua: |\n    return {status='Healthy'}\n  ignoreDifferences: |\n    jsonPointers:\n    - /spec/y\n\"*/*\":\n  ignoreDifferences:\n    jqPathExpressions: [.a]\n  knownTypeFields:\n  - {field: spec.size, type: core/Quantity}\n",
		"globalProjects":                                                "- projectName: x\n  labelSelector: {matchLabels: {a: b}}\n- projectName: z\n  labelSelector:\n    matchExpressions:\n    - {key: c, operator: Exists}\n",
		"some.other.key":                                                "kept out",
	}
	params := map[string]string{
		"application.namespaces":                           "team-*, /^x[0-9]$/",
		"controller.status.processors":                     "40",
		"controller.self.heal.backoff.cap.seconds":         "60",
		"controller.resource.health.persist":               "true",
		"reposerver.max.combined.directory.manifests.size": "20M",
		"controller.ignore.normalizer.jq.timeout":          "2s",
		"reposerver.enable.git.submodule":                  "false",
		"controller.log.level":                             "debug",
	}
	want := Default()
	want.Tracking = object.Tracking{Method: object.ByAnnotationAndLabel, InstanceLabel: "example.com/app", InstallationID: "eu"}
	want.Reconciliation, want.Jitter, want.HardReconciliation = 5*time.Minute, 0, 24*time.Hour
	want.Render = render.Options{KustomizeBuildOptions: "--enable-helm", HelmValuesFileSchemes: []string{"https", "s3"}, DisableJsonnet: true, MaxDirectoryBytes: 20_000_000}
	want.WithoutSubmodules = true
	want.URL, want.Impersonation, want.MaskedAnnotations = "https://belay.example.com", Impersonation{Enabled: true}, []string{"a", "b"}
	want.GlobalProjects = []GlobalProject{{Name: "x", Selector: selector(t, "a=b")}, {Name: "z", Selector: selector(t, "c")}}
	want.Compare = Compare{IgnoreStatus: IgnoreStatusOfCRDs, IgnoreAggregatedRoles: true}
	want.IgnoreDifferences = v1alpha1.IgnoreDifferences{
		{Group: "*", Kind: "*", JQPathExpressions: []string{".a"}},
		{Group: "example.com", Kind: "Widget", JSONPointers: []string{"/spec/y"}},
		{Kind: "Pod", JSONPointers: []string{"/spec/x"}},
		{Group: "*", Kind: "*", ManagedFieldsManagers: []string{"kube-controller-manager"}},
	}
	want.IgnoreUpdates = v1alpha1.IgnoreDifferences{{Group: "apps", Kind: "ReplicaSet", JQPathExpressions: []string{".status"}}}
	want.KnownTypes = []KnownType{
		{Group: "*", Kind: "*", Field: "spec.size", Type: "core/Quantity"},
		{Group: "example.com", Kind: "Widget", Field: "spec.x", Type: "core/v1/PodSpec"},
	}
	want.Scripts = []Customization{
		{Group: "example.com", Kind: "Widget", Health: "return {status='Healthy'}\n"},
		{Group: "apps", Kind: "Deployment", Health: "return {}", OpenLibs: true},
	}
	want.ApplicationNamespaces = []string{"team-*", "/^x[0-9]$/"}
	want.Controller.StatusProcessors, want.Controller.SelfHealBackoffCap = 40, time.Minute
	want.Controller.PersistHealth, want.Controller.JQTimeout = true, 2*time.Second
	got, problems := Parse(config, params, nil)
	if len(problems) > 0 {
		t.Errorf("problems %v", texts(problems))
	}
	if diff := cmp.Diff(want, got, visible()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	for namespace, want := range map[string]bool{"team-a": true, "x1": true, "x10": false, "other": false} {
		if got.WatchesNamespace(namespace) != want {
			t.Errorf("WatchesNamespace(%s) = %v", namespace, !want)
		}
	}
	config["resource.compareoptions"] = "ignoreAggregatedRoles: true"
	if got, _ = Parse(config, params, nil); len(got.IgnoreUpdates) != 1+len(want.IgnoreDifferences) {
		t.Errorf("by default ignoreDifferences count for updates too, got %v", got.IgnoreUpdates)
	}
	config["resource.ignoreResourceUpdatesEnabled"] = "false"
	if got, _ = Parse(config, params, nil); len(got.IgnoreUpdates) > 0 {
		t.Errorf("switched off, and still %v", got.IgnoreUpdates)
	}
}

func TestProblemsNameConfigMapKeyAndLine(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"application.resourceTrackingMethod", "labels", `ConfigMap/argocd-cm key application.resourceTrackingMethod: tracking method "labels" is none of annotation, label, annotation+label`},
		{"application.instanceLabelKey", "a b", `ConfigMap/argocd-cm key application.instanceLabelKey: "a b" is no label key`},
		{"timeout.reconciliation", "soon", `ConfigMap/argocd-cm key timeout.reconciliation: "soon" is no duration`},
		{"timeout.reconciliation", "-3s", `"-3s" is no duration`},
		{"resource.exclusions", "- apiGroups: [a]\n  kinds: {a: b}\n", "ConfigMap/argocd-cm key resource.exclusions line 2: cannot unmarshal"},
		{"resource.exclusions", "- apiGroups: [a]\n  kinds: [\n", "ConfigMap/argocd-cm key resource.exclusions line "},
		{"resource.exclusions", "apiGroups: [a]", "ConfigMap/argocd-cm key resource.exclusions line 1: cannot unmarshal"},
		{"resource.exclusions", "- apiGroups: [a]\n- {}\n", "entry 2 selects everything"},
		{"resource.inclusions", "- kinds: ['[']\n", "entry 1: glob"},
		{"resource.compareoptions", "ignoreResourceStatusField: some", `ignoreResourceStatusField "some" is none of all, crd, none`},
		{"resource.compareoptions", "ignoreAggregatedRoles: perhaps", "key resource.compareoptions line 1: cannot unmarshal"},
		{"resource.customizations", "a/B:\n  ignoreDifferences: |\n    jsonPointers:\n    - /a\n    jqPathExpressions: 7x:\n", "ConfigMap/argocd-cm key resource.customizations line "},
		{"resource.customizations.ignoreDifferences.apps_Deployment", "jsonPointers: /a\n", "ConfigMap/argocd-cm key resource.customizations.ignoreDifferences.apps_Deployment line 1: cannot unmarshal"},
		{"resource.customizations.ignoreDifferences.a_b_c", "{}", `"a_b_c" is no kind`},
		{"resource.customizations.helth.Pod", "x", `no customization is called "helth"`},
		{"helm.enable", "yes", `"yes" is neither true nor false`},
		{"url", "belay.example.com", "is not of the form https://"},
	} {
		_, problems := Parse(map[string]string{c.key: c.value}, nil, nil)
		if got := strings.Join(texts(problems), "\n"); len(problems) != 1 || !strings.Contains(got, c.want) {
			t.Errorf("%s=%q:\n got %s\nwant %s", c.key, c.value, got, c.want)
		}
	}
	_, problems := Parse(nil, map[string]string{"controller.status.processors": "0", "application.namespaces": "a,/(/"}, nil)
	if got := texts(problems); len(got) != 2 || !strings.HasPrefix(got[0], `ConfigMap/argocd-cmd-params-cm key application.namespaces: "/(/" is no regular expression`) ||
		!strings.HasPrefix(got[1], "ConfigMap/argocd-cmd-params-cm key controller.status.processors: ") {
		t.Errorf("params: %v", got)
	}
}

func TestLastGoodValueStaysInForce(t *testing.T) {
	first, _ := Parse(map[string]string{
		"application.resourceTrackingMethod":            "label",
		"timeout.reconciliation":                        "10m",
		"resource.exclusions":                           "- kinds: [Widget]",
		"resource.customizations.ignoreDifferences.Pod": "jsonPointers: [/a]",
	}, map[string]string{"controller.status.processors": "7"}, nil)
	broken := map[string]string{
		"application.resourceTrackingMethod":            "lable",
		"timeout.reconciliation":                        "20m",
		"resource.exclusions":                           "- kinds: [",
		"resource.customizations.ignoreDifferences.Pod": "jsonPointers: 3: 4",
	}
	params := map[string]string{"controller.status.processors": "many"}
	last := first
	for round := range 2 { // a second broken version falls back just as far
		got, problems := Parse(broken, params, &last)
		if len(problems) != 4 {
			t.Errorf("round %d: problems %v", round, texts(problems))
		}
		if got.Tracking.Method != object.ByLabel || got.Reconciliation != 20*time.Minute || got.Controller.StatusProcessors != 7 ||
			!got.Resources.Excluded("example.com", "Widget", "x") || len(got.IgnoreDifferences) != 1 || got.IgnoreDifferences[0].JSONPointers[0] != "/a" {
			t.Errorf("round %d: %+v", round, got)
		}
		last = got
	}
	got, problems := Parse(nil, nil, &last)
	if diff := cmp.Diff(Default(), got, visible()); diff != "" || len(problems) > 0 {
		t.Errorf("a removed key must give the default, not what was there last: %v\n%s", problems, diff)
	}
}

func TestFilter(t *testing.T) {
	const here = "https://kubernetes.default.svc"
	for _, c := range []struct {
		name, exclusions, inclusions string
		group, kind                  string
		want                         bool
	}{
		{"shipped", "", "", "coordination.k8s.io", "Lease", true},
		{"shipped slices", "", "", "discovery.k8s.io", "EndpointSlice", true},
		{"shipped reports", "", "", "kyverno.io", "UpdateRequest", true},
		{"shipped reviews", "", "", "authorization.k8s.io", "SubjectAccessReview", true},
		{"not shipped", "", "", "apps", "Deployment", false},
		{"a kind of that name in another group", "", "", "example.com", "Lease", false},
		{"own list replaces the shipped one", "- kinds: [Widget]", "", "coordination.k8s.io", "Lease", false},
		{"own empty list", "[]", "", "coordination.k8s.io", "Lease", false},
		{"empty text", " ", "", "coordination.k8s.io", "Lease", false},
		{"events always", "[]", "", "", "Event", true},
		{"new events always", "[]", "", "events.k8s.io", "Event", true},
		{"globs", "- apiGroups: ['*.example.com']\n  kinds: ['W*']", "", "a.example.com", "Widget", true},
		{"another kind", "- apiGroups: ['*.example.com']\n  kinds: ['W*']", "", "a.example.com", "Gadget", false},
		{"on this cluster", "- kinds: [Widget]\n  clusters: ['https://kubernetes.*']", "", "x", "Widget", true},
		{"on another cluster", "- kinds: [Widget]\n  clusters: ['https://other']", "", "x", "Widget", false},
		{"included", "[]", "- apiGroups: [apps]", "apps", "Deployment", false},
		{"not included", "[]", "- apiGroups: [apps]", "", "Secret", true},
		{"exclusion beats inclusion", "- kinds: [Deployment]", "- apiGroups: [apps]", "apps", "Deployment", true},
	} {
		config := map[string]string{}
		if c.exclusions != "" {
			config["resource.exclusions"] = c.exclusions
		}
		if c.inclusions != "" {
			config["resource.inclusions"] = c.inclusions
		}
		s, problems := Parse(config, nil, nil)
		if len(problems) > 0 {
			t.Errorf("%s: %v", c.name, texts(problems))
		}
		if got := s.Resources.Excluded(c.group, c.kind, here); got != c.want {
			t.Errorf("%s: excluded %v", c.name, got)
		}
	}
}

// FuzzParse: no content of a ConfigMap brings the parser down, and a broken one keeps what was good.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "true", "- apiGroups: [a]\n", "a/B:\n  ignoreDifferences: |\n    x: [\n", "jsonPointers: [1, {a: b}]", "&a [*a]", "? - : !!binary x", "1h", "\x00", "a: &a [x]\nb: [*a,*a]"} {
		f.Add(seed)
	}
	keys := []string{"application.resourceTrackingMethod", "application.instanceLabelKey", "timeout.reconciliation", "resource.exclusions", "resource.inclusions",
		"resource.compareoptions", "resource.customizations", "resource.customizations.ignoreDifferences.all", "resource.customizations.ignoreResourceUpdates.Pod",
		"helm.enable", "url", "helm.valuesFileSchemes"}
	f.Fuzz(func(t *testing.T, text string) {
		config, params := map[string]string{"resource.customizations.ignoreDifferences." + text: "{}"}, map[string]string{}
		for _, key := range keys {
			config[key] = text
		}
		for _, key := range []string{"application.namespaces", "controller.status.processors", "controller.sync.timeout.seconds", "reposerver.max.combined.directory.manifests.size"} {
			params[key] = text
		}
		got, problems := Parse(config, params, nil)
		for _, p := range problems {
			if strings.Contains(p.Error(), "\n") {
				t.Errorf("problem of several lines: %q", p.Error())
			}
		}
		again, problemsAgain := Parse(config, params, &got)
		if len(problems) != len(problemsAgain) || !cmp.Equal(got, again, visible()) {
			t.Errorf("a second look differs: %s", cmp.Diff(got, again, visible()))
		}
		got.Resources.Excluded("g", "K", "https://s")
		got.WatchesNamespace("team")
	})
}
