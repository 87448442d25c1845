package diff

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

var update = flag.Bool("update", false, "write the plans that come out into the data files")

// server stands for the API server where a data file says what its dry-run answers: predicted-*.yaml by name. An
// object without one is refused, so that a file must say when it expects a question.
type server struct {
	predicted map[object.Ref]*unstructured.Unstructured

	mu    sync.Mutex // suspicions are settled side by side
	asked []string
}

func (s *server) Predict(_ context.Context, desired *unstructured.Unstructured, _ bool) (*unstructured.Unstructured, error) {
	ref := object.RefOf(desired)
	s.mu.Lock()
	s.asked = append(s.asked, ref.String())
	s.mu.Unlock()
	if p, ok := s.predicted[ref]; ok {
		return p, nil
	}
	return nil, fault.New(fault.Invalid, "apply %s: refused", ref)
}

func (s *server) Read(_ context.Context, like *unstructured.Unstructured) (*object.Live, error) {
	return nil, fault.New(fault.Internal, "unexpected read of %s", object.RefOf(like))
}

func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no data files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runPlan(t, file) })
	}
}

func runPlan(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Memory: NewMemory()}
	srv := &server{predicted: map[object.Ref]*unstructured.Unstructured{}}
	live := map[object.Ref]*object.Live{}
	var manifests []*unstructured.Unstructured
	var options struct {
		Options
		Mutations bool
	}
	want := -1
	for i, f := range a.Files {
		switch {
		case f.Name == "ignore.yaml":
			if err := yaml.UnmarshalStrict(f.Data, &options.Ignore); err != nil {
				t.Fatal(err)
			}
		case f.Name == "options.yaml":
			if err := yaml.UnmarshalStrict(f.Data, &options); err != nil {
				t.Fatal(err)
			}
		case f.Name == "plan":
			want = i
		case strings.HasPrefix(f.Name, "desired"):
			manifests = append(manifests, documents(t, f.Data)...)
		case strings.HasPrefix(f.Name, "live"):
			for _, u := range documents(t, f.Data) {
				l := object.NewLive(u)
				live[l.Ref()] = l
				if u.GetAnnotations()[v1alpha1.AnnotationTrackingID] != "" {
					in.Owned = append(in.Owned, l)
				}
			}
		case strings.HasPrefix(f.Name, "predicted"):
			for _, u := range documents(t, f.Data) {
				srv.predicted[object.RefOf(u)] = u
			}
		default:
			t.Fatalf("%s: unknown file %s", file, f.Name)
		}
	}
	if in.Rules, err = NewRules(options.Options); err != nil {
		t.Fatal(err)
	}
	in.Rules.Mutations = options.Mutations
	in.Targets, err = NewTargets(manifests, TargetOptions{Namespace: "shop", Scope: scope, Track: same, KeepsStatus: in.Rules.KeepsStatus})
	if err != nil {
		t.Fatal(err)
	}
	in.Live = func(r object.Ref) (*object.Live, bool) { l, ok := live[r]; return l, ok }
	plan, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := Confirm(t.Context(), plan, in.Memory, in.Rules, srv); err != nil {
		t.Fatal(err)
	}
	got := describe(plan, srv.asked)
	if *update {
		if want < 0 {
			a.Files = append(a.Files, txtar.File{Name: "plan"})
			want = len(a.Files) - 1
		}
		a.Files[want].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want < 0 {
		t.Fatalf("%s has no plan; run with -update and read what it wrote", file)
	}
	if d := cmp.Diff(string(a.Files[want].Data), got); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	again, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(again.Suspects()); n > 0 && !hasRefusal(plan) {
		t.Errorf("a second comparison of the same state asks the server %d times again", n)
	}
}

func hasRefusal(p *Plan) bool {
	for _, i := range p.Items {
		if i.Refused != nil {
			return true
		}
	}
	return false
}

func documents(t *testing.T, data []byte) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		out = append(out, parseOne(t, string(doc)))
	}
	return out
}

func parseOne(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(j); err != nil {
		t.Fatal(err)
	}
	return u
}

func describe(p *Plan, asked []string) string {
	var b strings.Builder
	for _, i := range p.Items {
		fmt.Fprintf(&b, "%s %s", i.Action, i.Ref)
		if i.Reason != "" {
			fmt.Fprintf(&b, " (%s)", i.Reason)
		}
		b.WriteString("\n")
		for _, c := range i.Changes {
			fmt.Fprintf(&b, "  %s: %v -> %v", c.Path, c.Live, c.Desired)
			if c.Manager != "" {
				fmt.Fprintf(&b, " by %s", c.Manager)
			}
			b.WriteString("\n")
		}
		if i.Refused != nil {
			fmt.Fprintf(&b, "  refused: %s\n", i.Refused)
		}
	}
	slices.Sort(asked)
	for _, a := range asked {
		fmt.Fprintf(&b, "asked about %s\n", a)
	}
	return b.String()
}

func scope(gvk schema.GroupVersionKind) (namespaced, known bool) {
	switch gvk.Kind {
	case "Namespace", "ClusterRole", "CustomResourceDefinition":
		return false, true
	case "Widget":
		return false, false
	}
	return true, true
}

func same(u *unstructured.Unstructured) (*unstructured.Unstructured, error) { return u, nil }
