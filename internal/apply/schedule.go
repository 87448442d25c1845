package apply

import (
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// Task is one object of an operation and its place in it.
type Task struct {
	*diff.Item
	Wave  int
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

// Stage is a set of tasks of one wave that may run at the same time.
type Stage struct {
	Wave  int
	Tasks []*Task
}

// Schedule orders a plan: waves ascending; in a wave deletions first, then objects kind by kind in the order in which
// Kubernetes needs them. Namespaces and CRDs are pulled up before the first object that needs them. Deletions
// run in mirrored wave order, or all at the end with PruneLast.
func Schedule(plan *diff.Plan, opts Options) []Stage {
	ranks := kindRanks()
	var tasks []*Task
	for _, i := range plan.Items {
		if opts.Select == nil || opts.Select(i.Ref) {
			t := &Task{Item: i, order: len(ranks)}
			if rank, listed := ranks[i.Ref.Kind]; listed {
				t.order = rank
			}
			t.Wave = Wave(t.subject())
			tasks = append(tasks, t)
		}
	}
	pullUp(tasks)
	mirror(tasks, opts)
	sort.SliceStable(tasks, func(a, b int) bool { return before(tasks[a], tasks[b]) })
	var stages []Stage
	for i, t := range tasks {
		if i == 0 || !together(tasks[i-1], t) {
			stages = append(stages, Stage{Wave: t.Wave})
		}
		last := &stages[len(stages)-1]
		last.Tasks = append(last.Tasks, t)
	}
	return stages
}

func before(a, b *Task) bool {
	if a.Wave != b.Wave {
		return a.Wave < b.Wave
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
	return a.Wave == b.Wave && a.prune() == b.prune() && (a.prune() || a.order == b.order)
}

// pullUp moves namespaces and CRDs to the wave of the first object that needs them.
func pullUp(tasks []*Task) {
	for _, t := range tasks {
		if t.prune() {
			continue
		}
		needs := dependents(t)
		if needs == nil {
			continue
		}
		for _, o := range tasks {
			if !o.prune() && o.Wave < t.Wave && needs(o.Ref) {
				t.Wave = o.Wave
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
		last = max(last, t.Wave)
	}
	waves := make([]int, 0, len(seen))
	for w := range seen {
		waves = append(waves, w)
	}
	sort.Ints(waves)
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
