package insight

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Rendered is what an application renders.
type Rendered struct {
	Name        string
	Environment string
	Targets     diff.Targets
}

// Compare says what differs between what two applications render: their environments, or two services. Objects are the same
// when kind and name are, but for the environment in the name and a hash of content at its end; namespaces do not count, nor
// do the marks of the application. Create stands for what only to has, Delete for what only from has. masked names
// annotations of Secrets whose values must not be shown.
func Compare(from, to Rendered, masked []string) (*Comparison, error) {
	out := &Comparison{From: from.Name, To: to.Name, Objects: []PlannedObject{}}
	left, right := from.objects(), to.objects()
	for _, pair := range pairs(left, right) {
		o, same, err := pair.compare(masked)
		if err != nil {
			return nil, err
		}
		if same {
			out.Same++
			continue
		}
		out.Objects = append(out.Objects, o)
	}
	return out, nil
}

// rendered is an object and the names by which its counterpart is looked for, the surest first.
type rendered struct {
	object *unstructured.Unstructured
	keys   []string
}

func (r Rendered) objects() []rendered {
	var out []rendered
	n := Naming{Environments: nonEmpty(r.Environment)}
	add := func(u *unstructured.Unstructured) {
		ref := object.RefOf(u)
		kind := ref.GroupKind().String() + "/"
		name := firstOf(ref.Name, u.GetGenerateName()+"*")
		keys := []string{kind + name}
		if stem := hashStem(ref); stem != "" {
			name = stem[strings.LastIndexByte(stem, '/')+1:]
			keys = append(keys, kind+name)
		}
		out = append(out, rendered{object: withoutPlace(u), keys: append(keys, kind+n.cutName(n.cutPrefix(name, r.Environment), r.Environment))})
	}
	for _, t := range r.Targets.Objects {
		add(t.Object)
	}
	for _, h := range r.Targets.Hooks {
		add(h)
	}
	return out
}

// cutPrefix takes the environment off the beginning of a name.
func (n Naming) cutPrefix(name, environment string) string {
	if cut, found := strings.CutPrefix(name, environment+"-"); found && environment != "" && cut != "" {
		return cut
	}
	return name
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// withoutPlace takes away what says where an object belongs.
func withoutPlace(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := WithoutBookkeeping(u)
	unstructured.RemoveNestedField(out.Object, "metadata", "namespace")
	for _, marks := range []struct {
		get  func() map[string]string
		set  func(map[string]string)
		keys []string
	}{
		{out.GetAnnotations, out.SetAnnotations, []string{v1alpha1.AnnotationTrackingID, v1alpha1.AnnotationInstallationID}},
		{out.GetLabels, out.SetLabels, []string{v1alpha1.LabelInstance}},
	} {
		m := marks.get()
		before := len(m)
		for _, k := range marks.keys {
			delete(m, k)
		}
		if len(m) != before {
			marks.set(m)
		}
	}
	for _, f := range []string{"annotations", "labels"} {
		if m, found, err := unstructured.NestedMap(out.Object, "metadata", f); err == nil && found && len(m) == 0 {
			unstructured.RemoveNestedField(out.Object, "metadata", f)
		}
	}
	return out
}

// pair are two objects that stand for each other; one of them may be missing.
type pair struct{ from, to *unstructured.Unstructured }

// pairs matches the objects of two sides, sure matches first, ordered by reference.
func pairs(left, right []rendered) []pair {
	var out []pair
	usedLeft, usedRight := map[int]bool{}, map[int]bool{}
	// An object has at most three names; the last of all is tried where it has fewer.
	for depth := range 3 {
		index := map[string]int{}
		for i, r := range right {
			if !usedRight[i] {
				index[r.keys[min(depth, len(r.keys)-1)]] = i
			}
		}
		for i, l := range left {
			at, found := index[l.keys[min(depth, len(l.keys)-1)]]
			if usedLeft[i] || !found || usedRight[at] {
				continue
			}
			usedLeft[i], usedRight[at] = true, true
			out = append(out, pair{l.object, right[at].object})
		}
	}
	for i, l := range left {
		if !usedLeft[i] {
			out = append(out, pair{from: l.object})
		}
	}
	for i, r := range right {
		if !usedRight[i] {
			out = append(out, pair{to: r.object})
		}
	}
	slices.SortStableFunc(out, func(a, b pair) int { return cmp.Compare(a.ref().String(), b.ref().String()) })
	return out
}

func (p pair) ref() object.Ref { return object.RefOf(p.subject()) }

func (p pair) subject() *unstructured.Unstructured {
	if p.to != nil {
		return p.to
	}
	return p.from
}

func (p pair) compare(masked []string) (o PlannedObject, same bool, err error) {
	o = PlannedObject{ResourceRef: resourceRef(p.ref()), Wave: apply.Wave(p.subject())}
	o.Version = p.subject().GroupVersionKind().Version
	switch {
	case p.from == nil:
		o.Action, o.Reason = string(diff.Create), "only in the second"
	case p.to == nil:
		o.Action, o.Reason = string(diff.Delete), "only in the first"
	default:
		o.Action, o.Reason = string(diff.Update), "differs"
		renamed := p.from.DeepCopy() // that the names differ is why the two were looked for
		renamed.SetName(p.to.GetName())
		changes := diff.Fields(renamed.Object, p.to.Object)
		if len(changes) == 0 {
			return o, true, nil
		}
		if o.Changes, err = fieldChanges(mask.Changes(p.ref(), changes, masked...)); err != nil {
			return o, false, err
		}
	}
	from, to := mask.Pair(p.from, p.to, masked...)
	if o.Live, err = manifest(from); err != nil {
		return o, false, err
	}
	o.Desired, err = manifest(to)
	return o, false, err
}
