package action

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
)

// requests notes what an action asks a cluster for, and answers what the test says.
type requests struct {
	objects map[object.Ref]*unstructured.Unstructured
	made    []string
	answer  func(request string) error
}

func (r *requests) Object(_ context.Context, ref object.Ref, _ string) (*unstructured.Unstructured, error) {
	u := r.objects[ref]
	if u == nil {
		return nil, fault.New(fault.NotFound, "%s is no object of application shop", ref)
	}
	return u.DeepCopy(), nil
}

func (r *requests) Namespaced(kind schema.GroupVersionKind) (bool, error) {
	return !slices.Contains([]string{"Namespace", "ClusterRole"}, kind.Kind), nil
}

func (r *requests) PatchObject(_ context.Context, u *unstructured.Unstructured, patch []byte, o WriteOptions) error {
	return r.note("patch", object.RefOf(u), string(patch), o)
}

func (r *requests) CreateObject(_ context.Context, u *unstructured.Unstructured, o WriteOptions) error {
	return r.note("create", object.RefOf(u), "", o)
}

func (r *requests) note(verb string, ref object.Ref, body string, o WriteOptions) error {
	if o.Status {
		verb += " status"
	}
	if o.DryRun {
		verb = "try " + verb
	}
	request := strings.TrimSpace(verb + " " + ref.String() + " " + body)
	r.made = append(r.made, request)
	if r.answer == nil {
		return nil
	}
	return r.answer(request)
}

// TestRun: what a run asks the cluster for, in order, and when it begins again.
func TestRun(t *testing.T) {
	const both = `obj.spec.replicas = 1; obj.status.phase = "x"; return obj`
	settingsMap := parseObject(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: ns, resourceVersion: "9"}}`)
	conflicts := func(times int, on string) func(string) error {
		return func(request string) error {
			if times > 0 && strings.HasPrefix(request, on) {
				times--
				return fault.New(fault.Conflict, "somebody was faster")
			}
			return nil
		}
	}
	create := func(meta string) string {
		return `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {` + meta + `}}}}`
	}
	one := `patch example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"spec":{"replicas":1}}`
	for name, test := range map[string]struct {
		script  string
		answer  func(string) error
		want    []string
		done    string
		wantErr string
		kind    fault.Kind
	}{
		"a patch":       {script: `obj.spec.replicas = 1; return obj`, want: []string{one}, done: "patched example.com/Widget/ns/a"},
		"nothing to do": {script: `return obj`, done: "nothing changed"},
		"a lost race":   {script: `obj.spec.replicas = 1; return obj`, answer: conflicts(2, "patch"), want: []string{one, one, one}, done: "patched example.com/Widget/ns/a"},
		"lost races":    {script: `obj.spec.replicas = 1; return obj`, answer: conflicts(9, "patch"), want: []string{one, one, one}, done: "nothing changed", wantErr: "somebody was faster", kind: fault.Conflict},
		"the status too": {script: both, done: "patched example.com/Widget/ns/a", want: []string{
			`try patch status example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`, "try " + one,
			`patch status example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`, one}},
		"no status of its own": {script: `obj.status.phase = "x"; return obj`, done: "patched example.com/Widget/ns/a",
			answer: func(request string) error {
				if strings.HasPrefix(request, "patch status") {
					return fault.New(fault.NotFound, "no such subresource")
				}
				return nil
			},
			want: []string{`patch status example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`,
				`patch example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`}},
		"a race lost half-way is not run again": {script: both, answer: conflicts(1, "patch example"), done: "nothing changed", wantErr: "somebody was faster", kind: fault.Conflict, want: []string{
			`try patch status example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`, "try " + one,
			`patch status example.com/Widget/ns/a {"metadata":{"resourceVersion":"7"},"status":{"phase":"x"}}`, one}},
		"a creation":         {script: create(`name = "c2"`), want: []string{"create ConfigMap/ns/c2"}, done: "created ConfigMap/ns/c2"},
		"a name by the way":  {script: create(`generateName = "c-"`), want: []string{"create ConfigMap/ns"}, done: "created ConfigMap/ns/c-*"},
		"another namespace":  {script: create(`name = "c2", namespace = "other"`), wantErr: "in the namespace ns of its object alone, and not in other", kind: fault.Denied, done: "nothing changed"},
		"of the cluster":     {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "Namespace", metadata = {name = "x"}}}}`, wantErr: "a kind of the whole cluster", kind: fault.Denied, done: "nothing changed"},
		"not permitted":      {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "Secret", metadata = {name = "x"}}}}`, wantErr: "is not permitted in project dev", kind: fault.Denied, done: "nothing changed"},
		"another object":     {script: `return {{operation = "patch", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "c", namespace = "ns"}, data = {a = "b"}}}}`, want: []string{`patch ConfigMap/ns/c {"data":{"a":"b"},"metadata":{"resourceVersion":"9"}}`}, done: "patched ConfigMap/ns/c"},
		"of nobody":          {script: `return {{operation = "patch", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "d", namespace = "ns"}}}}`, wantErr: "only objects of the application can be patched", kind: fault.Denied, done: "nothing changed"},
		"one refused of two": {script: `obj.spec.replicas = 1; return {{operation = "patch", resource = obj}, {operation = "create", resource = {apiVersion = "v1", kind = "Secret", metadata = {name = "x"}}}}`, wantErr: "is not permitted", kind: fault.Denied, done: "nothing changed"},
		"one failing of two": {script: `obj.spec.replicas = 1; return {{operation = "patch", resource = obj}, {operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "x"}}}}`,
			answer: func(request string) error {
				if strings.HasPrefix(request, "try create") {
					return fault.New(fault.Invalid, "it is broken")
				}
				return nil
			}, want: []string{"try " + one, "try create ConfigMap/ns/x"}, wantErr: "it is broken", kind: fault.Invalid, done: "nothing changed"},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := compileMap(t, map[string]string{"resource.customizations.actions.example.com_Widget": define(test.script)})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			live := parseObject(t, widget)
			r := &requests{answer: test.answer, objects: map[object.Ref]*unstructured.Unstructured{object.RefOf(live): live, object.RefOf(settingsMap): settingsMap}}
			p := &v1alpha1.AppProject{}
			p.Name = "dev"
			p.Spec.Destinations = []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "ns"}}
			p.Spec.NamespaceResourceBlacklist = []metav1.GroupKind{{Kind: "Secret"}}
			out, err := set.Run(t.Context(), r, Request{Ref: object.RefOf(live), Version: "v1", Action: "do", Project: project.New(p), Server: v1alpha1.InClusterServer, Now: time.Now})
			if !slices.Equal(r.made, test.want) {
				t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(r.made, "\n"), strings.Join(test.want, "\n"))
			}
			if out.String() != test.done || out.Builtin {
				t.Errorf("done: %s; want %s", out, test.done)
			}
			if fmt.Sprint(fault.KindOf(err)) != fmt.Sprint(test.kind) && err != nil || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("error %v (%s), want %q (%s)", err, fault.KindOf(err), test.wantErr, test.kind)
			}
		})
	}
}
