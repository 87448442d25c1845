package preview

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// work is a comparison under way.
type work struct {
	in     Input
	mask   mask.Keyed
	shared map[claim][]string
}

// unit compares one unit; nil if nothing would change. head or base may be nil.
func (w *work) unit(name string, head, base *check.Unit) (*Unit, error) {
	of := head
	if of == nil {
		of = base
	}
	u := &Unit{Name: mask.Line(name), Cluster: mask.Line(mask.Values(of.Cluster)), Namespace: mask.Line(of.Namespace), Follows: follows(of), State: Changed, Dangers: []Danger{}, Objects: []Object{}}
	live, planned := w.in.Live[name]
	switch {
	case head != nil && head.Err != nil:
		return u.fail(head.Err), nil
	case planned && live.Err != nil:
		return u.fail(live.Err), nil
	case planned:
		return w.plan(u, head, live.Plan, live.Masked)
	case w.in.Live != nil:
		return nil, nil // a directory has no cluster
	case base != nil && base.Skipped != "" && head == nil:
		return nil, nil
	case head == nil:
		u.State = Removed
	case base == nil:
		u.State = Added
	case base.Err != nil || base.Skipped != "":
		u.Note = "the base cannot be rendered, so that every object counts as new: " + mask.Line(mask.Values(cmp.Or(base.Skipped, errText(base.Err))))
	}
	plan := w.compare(u, head, base)
	return w.plan(u, head, plan, nil)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (u *Unit) fail(err error) *Unit {
	u.State, u.Err = Failed, mask.Line(mask.Values(err.Error()))
	return u
}

func follows(u *check.Unit) string {
	if u.App == nil {
		return ""
	}
	var names []string
	for _, s := range u.App.Spec.GetSources() {
		names = append(names, cmp.Or(s.TargetRevision, "HEAD"))
	}
	slices.Sort(names)
	return mask.Line(strings.Join(slices.Compact(names), ", "))
}

// compare makes of two renders what diff makes of a render and a cluster. Fields that are not determined are made equal.
func (w *work) compare(u *Unit, head, base *check.Unit) *diff.Plan {
	after, before := objectsOf(head), objectsOf(base)
	if head != nil && w.in.Again != nil {
		w.settle(u, after, before, objectsOf(w.in.Again.Unit(head.Name)))
	}
	plan := &diff.Plan{}
	successors := successors(before, after)
	for _, ref := range slices.SortedFunc(keys(after, before), object.Ref.Compare) {
		a, b := after[ref], before[ref]
		if old, renamed := successors[ref]; renamed && b == nil {
			b = before[old]
		}
		item := &diff.Item{Ref: ref, Desired: a}
		if b != nil {
			item.Live = &object.Live{Object: b}
		}
		switch {
		case a == nil && replaced(successors, ref):
			continue
		case a == nil:
			item.Action, item.Reason = diff.Delete, "no longer in the files"
		case b == nil:
			item.Action, item.Reason = diff.Create, "new"
		default:
			if item.Changes = diff.Fields(b.Object, a.Object); len(item.Changes) == 0 {
				continue
			}
			item.Action, item.Reason = diff.Update, fmt.Sprintf("%s differs", item.Changes[0].Path)
			if n := len(item.Changes); n > 1 {
				item.Reason = fmt.Sprintf("%d fields differ", n)
			}
			if object.RefOf(b) != ref {
				item.Reason = "new content under a new name"
			}
		}
		plan.Items = append(plan.Items, item)
	}
	return plan
}

func objectsOf(u *check.Unit) map[object.Ref]*unstructured.Unstructured {
	out := map[object.Ref]*unstructured.Unstructured{}
	if u == nil || u.Err != nil {
		return out
	}
	for _, o := range u.Objects {
		ref := o.Ref
		if ref.Name == "" {
			ref.Name = o.GetGenerateName() + "*"
		}
		out[ref] = o.Unstructured
	}
	return out
}

func keys(maps ...map[object.Ref]*unstructured.Unstructured) func(yield func(object.Ref) bool) {
	return func(yield func(object.Ref) bool) {
		seen := map[object.Ref]bool{}
		for _, m := range maps {
			for ref := range m {
				if !seen[ref] && !yield(ref) {
					return
				}
				seen[ref] = true
			}
		}
	}
}

// hashed is a name that ends with a hash of the content, as Kustomize's generators make them.
var hashed = regexp.MustCompile(`^(.+)-[2456789bcdfghkmt]{10}$`)

// successors are ConfigMaps and Secrets that take the place of ones with the same name but for the hash of the content.
func successors(before, after map[object.Ref]*unstructured.Unstructured) map[object.Ref]object.Ref {
	stem := func(ref object.Ref) (object.Ref, bool) {
		m := hashed.FindStringSubmatch(ref.Name)
		if m == nil || ref.Group != "" || ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
			return ref, false
		}
		ref.Name = m[1]
		return ref, true
	}
	gone := map[object.Ref]object.Ref{}
	for ref := range before {
		if s, ok := stem(ref); ok && after[ref] == nil {
			gone[s] = ref
		}
	}
	out := map[object.Ref]object.Ref{}
	for ref := range after {
		if s, ok := stem(ref); ok && before[ref] == nil {
			if old, found := gone[s]; found {
				out[ref] = old
			}
		}
	}
	return out
}

func replaced(successors map[object.Ref]object.Ref, ref object.Ref) bool {
	for _, old := range successors {
		if old == ref {
			return true
		}
	}
	return false
}

// plan fills u from what would change; nil if nothing would.
func (w *work) plan(u *Unit, head *check.Unit, plan *diff.Plan, masked []string) (*Unit, error) {
	app := &v1alpha1.Application{}
	if head != nil && head.App != nil {
		app = head.App
	}
	reviewed, hooks := &diff.Plan{}, map[object.Ref]bool{}
	for _, i := range plan.Items {
		of := i.Desired
		if of == nil {
			of = i.Live.Object
		}
		if hooks[i.Ref] = diff.IsHook(of); !hooks[i.Ref] {
			reviewed.Items = append(reviewed.Items, i)
		}
	}
	sync := &v1alpha1.SyncOperation{}
	if policy := app.Spec.SyncPolicy; policy != nil {
		sync.SyncOptions = policy.SyncOptions
	}
	review, err := insight.NewPlan(insight.PlanInput{App: app, Plan: reviewed, Operation: sync, Masked: masked})
	if err != nil {
		return nil, err
	}
	restarts := map[object.Ref]bool{}
	for i := range review.Objects {
		restarts[review.Objects[i].Ref()] = review.Objects[i].Restarts
	}
	for _, i := range plan.Items {
		if i.Action == diff.None {
			continue
		}
		o, err := w.object(i, masked)
		if err != nil {
			return nil, err
		}
		o.Restarts, o.Hook = restarts[i.Ref], hooks[i.Ref]
		u.count(&o)
		u.Objects = append(u.Objects, o)
	}
	if len(u.Objects) == 0 && len(u.Unstable) == 0 && u.State == Changed {
		return nil, nil
	}
	w.dangers(u, head, reviewed, review.Warnings)
	w.hideHashes(u)
	return u, nil
}

func (u *Unit) count(o *Object) {
	switch diff.Action(o.Action) {
	case diff.Create:
		u.Counts.Create++
	case diff.Update:
		u.Counts.Update++
	case diff.Delete:
		u.Counts.Delete++
	case diff.None:
	}
	if o.Restarts {
		u.Counts.Restart++
	}
}

// object makes of an item what is shown, without secrets.
func (w *work) object(i *diff.Item, masked []string) (Object, error) {
	o := Object{Group: i.Ref.Group, Kind: mask.Line(i.Ref.Kind), Namespace: mask.Line(i.Ref.Namespace), Name: mask.Line(i.Ref.Name), Action: string(i.Action), Reason: mask.Line(i.Reason)}
	var before, after *unstructured.Unstructured
	if i.Live != nil {
		before = w.mask.Object(insight.WithoutBookkeeping(i.Live.Object), masked...)
	}
	against := i.Desired
	if i.Predicted != nil {
		against = insight.WithoutBookkeeping(i.Predicted)
	}
	after = w.mask.Object(against, masked...)
	if i.Action == diff.Update {
		for _, c := range w.mask.Changes(i.Ref, i.Changes, masked...) {
			o.Fields = append(o.Fields, Field{Path: mask.Line(c.Path), Before: c.Live, After: c.Desired})
		}
		if w.in.Live != nil && i.Predicted == nil {
			return o, nil // what the server adds by itself would show as a difference
		}
	}
	var err error
	o.Diff, err = unified(before, after)
	return o, err
}

// unified is a unified diff of two manifests, without its header.
func unified(before, after *unstructured.Unstructured) (string, error) {
	var sides [2][]string
	for i, u := range []*unstructured.Unstructured{before, after} {
		if u == nil {
			continue
		}
		data, err := yaml.Marshal(u.Object)
		if err != nil {
			return "", fmt.Errorf("encode %s: %w", object.RefOf(u), err)
		}
		sides[i] = strings.SplitAfter(strings.TrimSuffix(mask.Lines(string(data)), "\n"), "\n")
		last := len(sides[i]) - 1
		sides[i][last] += "\n"
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: sides[0], B: sides[1], Context: 3})
	if err != nil {
		return "", fmt.Errorf("compare: %w", err)
	}
	return text, nil
}

// hideHashes takes the hashes out of the names of generated Secrets: they are made of the content and of nothing else, so that a
// guess could be held against them.
func (w *work) hideHashes(u *Unit) {
	var pairs []string
	seen := map[string]bool{}
	note := func(name string) {
		if m := hashed.FindStringSubmatch(name); m != nil && !seen[name] {
			seen[name] = true
			pairs = append(pairs, name, m[1]+"-"+w.mask.Token(name))
		}
	}
	for _, r := range []*check.Repository{w.in.Head, w.in.Head.Base} {
		if of := r.Unit(u.Name); of != nil {
			for _, o := range of.Objects {
				if o.Ref.Group == "" && o.Ref.Kind == "Secret" {
					note(o.Ref.Name)
				}
			}
		}
	}
	if len(pairs) == 0 {
		return
	}
	names := strings.NewReplacer(pairs...)
	for i := range u.Dangers {
		u.Dangers[i].Object, u.Dangers[i].Message = names.Replace(u.Dangers[i].Object), names.Replace(u.Dangers[i].Message)
	}
	for i := range u.Objects {
		o := &u.Objects[i]
		o.Name, o.Diff = names.Replace(o.Name), names.Replace(o.Diff)
		for j := range o.Fields {
			o.Fields[j].Before, o.Fields[j].After = replaceIn(names, o.Fields[j].Before), replaceIn(names, o.Fields[j].After)
			o.Fields[j].Path = names.Replace(o.Fields[j].Path)
		}
	}
}

func replaceIn(names *strings.Replacer, v any) any {
	switch v := v.(type) {
	case string:
		return names.Replace(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = replaceIn(names, e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			out[key] = replaceIn(names, e)
		}
		return out
	}
	return v
}
