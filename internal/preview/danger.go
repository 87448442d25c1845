package preview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Codes of dangers, besides those of package insight.
const (
	PruneStatefulSet = "PruneStatefulSet"
	MoreRights       = "MoreRights"
	OtherRegistry    = "OtherRegistry"
	OtherPods        = "OtherPods"
	TwoOwners        = "TwoOwners"
	AppRemoved       = "ApplicationRemoved"
)

// claim is an object of a cluster.
type claim struct {
	cluster string
	ref     object.Ref
}

// sharedObjects are the objects that several applications claim.
func sharedObjects(r *check.Repository) map[claim][]string {
	out := map[claim][]string{}
	if r == nil {
		return out
	}
	for _, u := range r.Units {
		if u.App == nil {
			continue
		}
		for _, o := range u.Objects {
			at := claim{u.Cluster, o.Ref}
			if !slices.Contains(out[at], u.Name) {
				out[at] = append(out[at], u.Name)
			}
		}
	}
	for at, names := range out {
		if len(names) < 2 {
			delete(out, at)
		}
	}
	return out
}

// dangers fills those of u: what insight sees in any plan, and what is to be seen in files alone.
func (w *work) dangers(u *Unit, head *check.Unit, plan *diff.Plan, warnings []insight.PlanWarning) {
	add := func(severity, code string, ref object.Ref, format string, args ...any) {
		u.Dangers = append(u.Dangers, Danger{Severity: severity, Code: code, Object: mask.Line(ref.String()), Message: mask.Line(fmt.Sprintf(format, args...))})
	}
	refused := map[object.Ref]bool{}
	for _, i := range plan.Items {
		if i.Action == diff.Update && w.in.Refused != nil && head != nil {
			if o := head.Find(i.Ref); o != nil {
				for _, why := range w.in.Refused(o) {
					refused[i.Ref] = true
					add(insight.Danger, insight.ImmutableField, i.Ref, "sync will FAIL: %s", mask.Values(why))
				}
			}
		}
		w.look(i, add)
	}
	for _, p := range warnings {
		var ref object.Ref
		if p.Object != nil {
			ref = p.Object.Ref()
		}
		switch {
		case p.Severity == insight.Info, p.Code == insight.Prune, p.Code == insight.ImmutableField && refused[ref]:
		case p.Code == insight.ImmutableField && strings.Contains(p.Message, "the sync would fail"):
			add(p.Severity, p.Code, ref, "sync will FAIL: %s", p.Message)
		default:
			add(p.Severity, p.Code, ref, "%s", p.Message)
		}
	}
	w.owners(u, head, add)
	if u.State == Removed && w.in.Head.Base.Unit(u.Name).App != nil {
		add(insight.Danger, AppRemoved, object.Ref{}, "the Application is no longer defined: with its finalizer, its %d objects would be deleted", len(u.Objects))
	}
	slices.SortStableFunc(u.Dangers, func(a, b Danger) int {
		return cmp.Or(cmp.Compare(gravity(a), gravity(b)), strings.Compare(a.Code, b.Code), strings.Compare(a.Object, b.Object))
	})
}

// gravity orders dangers: what cannot be undone, what fails, what opens doors, the rest.
func gravity(d Danger) int {
	if d.Severity != insight.Danger {
		return 9
	}
	switch d.Code {
	case insight.PruneVolume, insight.PruneNamespace, insight.PruneCRD, PruneStatefulSet, AppRemoved:
		return 0
	case insight.ImmutableField, insight.Refused:
		return 1
	}
	return 2
}

type addDanger func(severity, code string, ref object.Ref, format string, args ...any)

// look finds what an item endangers.
func (w *work) look(i *diff.Item, add addDanger) {
	name := i.Ref.Kind + " " + i.Ref.Name
	var before *unstructured.Unstructured
	if i.Live != nil {
		before = i.Live.Object
	}
	if i.Action != diff.Delete {
		if grants := widened(before, i.Desired); len(grants) > 0 {
			add(insight.Danger, MoreRights, i.Ref, "%s would give more rights: %s", name, bounded(grants, 4))
		}
	}
	switch i.Action {
	case diff.Delete:
		if i.Ref.Kind == "StatefulSet" && i.Ref.Group == "apps" {
			add(insight.Danger, PruneStatefulSet, i.Ref, "%s would be deleted, and its pods with it; its claims stay unless its retention policy says otherwise", name)
		}
	case diff.Update:
		for _, c := range otherRegistries(before, i.Desired) {
			add(insight.Danger, OtherRegistry, i.Ref, "%s: %s", name, c)
		}
		for _, c := range i.Changes {
			if field := selects(i.Ref, c.Path); field != "" {
				add(insight.Danger, OtherPods, i.Ref, "%s would select other pods: %s differs", name, field)
				break
			}
		}
	case diff.Create, diff.None:
	}
}

// selects returns the field that chooses pods if a path is in it. That of a workload cannot change, which is another danger.
func selects(ref object.Ref, path string) string {
	for _, s := range [][3]string{{"", "Service", "spec.selector"}, {"networking.k8s.io", "NetworkPolicy", "spec.podSelector"}, {"policy", "PodDisruptionBudget", "spec.selector"}} {
		if ref.Group != s[0] || ref.Kind != s[1] {
			continue
		}
		if rest, found := strings.CutPrefix(path, s[2]); found && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return s[2]
		}
	}
	return ""
}

// otherRegistries tells of containers whose image would come from another registry.
func otherRegistries(before, after *unstructured.Unstructured) (out []string) {
	old := map[string]string{}
	for _, c := range containers(before) {
		old[c.Name], _ = c.Fields["image"].(string)
	}
	for _, c := range containers(after) {
		image, _ := c.Fields["image"].(string)
		if had := old[c.Name]; had != "" && image != "" && registry(had) != registry(image) {
			out = append(out, fmt.Sprintf("container %s would come from registry %s, not %s", c.Name, registry(image), registry(had)))
		}
	}
	return out
}

func containers(u *unstructured.Unstructured) []check.Container {
	if u == nil {
		return nil
	}
	if p := check.PodOf(u); p != nil {
		return p.Containers()
	}
	return nil
}

// registry is the host of an image, as container engines read it.
func registry(image string) string {
	host, _, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io"
	}
	return host
}

// owners tells of objects that another application claims too, and did not before.
func (w *work) owners(u *Unit, head *check.Unit, add addDanger) {
	if head == nil || head.App == nil || w.in.Live != nil {
		return
	}
	was := sharedObjects(w.in.Head.Base)
	for _, o := range head.Objects {
		at := claim{head.Cluster, o.Ref}
		if names := w.shared[at]; len(names) > 1 && slices.Contains(names, head.Name) && !slices.Equal(was[at], names) {
			others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == head.Name })
			add(insight.Danger, TwoOwners, o.Ref, "%s belongs to %s too: each would undo what the other does", o.Ref.Kind+" "+o.Ref.Name, strings.Join(others, ", "))
		}
	}
}

func bounded(list []string, n int) string {
	text := strings.Join(list[:min(n, len(list))], "; ")
	if left := len(list) - n; left > 0 {
		text += fmt.Sprintf("; and %d more", left)
	}
	return text
}
