package diff

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Respect returns the plan with, in each desired object that exists, the ignored fields as they are in the cluster
// (RespectIgnoreDifferences): a sync then leaves them alone.
func Respect(plan *Plan, rules Rules) (*Plan, error) {
	out := &Plan{Items: make([]*Item, len(plan.Items))}
	for n, i := range plan.Items {
		out.Items[n] = i
		set := rules.matching(i.Ref)
		if i.Desired == nil || i.Live == nil || i.Live.Partial || set.empty() {
			continue
		}
		stripped, err := set.strip(i.Live.Object.Object, i.Live.Managers)
		if err != nil {
			return nil, err
		}
		want, err := set.strip(i.Desired.Object, i.Live.Managers)
		if err != nil {
			return nil, err
		}
		next := *i
		merged, _ := deepCopy(want).(map[string]any)
		restore(merged, i.Desired.Object, i.Live.Object.Object, stripped)
		next.Desired = &unstructured.Unstructured{Object: merged}
		out.Items[n] = &next
	}
	return out, nil
}

// restore puts into dst those fields of live that were ignored (in live, not in stripped) and that desired names.
func restore(dst, desired, live, stripped map[string]any) {
	for k, d := range desired {
		l, inLive := live[k]
		s, kept := stripped[k]
		if !inLive {
			continue
		}
		if !kept {
			dst[k] = deepCopy(l)
			continue
		}
		dm, ok1 := d.(map[string]any)
		lm, ok2 := l.(map[string]any)
		sm, ok3 := s.(map[string]any)
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		next, ok := dst[k].(map[string]any)
		if !ok {
			next = map[string]any{}
			dst[k] = next
		}
		restore(next, dm, lm, sm)
	}
}
