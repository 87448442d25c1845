package repair

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestFile(t *testing.T) {
	for name, c := range map[string]struct {
		in, want string
		opts     Options
		edits    int
	}{
		"version":             {in: "# the job\napiVersion: \"batch/v1beta1\" # old\nkind: CronJob\nmetadata: {name: x}\n", want: "# the job\napiVersion: \"batch/v1\" # old\nkind: CronJob\nmetadata: {name: x}\n", edits: 1},
		"second document":     {in: "kind: ConfigMap\napiVersion: v1\n---\nkind: CronJob\napiVersion: batch/v1beta1\n", want: "kind: ConfigMap\napiVersion: v1\n---\nkind: CronJob\napiVersion: batch/v1\n", edits: 1},
		"not the same fields": {in: "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\n", want: "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\n"},
		"another meaning":     {in: "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec:\n  selector: {}\n", want: "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec:\n  selector: {}\n"},
		"same meaning":        {in: "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec:\n  selector: {matchLabels: {a: b}}\n", want: "apiVersion: policy/v1\nkind: PodDisruptionBudget\nspec:\n  selector: {matchLabels: {a: b}}\n", edits: 1},
		"a template":          {in: "{{- if .Values.x }}\napiVersion: batch/v1beta1\nkind: CronJob\n{{- end }}\n", want: "{{- if .Values.x }}\napiVersion: batch/v1beta1\nkind: CronJob\n{{- end }}\n"},
		"nothing":             {in: "apiVersion: v1\nkind: Pod", want: "apiVersion: v1\nkind: Pod"},
		"label, none yet": {in: "kind: Pod\nmetadata:\n    name: api # here\n    namespace: shop\n", opts: Options{Labels: []Label{{Line: 2, Key: "app.kubernetes.io/name"}, {Line: 2, Key: "team", Value: "yes"}}},
			want: "kind: Pod\nmetadata:\n    name: api # here\n    labels:\n      app.kubernetes.io/name: api\n      team: \"yes\"\n    namespace: shop\n", edits: 2},
		"label, some": {in: "kind: Pod\nmetadata:\n  labels: # all\n    # mine\n    a: b\n  name: api", opts: Options{Labels: []Label{{Line: 1, Key: "x"}, {Line: 1, Key: "a"}, {Line: 1, Key: "x"}}},
			want: "kind: Pod\nmetadata:\n  labels: # all\n    x: api\n    # mine\n    a: b\n  name: api", edits: 1},
		"label in braces":         {in: "kind: Pod\nmetadata: {name: api}\n", want: "kind: Pod\nmetadata: {name: api}\n", opts: Options{Labels: []Label{{Line: 1, Key: "x"}}}},
		"label of another":        {in: "kind: Pod\nmetadata:\n  name: a\n---\nkind: Pod\nmetadata:\n  name: b\n", want: "kind: Pod\nmetadata:\n  name: a\n---\nkind: Pod\nmetadata:\n  name: b\n  labels:\n    x: b\n", opts: Options{Labels: []Label{{Line: 6, Key: "x"}}}, edits: 1},
		"keys are not sorted":     {in: "data:\n  b: '1'\n  a: '2'\n", want: "data:\n  b: '1'\n  a: '2'\n"},
		"keys are sorted":         {in: "metadata:\n  name: x\n  labels:\n    b: '1' # one\n    # two\n    a: '2'\ndata:\n  z.conf: |\n    first\n\n    last\n  a: x\n\nkind: ConfigMap\n", want: "metadata:\n  name: x\n  labels:\n    # two\n    a: '2'\n    b: '1' # one\ndata:\n  a: x\n  z.conf: |\n    first\n\n    last\n\nkind: ConfigMap\n", opts: Options{SortKeys: true}, edits: 2},
		"keys at the very end":    {in: "data:\n  b: '1'\n  a: '2'", want: "data:\n  a: '2'\n  b: '1'\n", opts: Options{SortKeys: true}, edits: 1},
		"keys are sorted already": {in: "data:\n  a: '1'\n  b: '2'\n", want: "data:\n  a: '1'\n  b: '2'\n", opts: Options{SortKeys: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, edits := File(c.in, c.opts)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if len(edits) != c.edits {
				t.Errorf("edits are %v, want %d", edits, c.edits)
			}
			if again, more := File(got, c.opts); again != got || len(more) != 0 {
				t.Errorf("mending again changes %v:\n%s", more, again)
			}
		})
	}
}

// FuzzSort holds that sorting changes no value.
func FuzzSort(f *testing.F) {
	f.Add("data:\n  b: |\n    x\n\n  # c\n  a: y\n")
	f.Add("metadata:\n  labels:\n    b: 1\n    a:\n    - 2\n  name: x\n")
	f.Add("data:\n  b: &x 1\n  a: *x\n")
	f.Add("data:\n  b: \"1\n\n  2\"\n  a: 1\n---\ndata:\n- 1\n")
	f.Fuzz(func(t *testing.T, in string) {
		var before, after any
		if yaml.Unmarshal([]byte(in), &before) != nil {
			return
		}
		out, _ := File(in, Options{SortKeys: true})
		if err := yaml.Unmarshal([]byte(out), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q became %q: %v", in, out, err)
		}
	})
}
