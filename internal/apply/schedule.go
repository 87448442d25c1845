package apply

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// Task is one object of an operation and its place in it.
type Task struct {
	*diff.Item
	Phase v1alpha1.SyncPhase
	Wave  int
	// Hook is nil for an object that is not a hook.
	Hook  *Hook
	order int
}

// prune reports whether the task deletes.
func (t *Task) prune() bool { return t.Action == diff.Delete }

// subject is the object whose annotations count: the desired one, or the live one for a deletion.
func (t *Task) subject() *unstructured.Unstructured {
	if t.Desired != nil {
		return t.Desired
	}
	return t.Live.Object
}

// place is a wave of a phase: what must be done and settled before the next one starts.
type place struct {
	phase v1alpha1.SyncPhase
	wave  int
}

func (t *Task) place() place { return place{t.Phase, t.Wave} }

func (p place) before(o place) bool {
	if p.phase != o.phase {
		return phaseOrder(p.phase) < phaseOrder(o.phase)
	}
	return p.wave < o.wave
}

// String names the place for people; the phase in which most objects are applied goes without saying.
func (p place) String() string {
	if p.phase == v1alpha1.SyncPhaseSync {
		return fmt.Sprintf("wave %d", p.wave)
	}
	return fmt.Sprintf("%s, wave %d", p.phase, p.wave)
}

func phaseOrder(p v1alpha1.SyncPhase) int {
	switch p {
	case v1alpha1.SyncPhasePreSync:
		return 0
	case v1alpha1.SyncPhaseSync:
		return 1
	case v1alpha1.SyncPhasePostSync:
		return 2
	}
	return 3
}

// Stage is a set of tasks of one wave of a phase that may run at the same time.
type Stage struct {
	Phase v1alpha1.SyncPhase
	Wave  int
	Tasks []*Task
}

func (s Stage) place() place { return place{s.Phase, s.Wave} }

// Schedule orders a plan and its hooks: phases, in a phase waves ascending; in a wave deletions first, then objects kind by kind
// in the order in which Kubernetes needs them. Namespaces and CRDs are pulled up before the first object that needs them, into an
// earlier phase too. Deletions run in mirrored wave order, or all at the end of the phase Sync with PruneLast. The stages of
// the phase SyncFail come apart: they run only when the others failed.
func Schedule(plan *diff.Plan, hooks []Hook, opts Options) (stages, rescue []Stage) {
	ranks := kindRanks()
	var tasks []*Task
	add := func(t *Task) {
		t.order = len(ranks)
		if rank, listed := ranks[t.Ref.Kind]; listed {
			t.order = rank
		}
		t.Wave = Wave(t.subject())
		tasks = append(tasks, t)
	}
	for _, i := range plan.Items {
		if opts.Select == nil || opts.Select(i.Ref) {
			add(&Task{Item: i, Phase: v1alpha1.SyncPhaseSync})
		}
	}
	if !opts.NoHooks {
		for n := range hooks {
			h := &hooks[n]
			item := &diff.Item{Ref: object.RefOf(h.Object), Action: diff.Create, Desired: h.Object, Forbidden: h.Forbidden}
			add(&Task{Item: item, Phase: v1alpha1.SyncPhase(h.Type), Hook: h})
		}
	}
	pullUp(tasks)
	mirror(tasks, opts)
	sort.SliceStable(tasks, func(a, b int) bool { return before(tasks[a], tasks[b]) })
	for i, t := range tasks {
		to := &stages
		if t.Phase == v1alpha1.SyncPhaseSyncFail {
			to = &rescue
		}
		if i == 0 || !together(tasks[i-1], t) {
			*to = append(*to, Stage{Phase: t.Phase, Wave: t.Wave})
		}
		last := &(*to)[len(*to)-1]
		last.Tasks = append(last.Tasks, t)
	}
	return stages, rescue
}

func before(a, b *Task) bool {
	if a.place() != b.place() {
		return a.place().before(b.place())
	}
	if a.prune() != b.prune() {
		return a.prune()
	}
	if a.order != b.order {
		return a.order < b.order
	}
	return a.Ref.Less(b.Ref)
}

// together reports whether two neighbours in order may run at once: all deletions, or applies of one rank.
func together(a, b *Task) bool {
	return a.place() == b.place() && a.prune() == b.prune() && (a.prune() || a.order == b.order)
}

// pullUp moves namespaces and CRDs to the phase and wave of the first object that needs them.
func pullUp(tasks []*Task) {
	for _, t := range tasks {
		if t.prune() || t.Hook != nil {
			continue
		}
		needs := dependents(t)
		if needs == nil {
			continue
		}
		for _, o := range tasks {
			if !o.prune() && o.Phase != v1alpha1.SyncPhaseSyncFail && o.place().before(t.place()) && needs(o.Ref) {
				t.Phase, t.Wave = o.Phase, o.Wave
			}
		}
	}
}

func dependents(t *Task) func(object.Ref) bool {
	if t.Ref.Group == "" && t.Ref.Kind == "Namespace" {
		return func(r object.Ref) bool { return r.Namespace == t.Ref.Name }
	}
	if gk, _, ok := diff.DefinedKind(t.Desired); ok {
		return func(r object.Ref) bool { return r.GroupKind() == gk }
	}
	return nil
}

// mirror reverses the waves of deletions among themselves: what came last goes first.
func mirror(tasks []*Task, opts Options) {
	seen := map[int]bool{}
	last := 0
	for _, t := range tasks {
		if t.prune() {
			seen[t.Wave] = true
		}
		if t.Phase == v1alpha1.SyncPhaseSync {
			last = max(last, t.Wave)
		}
	}
	waves := slices.Sorted(maps.Keys(seen))
	mirrored := make(map[int]int, len(waves))
	for i, w := range waves {
		mirrored[w] = waves[len(waves)-1-i]
	}
	for _, t := range tasks {
		if !t.prune() {
			continue
		}
		t.Wave = mirrored[t.Wave]
		if flag(t.Live.Object, "PruneLast", opts.PruneLast) {
			t.Wave = last + 1
		}
	}
}

// kindRanks returns the place of each kind in the apply order of Argo CD; kinds that it does not list come last.
func kindRanks() map[string]int {
	order := kindOrder()
	ranks := make(map[string]int, len(order))
	for i, k := range order {
		ranks[k] = i
	}
	return ranks
}

func kindOrder() []string {
	return []string{
		"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy", "PodDisruptionBudget",
		"ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim",
		"CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding", "ClusterRoleBindingList", "Role",
		"RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod", "ReplicationController", "ReplicaSet",
		"Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob", "IngressClass", "Ingress", "APIService",
	}
}
