package diff

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// Input is what Compare decides on.
type Input struct {
	Targets Targets
	// Live returns the object in the cluster.
	Live func(object.Ref) (*object.Live, bool)
	// Owned are the live objects that bear the application's tracking.
	Owned []*object.Live
	Rules Rules
	// Memory holds earlier verdicts of this application; it is read, and written by Confirm and Learn.
	Memory *Memory
	// Done reports whether a desired object was applied in this form before and has left by itself after it
	// was done (a Job with a TTL).
	Done func(ref object.Ref, hash string) bool
}

// Compare decides for each desired and each owned object what a sync would do. It is pure but for reading Memory:
// items about which it can only suspect a change are marked and need Confirm. A rule that cannot be applied is an error of
// kind Invalid; the first one ends the comparison, so that an expression without end costs its time limit once.
func Compare(in Input) (*Plan, error) {
	plan := &Plan{Items: make([]*Item, 0, len(in.Targets.Objects))}
	desired := make(map[object.Ref]bool, len(in.Targets.Objects))
	for _, t := range in.Targets.Objects {
		desired[t.Ref] = true
		item, err := compareOne(in, t)
		if err != nil {
			return nil, fmt.Errorf("compare %s: %w", t.Ref, err)
		}
		plan.Items = append(plan.Items, item)
	}
	for _, l := range in.Owned {
		if IsHook(l.Object) {
			plan.Hooks = append(plan.Hooks, l)
			continue
		}
		if ref := l.Ref(); !desired[ref] && prunable(l) {
			plan.Items = append(plan.Items, &Item{
				Ref: ref, Action: Delete, Live: l, Reason: "no longer in Git",
				Extraneous: HasOption(l.Object.GetAnnotations(), v1alpha1.AnnotationCompareOptions, "IgnoreExtraneous"),
			})
		}
	}
	plan.sort()
	return plan, nil
}

func compareOne(in Input, t Target) (*Item, error) {
	item := &Item{Ref: t.Ref, Desired: t.Object, hash: t.Hash, Action: None, keepsStatus: in.Rules.KeepsStatus(t.Ref.GroupKind())}
	live, found := in.Live(t.Ref)
	if !found {
		if in.Done != nil && in.Done(t.Ref, t.Hash) {
			item.Finished = true
			return item, nil
		}
		item.Action, item.Reason = Create, "missing in the cluster"
		return item, nil
	}
	item.Live = live
	item.ignores = in.Rules.matching(t.Ref)
	item.keepsLegacy = in.Rules.NoAdoption || HasOption(item.Desired.GetAnnotations(), v1alpha1.AnnotationSyncOptions, "ClientSideApplyMigration=false")
	item.migrates = in.Rules.Migrates
	item.Desired = item.beside()
	item.mutations = in.Rules.Mutations || HasOption(item.Desired.GetAnnotations(), v1alpha1.AnnotationCompareOptions, "IncludeMutationWebhook=true")
	if v, known := in.Memory.recall(item); known {
		item.Action, item.Reason, item.Changes, item.Predicted, item.Adopt = v.action, v.reason, v.changes, v.predicted, v.adopt
		return item, nil
	}
	if live.Partial || item.mutations {
		item.suspect = true
		return item, nil
	}
	sure, err := surelyInSync(item)
	item.suspect = !sure
	return item, err
}

// surelyInSync is the fast path: true only if an apply could not change anything that counts.
func surelyInSync(item *Item) (bool, error) {
	want, err := item.ignores.strip(item.Desired.Object, item.Live.Managers)
	if err != nil {
		return false, err
	}
	have, err := item.ignores.strip(item.Live.Object.Object, item.Live.Managers)
	if err != nil {
		return false, err
	}
	if !coversObject(want, have, builtIn(item.Ref.Group)) {
		return false, nil
	}
	for _, m := range item.Live.Managers {
		if applies(m) {
			return ownsExactly(m.FieldsV1, item.Desired.Object) && (item.keepsLegacy || !slices.ContainsFunc(item.Live.Managers, item.legacy)), nil
		}
	}
	return false, nil
}

// prunable reports whether a tracked object that Git does not have is the application's to delete: objects that have
// an owner in the cluster were made by a controller that copied the tracking.
func prunable(l *object.Live) bool { return len(l.Object.GetOwnerReferences()) == 0 }

// HasOption reports whether the comma-separated annotation holds the option.
func HasOption(annotations map[string]string, annotation, option string) bool {
	for o := range strings.SplitSeq(annotations[annotation], ",") {
		if strings.TrimSpace(o) == option {
			return true
		}
	}
	return false
}

// decide fills the verdict of an item from what the server predicts an apply would make of it.
func decide(item *Item, predicted *unstructured.Unstructured) error {
	have, err := item.ignores.strip(item.Live.Object.Object, item.Live.Managers)
	if err != nil {
		return fmt.Errorf("compare %s: %w", item.Ref, err)
	}
	will, err := item.ignores.strip(predicted.Object, item.Live.Managers)
	if err != nil {
		return fmt.Errorf("compare %s: %w", item.Ref, err)
	}
	changes := Fields(content(have, item.keepsStatus), content(will, item.keepsStatus))
	if !item.mutations {
		changes = withoutMutations(changes, item.Desired.Object, item.Live.Managers)
	}
	item.Changes = explain(changes, item.Live.Managers)
	if !item.keepsLegacy {
		old, err := leftovers(item)
		if err != nil {
			return fmt.Errorf("compare %s: %w", item.Ref, err)
		}
		if len(old) > 0 {
			item.Adopt = item.legacyManagers()
		}
		item.Changes = merged(item.Changes, old)
	}
	item.suspect = false
	if len(item.Changes) == 0 {
		item.Action, item.Reason, item.Predicted = None, "", nil
		return nil
	}
	item.Action, item.Predicted = Update, predicted
	item.Reason = reason(item.Changes)
	return nil
}

// merged adds to changes those of more whose paths are not among them, in path order.
func merged(changes, more []object.Change) []object.Change {
	for _, c := range more {
		if !slices.ContainsFunc(changes, func(have object.Change) bool { return have.Path == c.Path }) {
			changes = append(changes, c)
		}
	}
	slices.SortStableFunc(changes, func(a, b object.Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

func reason(changes []object.Change) string {
	if len(changes) == 1 {
		return changes[0].Path + " differs"
	}
	return fmt.Sprintf("%s and %d more fields differ", changes[0].Path, len(changes)-1)
}

// content returns the part of an object that a comparison is about: neither what the server keeps for itself nor, usually, status.
func content(obj map[string]any, keepStatus bool) map[string]any {
	out := make(map[string]any, len(obj))
	for k, v := range obj {
		if k == "status" && !keepStatus {
			continue
		}
		out[k] = v
	}
	if meta, ok := obj["metadata"].(map[string]any); ok {
		kept := make(map[string]any, len(meta))
		for k, v := range meta {
			switch k {
			case "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink",
				"deletionTimestamp", "deletionGracePeriodSeconds":
				continue
			}
			kept[k] = v
		}
		out["metadata"] = kept
	}
	return out
}
