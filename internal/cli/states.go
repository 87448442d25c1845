package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// resourceState is one row about an object: what the last sync did with it and how it is now.
type resourceState struct {
	Ref     object.Ref
	Status  string
	Health  string
	Hook    string
	Message string
	Wave    int64
	Failed  bool
}

// row gives the columns GROUP KIND NAMESPACE NAME STATUS HEALTH HOOK MESSAGE.
func (s resourceState) row() []string {
	return []string{s.Ref.Group, s.Ref.Kind, s.Ref.Namespace, s.Ref.Name, s.Status, s.Health, s.Hook, s.Message}
}

func stateHeader() []string {
	return []string{"GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "HOOK", "MESSAGE"}
}

// statesOf merges the results of the running or last operation with the present state of the objects: first the objects
// of the operation in its order, then the rest by kind and name. Hooks show their phase as status.
func statesOf(app *v1alpha1.Application) []resourceState {
	present := map[object.Ref]*v1alpha1.ResourceStatus{}
	for i := range app.Status.Resources {
		r := &app.Status.Resources[i]
		present[refOf(r)] = r
	}
	var states []resourceState
	if op := app.Status.OperationState; op != nil && op.SyncResult != nil {
		for _, res := range op.SyncResult.Resources {
			if res == nil {
				continue
			}
			ref := object.Ref{Group: res.Group, Kind: res.Kind, Namespace: res.Namespace, Name: res.Name}
			s := resourceState{Ref: ref, Status: string(res.HookPhase), Health: string(res.Status),
				Hook: string(res.HookType), Message: res.Message,
				Failed: res.Status == v1alpha1.ResultSyncFailed ||
					res.HookPhase == v1alpha1.OperationFailed || res.HookPhase == v1alpha1.OperationError}
			if now, ok := present[ref]; ok && res.HookType == "" {
				s.Status, s.Health, s.Wave = string(now.Status), healthWord(now), now.SyncWave
			}
			delete(present, ref)
			states = append(states, s)
		}
	}
	var rest []resourceState
	for ref, r := range present {
		s := resourceState{Ref: ref, Status: string(r.Status), Health: healthWord(r), Wave: r.SyncWave}
		if r.RequiresPruning {
			s.Message = "requires pruning"
		}
		rest = append(rest, s)
	}
	slices.SortFunc(rest, func(a, b resourceState) int {
		return cmp.Or(strings.Compare(a.Ref.Group, b.Ref.Group), strings.Compare(a.Ref.Kind, b.Ref.Kind),
			strings.Compare(a.Ref.Namespace, b.Ref.Namespace), strings.Compare(a.Ref.Name, b.Ref.Name))
	})
	return append(states, rest...)
}

func refOf(r *v1alpha1.ResourceStatus) object.Ref {
	return object.Ref{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func healthWord(r *v1alpha1.ResourceStatus) string {
	if r.Health == nil {
		return ""
	}
	return string(r.Health.Status)
}

// rowsOf turns states into table rows.
func rowsOf(states []resourceState) [][]string {
	rows := make([][]string, len(states))
	for i, s := range states {
		rows[i] = s.row()
	}
	return rows
}
