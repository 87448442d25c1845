package insight

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// PlanInput is what a plan for review is made of.
type PlanInput struct {
	App        *v1alpha1.Application
	Revisions  []string
	Plan       *diff.Plan
	Hooks      []*unstructured.Unstructured
	Conditions []v1alpha1.ApplicationCondition
	// Operation is the sync that is planned; of it count what it selects, its options and its strategy.
	Operation *v1alpha1.SyncOperation
	// Window is why no sync is permitted now.
	Window string
	// Masked names annotations of Secrets whose values must not be shown.
	Masked []string
}

// NewPlan makes of a comparison what a person reviews. Commits have a revision and an address only.
func NewPlan(in PlanInput) (*Plan, error) {
	opts := apply.NewOptions(in.Operation)
	p := &Plan{
		Application: in.App.Name, Namespace: in.App.Namespace, Revisions: in.Revisions, Window: in.Window,
		Commits: Commits(in.App.Spec.GetSources(), in.Revisions),
		Objects: []PlannedObject{}, Warnings: []PlanWarning{},
	}
	digest := newDigest(in)
	hashed := newRenames(in.Plan)
	for _, i := range in.Plan.Items {
		if opts.Select != nil && !opts.Select(i.Ref) {
			continue
		}
		refused := refusal(i)
		if i.Action == diff.None && refused == "" {
			p.Unchanged++
			continue
		}
		o, err := plannedObject(i, in.Masked)
		if err != nil {
			return nil, err
		}
		o.Refused, o.Wave = refused, apply.Wave(subject(i))
		o.Restarts = len(restartCauses(i)) > 0
		j := judged{Item: i, planned: &o, opts: opts, renames: hashed}
		j.keep()
		p.Warnings = append(p.Warnings, j.warnings()...)
		p.count(&o, j.kept)
		p.Objects = append(p.Objects, o)
		digest.add(i, &o)
	}
	p.Hooks = plannedHooks(in.Hooks, opts)
	p.Warnings = append(p.Warnings, shared(in.Conditions, p.Objects)...)
	for _, h := range p.Hooks {
		ref := h.ResourceRef
		p.Warnings = append(p.Warnings, PlanWarning{Severity: Info, Code: HookRuns, Object: &ref,
			Message: fmt.Sprintf("%s %s runs as a hook: %s", h.Kind, h.Name, h.Phase)})
	}
	p.Digest = digest.sum(p)
	if in.Window != "" {
		p.Warnings = append(p.Warnings, PlanWarning{Severity: Danger, Code: WindowClosed, Message: "no sync is permitted now: " + in.Window})
	}
	order(p.Warnings)
	return p, nil
}

// count counts an object that a sync would touch.
func (p *Plan) count(o *PlannedObject, kept bool) {
	switch diff.Action(o.Action) {
	case diff.Create:
		p.Counts.Create++
	case diff.Update:
		p.Counts.Update++
	case diff.Delete:
		if !kept {
			p.Counts.Delete++
		}
	case diff.None:
	}
}

// subject is the object whose annotations count.
func subject(i *diff.Item) *unstructured.Unstructured {
	if i.Desired != nil {
		return i.Desired
	}
	return i.Live.Object
}

// refusal is why the project or the cluster would refuse the object.
func refusal(i *diff.Item) string {
	for _, err := range []error{i.Forbidden, i.Refused} {
		if err != nil {
			return mask.Text(err.Error())
		}
	}
	return ""
}

func plannedObject(i *diff.Item, masked []string) (PlannedObject, error) {
	o := PlannedObject{ResourceRef: resourceRef(i.Ref), Action: string(i.Action), Reason: i.Reason}
	o.Version = subject(i).GroupVersionKind().Version
	var live, desired *unstructured.Unstructured
	if i.Live != nil {
		live, o.UID = i.Live.Object, string(i.Live.Object.GetUID())
	}
	if desired = i.Predicted; desired == nil && i.Action != diff.Delete {
		desired = i.Desired
	}
	live, desired = mask.Pair(WithoutBookkeeping(live), WithoutBookkeeping(desired), masked...)
	var err error
	if o.Live, err = manifest(live); err != nil {
		return o, err
	}
	if o.Desired, err = manifest(desired); err != nil {
		return o, err
	}
	o.Changes, err = fieldChanges(mask.Changes(i.Ref, i.Changes, masked...))
	return o, err
}

// WithoutBookkeeping takes away what the server writes by itself, which would drown the rest.
func WithoutBookkeeping(u *unstructured.Unstructured) *unstructured.Unstructured {
	if u == nil {
		return nil
	}
	out := u.DeepCopy()
	for _, f := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(out.Object, "metadata", f)
	}
	delete(out.Object, "status")
	if notes := out.GetAnnotations(); notes[mask.LastApplied] != "" {
		delete(notes, mask.LastApplied)
		out.SetAnnotations(notes)
		if len(notes) == 0 {
			unstructured.RemoveNestedField(out.Object, "metadata", "annotations")
		}
	}
	return out
}

func manifest(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	data, err := yaml.Marshal(u.Object)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", object.RefOf(u), err)
	}
	return string(data), nil
}

// fieldChanges writes the values of fields as YAML. The values are masked already.
func fieldChanges(changes []object.Change) ([]FieldChange, error) {
	out := make([]FieldChange, 0, len(changes))
	for _, c := range changes {
		f := FieldChange{Path: c.Path, HasLive: c.Live != nil, HasDesired: c.Desired != nil, Manager: c.Manager}
		for _, side := range []struct {
			value any
			into  *string
		}{{c.Live, &f.Live}, {c.Desired, &f.Desired}} {
			if side.value == nil {
				continue
			}
			data, err := yaml.Marshal(side.value)
			if err != nil {
				return nil, fmt.Errorf("encode field %s: %w", c.Path, err)
			}
			*side.into = strings.TrimSuffix(string(data), "\n")
		}
		out = append(out, f)
	}
	return out, nil
}

// plannedHooks are the hooks that the sync would run, in the order of their phases and waves.
func plannedHooks(hooks []*unstructured.Unstructured, opts apply.Options) []PlannedHook {
	if opts.NoHooks {
		return nil
	}
	var out []PlannedHook
	for _, phase := range []v1alpha1.HookType{v1alpha1.HookPreSync, v1alpha1.HookSync, v1alpha1.HookPostSync} {
		from := len(out)
		for _, h := range hooks {
			for _, t := range diff.HookTypes(h) {
				if t != phase {
					continue
				}
				ref := resourceRef(object.RefOf(h))
				ref.Version = h.GroupVersionKind().Version
				if ref.Name == "" {
					ref.Name = h.GetGenerateName() + "*"
				}
				out = append(out, PlannedHook{ResourceRef: ref, Phase: string(phase), Wave: apply.Wave(h)})
			}
		}
		byWave(out[from:])
	}
	return out
}
