package diff

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// TestExpressionWithoutEnd: it costs its limit once for a comparison, not once for each object.
func TestExpressionWithoutEnd(t *testing.T) {
	const limit = 50 * time.Millisecond
	rules, err := NewRules(Options{JQTimeout: limit, Ignore: v1alpha1.IgnoreDifferences{
		{Group: "*", Kind: "*", JQPathExpressions: []string{`.spec | until(false; .)`}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Rules: rules, Memory: NewMemory()}
	live := map[object.Ref]*object.Live{}
	const objects = 400
	for i := range objects {
		name := fmt.Sprintf("w%03d", i)
		u := thing("example.com/v1", "", map[string]any{"a": int64(1)})
		u.SetName(name)
		in.Targets.Objects = append(in.Targets.Objects, Target{Ref: object.RefOf(u), Object: u, Hash: name})
		live[object.RefOf(u)] = object.NewLive(u.DeepCopy())
	}
	in.Live = func(r object.Ref) (*object.Live, bool) { return live[r], true }
	start := time.Now()
	_, err = Compare(in)
	if took := time.Since(start); took > objects/2*limit {
		t.Errorf("the comparison took %s", took)
	}
	const want = `ignoreDifferences for */*: jq expression ".spec | until(false; .)" ran longer than 50ms`
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "example.com/Widget/shop/w000") {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestRulesThatCannotBeUsed(t *testing.T) {
	jq := func(e string) Options {
		return Options{Ignore: v1alpha1.IgnoreDifferences{{Group: "apps", Kind: "Deployment", JQPathExpressions: []string{e}}}}
	}
	for _, tc := range []struct {
		options Options
		want    string
	}{
		{jq(`.spec[`), `ignoreDifferences for apps/Deployment: jq expression ".spec["`},
		{jq(`.a)]) | error("escaped`), `jq expression`},
		{jq(`.a)]) | ([path(.b`), `jq expression`},
		{jq(`nosuchfunction`), `function not defined: nosuchfunction/0`},
		{jq(`import "x" as x; .a`), `jq expression`},
		{jq(`input`), `jq expression`},
		{Options{Ignore: v1alpha1.IgnoreDifferences{{Kind: "Pod", JSONPointers: []string{"spec"}}}}, `ignoreDifferences for /Pod: JSON pointer "spec" must start with /`},
		{Options{Ignore: v1alpha1.IgnoreDifferences{{Kind: "Po[d", JSONPointers: []string{"/spec"}}}}, `glob "Po[d"`},
		{Options{KnownTypes: []KnownType{{Group: "example.com", Kind: "Widget", Field: "spec", Type: "core/v1/Pods"}}}, `knownTypeFields for example.com/Widget: field spec: no type is called "core/v1/Pods"`},
		{Options{KnownTypes: []KnownType{{Group: "example.com", Kind: "Widget", Type: "core/Quantity"}}}, `names no field`},
	} {
		if _, err := NewRules(tc.options); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v", tc.options, err)
		}
	}
}

// TestExpressionsKeepNumbers: what is left of an object is exactly what was there.
func TestExpressionsKeepNumbers(t *testing.T) {
	rules, err := NewRules(Options{Ignore: v1alpha1.IgnoreDifferences{{Group: "*", Kind: "*", JQPathExpressions: []string{`.spec.gone, .spec.list[] | select(. == 2)`}}}})
	if err != nil {
		t.Fatal(err)
	}
	u := thing("example.com/v1", "", map[string]any{
		"long": int64(9007199254740993), "most": int64(9223372036854775807), "real": 1.5, "text": "9007199254740993", "null": nil,
		"gone": int64(2), "list": []any{int64(1), int64(2), int64(3)},
	})
	set := rules.matching(object.RefOf(u))
	got, err := set.strip(u.Object, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := u.DeepCopy().Object
	spec := want["spec"].(map[string]any)
	delete(spec, "gone")
	spec["list"] = []any{int64(1), int64(3)}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSame(t *testing.T) {
	rules, err := NewRules(Options{Ignore: v1alpha1.IgnoreDifferences{
		{Group: "example.com", Kind: "Widget", JSONPointers: []string{"/status"}, JQPathExpressions: []string{`.metadata.annotations.beat`}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const base = "apiVersion: example.com/v1\nkind: Widget\n"
	for _, tc := range []struct {
		reason, before, after string
		want                  bool
	}{
		{"ignored fields alone", "metadata: {name: w, resourceVersion: '1', annotations: {beat: '1'}}\nstatus: {a: 1}", "metadata: {name: w, resourceVersion: '2', generation: 2, annotations: {beat: '2'}}\nstatus: {a: 2}", true},
		{"another field too", "metadata: {name: w}\nstatus: {a: 1}", "metadata: {name: w, labels: {a: b}}\nstatus: {a: 2}", false},
		{"it is being deleted", "metadata: {name: w}", "metadata: {name: w, deletionTimestamp: '2026-01-01T00:00:00Z'}", false},
		{"an ignored field that was ours is somebody else's now", "metadata: {name: w, managedFields: [{manager: argocd-controller, operation: Apply, fieldsV1: {'f:status': {}}}]}\nstatus: {a: 1}", "metadata: {name: w, managedFields: [{manager: kubectl, operation: Update, fieldsV1: {'f:status': {}}}]}\nstatus: {a: 2}", true},
	} {
		before, after := object.NewLive(parseOne(t, base+tc.before)), object.NewLive(parseOne(t, base+tc.after))
		if got := rules.Same(before, after); got != tc.want {
			t.Errorf("%s: %v", tc.reason, got)
		}
	}
	other := object.NewLive(parseOne(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}"))
	if rules.Same(other, other) {
		t.Error("an object that no rule concerns must be looked at")
	}
}
