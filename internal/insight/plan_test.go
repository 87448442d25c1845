package insight

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

var update = flag.Bool("update", false, "write what comes out into the data files")

// planCase is the file input.yaml of a data file.
type planCase struct {
	Revisions  []string
	Options    v1alpha1.SyncOptions
	NoHooks    bool
	Objects    []v1alpha1.SyncOperationResource
	Window     string
	Masked     []string
	Conditions []v1alpha1.ApplicationCondition
	Items      []struct {
		Action, Reason, Refused, Forbidden string
		Live, Desired                      map[string]any
		Changes                            []struct {
			Path, Manager string
			Live, Desired any
		}
	}
	Hooks []map[string]any
}

// readYAML reads a document with the number types of a JSON answer.
func readYAML(t *testing.T, data []byte, into any) {
	t.Helper()
	raw, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := utiljson.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// numbers turns whole numbers into the integers that Kubernetes' decoder makes of them.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}

func manifestOf(m map[string]any) *unstructured.Unstructured {
	if m == nil {
		return nil
	}
	return &unstructured.Unstructured{Object: numbers(m).(map[string]any)}
}

func (c *planCase) input() PlanInput {
	in := PlanInput{
		App: &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: "callcenter-prod", Namespace: "argocd"},
			Spec: v1alpha1.ApplicationSpec{Source: &v1alpha1.ApplicationSource{RepoURL: "https://github.com/example/deploy.git", Path: "overlays/production"}}},
		Revisions: c.Revisions, Plan: &diff.Plan{}, Conditions: c.Conditions, Window: c.Window, Masked: c.Masked,
		Operation: &v1alpha1.SyncOperation{SyncOptions: c.Options, Resources: c.Objects},
	}
	if c.NoHooks {
		in.Operation.SyncStrategy = &v1alpha1.SyncStrategy{Apply: &v1alpha1.SyncStrategyApply{}}
	}
	for _, i := range c.Items {
		item := &diff.Item{Action: diff.Action(i.Action), Reason: i.Reason, Desired: manifestOf(i.Desired)}
		if live := manifestOf(i.Live); live != nil {
			item.Live = object.NewLive(live)
			item.Ref = object.RefOf(live)
		}
		if item.Desired != nil {
			item.Ref = object.RefOf(item.Desired)
		}
		if i.Refused != "" {
			item.Refused = errors.New(i.Refused)
		}
		if i.Forbidden != "" {
			item.Forbidden = errors.New(i.Forbidden)
		}
		for _, ch := range i.Changes {
			item.Changes = append(item.Changes, object.Change{Path: ch.Path, Manager: ch.Manager, Live: numbers(ch.Live), Desired: numbers(ch.Desired)})
		}
		in.Plan.Items = append(in.Plan.Items, item)
	}
	for _, h := range c.Hooks {
		in.Hooks = append(in.Hooks, manifestOf(h))
	}
	return in
}

// section returns a file of a data file.
func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// golden compares a section of a data file with what came out.
func golden(t *testing.T, file string, a *txtar.Archive, name string, got []byte) {
	t.Helper()
	if want := section(a, name); !*update {
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s differs (-want +got):\n%s", name, d)
		}
		return
	}
	a.Files = append(slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == name }), txtar.File{Name: name, Data: got})
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan := func() *Plan {
				var c planCase
				readYAML(t, section(a, "input.yaml"), &c)
				p, err := NewPlan(c.input())
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			p := plan()
			if again := plan(); again.Digest != p.Digest || len(p.Digest) != 64 {
				t.Errorf("a second computation gives the digest %s, the first one %s", again.Digest, p.Digest)
			}
			p.Digest = ""
			out, err := yaml.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, a, "plan.yaml", out)
		})
	}
}

// TestDigestChanges: whatever a reviewer saw is in the digest; what changes by itself is not.
func TestDigestChanges(t *testing.T) {
	base := `
revisions: [a123456789012345678901234567890123456789]
conditions: [{type: SharedResourceWarning, message: "apps/Deployment/voice/web is part of applications a and b"}]
hooks:
- {apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: voice, annotations: {argocd.argoproj.io/hook: PreSync}}}
items:
- action: update
  reason: image differs
  live: {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: voice, resourceVersion: "7", uid: u1}, spec: {replicas: 3}}
  desired: {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: voice}}
  changes: [{path: spec.replicas, live: 3, desired: 4}]
- action: update
  live: {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: voice, resourceVersion: "8", uid: u2}, data: {a: b2xk}}
  desired: {apiVersion: v1, kind: Secret, metadata: {name: key, namespace: voice}, data: {a: bmV3}}
  changes: [{path: data.a, live: b2xk, desired: bmV3}]
- action: create
  desired: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: voice}, data: {mode: fast}}
`
	digest := func(text string) string {
		var c planCase
		readYAML(t, []byte(text), &c)
		p, err := NewPlan(c.input())
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest
	}
	want := digest(base)
	for name, change := range map[string][2]string{
		"revision":           {"a123456789012345678901234567890123456789", "b123456789012345678901234567890123456789"},
		"wanted value":       {"desired: 4", "desired: 5"},
		"live value":         {"live: 3, desired", "live: 2, desired"},
		"field":              {"path: spec.replicas", "path: spec.paused"},
		"action":             {"action: create", "action: none"},
		"made anew":          {"uid: u1", "uid: u9"},
		"content to create":  {"mode: fast", "mode: slow"},
		"secret was written": {`resourceVersion: "8"`, `resourceVersion: "9"`},
		"hook":               {"name: migrate", "name: convert"},
		"phase of a hook":    {"hook: PreSync", "hook: PostSync"},
		"condition":          {"applications a and b", "applications a and c"},
		"refusal":            {"reason: image differs", "refused: quota exceeded"},
	} {
		if got := digest(strings.Replace(base, change[0], change[1], 1)); got == want || !strings.Contains(base, change[0]) {
			t.Errorf("%s: the digest stays the same", name)
		}
	}
	for name, change := range map[string][2]string{
		"write of another field": {`resourceVersion: "7"`, `resourceVersion: "70"`},
		"the clock":              {"revisions:", "window: not open\nrevisions:"},
	} {
		if got := digest(strings.Replace(base, change[0], change[1], 1)); got != want {
			t.Errorf("%s: the digest changes", name)
		}
	}
	// A value of a Secret must not be guessed from the digest.
	if got := digest(strings.ReplaceAll(base, "bmV3", "b3RoZXI=")); got != want {
		t.Errorf("the digest is made of the values of a Secret")
	}
}
