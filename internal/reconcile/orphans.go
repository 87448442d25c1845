package reconcile

import (
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// orphansShown bounds the objects that the condition names.
const orphansShown = 3

// orphans warns of objects in the destination namespace that belong to no application and that nothing in the cluster made,
// where the project asks for that.
func (s *run) orphans() {
	ns := s.app.Spec.Destination.Namespace
	if ns == "" || !s.Project.WarnsOfOrphans() {
		return
	}
	wanted := make(map[object.Ref]bool, len(s.plan.Items))
	for _, i := range s.plan.Items {
		wanted[i.Ref] = true
	}
	n := 0
	var names []string
	for _, l := range s.dest.Cluster.Namespace(ns) {
		ref := l.Ref()
		if _, owned := s.Config.Tracking.OwnerOf(l.Object); owned || wanted[ref] || len(l.Object.GetOwnerReferences()) > 0 || s.excluded(ref.GroupKind()) ||
			!s.Project.IsOrphan(ref.Group, ref.Kind, ref.Namespace, ref.Name) {
			continue
		}
		if n++; n <= orphansShown {
			names = append(names, ref.String())
		}
	}
	if n == 0 {
		return
	}
	more := ""
	if n > orphansShown {
		more = ", ..."
	}
	s.condition(v1alpha1.ConditionOrphanedResourceWarning, "Application has %d orphaned resources: %s%s", n, strings.Join(names, ", "), more)
}
