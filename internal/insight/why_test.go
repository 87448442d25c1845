package insight

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
)

// whyCase is the file input.yaml of a data file.
type whyCase struct {
	App     v1alpha1.Application
	Windows v1alpha1.SyncWindows
	Plan    *planCase
	Nodes   []struct {
		Kind, Group, Name, UID, Health, Message string
		Parents                                 []string
		Age                                     string
	}
	Objects []map[string]any
	Events  []struct {
		About, Reason, Message string
		Normal                 bool
	}
	Logs map[string]string // pod/container or pod/container/previous
}

const noon = "2026-11-03T12:00:00Z"

// told is a cluster of which a data file tells.
type told struct{ c *whyCase }

func (t told) Read(_ context.Context, n Node) (*unstructured.Unstructured, error) {
	for _, o := range t.c.Objects {
		if u := manifestOf(o); object.RefOf(u) == n.Ref {
			return u, nil
		}
	}
	return nil, fmt.Errorf("%s is not told of", n.Ref)
}

func (t told) Events(_ context.Context, n Node) ([]Event, error) {
	var out []Event
	for _, e := range t.c.Events {
		if e.About == n.Ref.Kind+"/"+n.Ref.Name {
			out = append(out, Event{Warning: !e.Normal, Reason: e.Reason, Message: e.Message})
		}
	}
	return out, nil
}

func (t told) LastLine(_ context.Context, pod Node, container string, previous bool) (string, error) {
	key := pod.Ref.Name + "/" + container
	if previous {
		key += "/previous"
	}
	if line, ok := t.c.Logs[key]; ok {
		return line, nil
	}
	return "", fmt.Errorf("no log %s", key)
}

func (c *whyCase) input(t *testing.T) WhyInput {
	t.Helper()
	now, err := time.Parse(time.RFC3339, noon)
	if err != nil {
		t.Fatal(err)
	}
	in := WhyInput{App: &c.App, Now: now, ControlPlane: "argocd"}
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	p.Spec.SyncWindows = c.Windows
	in.Windows = project.New(p).Windows(&c.App)
	for _, n := range c.Nodes {
		age, err := time.ParseDuration(firstOf(n.Age, "1h"))
		if err != nil {
			t.Fatal(err)
		}
		in.Nodes = append(in.Nodes, Node{Ref: object.Ref{Group: n.Group, Kind: n.Kind, Namespace: "voice", Name: n.Name}, UID: n.UID, Parents: n.Parents,
			Created: now.Add(-age), Health: v1alpha1.HealthStatus{Status: v1alpha1.HealthStatusCode(n.Health), Message: n.Message}})
	}
	if c.Plan != nil {
		in.Plan = c.Plan.input().Plan
		for _, i := range in.Plan.Items {
			if i.Live != nil {
				i.Live.Managers = []object.Manager{{Name: "kubectl-edit", Operation: "Update", Time: "2026-11-03T11:30:00Z"}}
			}
		}
	}
	return in
}

func TestWhy(t *testing.T) {
	files, err := filepath.Glob("testdata/why/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var c whyCase
			readYAML(t, section(a, "input.yaml"), &c)
			c.App.Name, c.App.Namespace = "web", "argocd"
			in := c.input(t)
			out, err := yaml.Marshal(Explain(t.Context(), in, told{&c}))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(out), "hunter2") {
				t.Errorf("the explanation tells a secret:\n%s", out)
			}
			golden(t, file, a, "why.yaml", out)
			problem := Problem(&c.App, in.Now)
			golden(t, file, a, "problem.txt", []byte(problem+"\n"))
		})
	}
}

// TestWhyIsStable: the order of what was found does not change the explanation.
func TestWhyIsStable(t *testing.T) {
	plan := &diff.Plan{}
	for _, name := range []string{"c", "a", "b"} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		u.SetName(name)
		plan.Items = append(plan.Items, &diff.Item{Ref: object.RefOf(u), Action: diff.Create, Desired: u})
	}
	app := &v1alpha1.Application{Status: v1alpha1.ApplicationStatus{Sync: v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusOutOfSync}}}
	w := Explain(t.Context(), WhyInput{App: app, Plan: plan}, nil)
	if len(w.Causes) != 4 || w.Causes[0].Object.Name != "c" {
		t.Errorf("the plan's order among equals is kept: %+v", w.Causes)
	}
}
