package reconcile

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// owned returns the objects of a destination that a sync may prune and a deletion may take along. The view of the cluster
// was made under the settings of its time, so that each object is judged once more by those of now: a kind that is
// excluded by now, a mark that no longer counts, and what the project does not permit are none of the application's.
// Nor is the Application itself, should it be among its own objects.
func (s *run) owned(dest *Destination) []*object.Live {
	itself := object.Ref{Group: v1alpha1.Group, Kind: v1alpha1.ApplicationKind, Namespace: s.app.Namespace, Name: s.app.Name}
	return slices.DeleteFunc(slices.Clone(dest.Cluster.Owned(s.name)), func(l *object.Live) bool {
		ref := l.Ref()
		return ref == itself || !s.marked(l) || s.excluded(ref.GroupKind()) || s.permits(dest, ref) != nil
	})
}

func (s *run) excluded(gk schema.GroupKind) bool {
	return s.Config.Excluded != nil && s.Config.Excluded(gk.Group, gk.Kind)
}

// permits asks the project about one object.
func (s *run) permits(dest *Destination, ref object.Ref) error {
	k, known := dest.Cluster.Kind(ref.GroupKind(), "")
	namespaced := k.Namespaced || !known && ref.Namespace != ""
	if err := s.Project.PermitsKind(ref.Group, ref.Kind, ref.Name, ref.Namespace, namespaced); err != nil {
		return err
	}
	if !namespaced || ref.Namespace == s.app.Spec.Destination.Namespace {
		return nil // the destination's own namespace is permitted, or the story would not have come here
	}
	return s.Project.PermitsDestination(dest.Server, dest.Name, ref.Namespace)
}

// inView fails when objects of a kind that the application is known to have cannot be seen: they would be left behind.
func (s *run) inView(c Cluster) error {
	asked := map[schema.GroupKind]bool{}
	var errs []error
	for _, res := range s.app.Status.Resources { // ordered, so that the message is stable
		gk := schema.GroupKind{Group: res.Group, Kind: res.Kind}
		if asked[gk] || s.excluded(gk) {
			continue
		}
		asked[gk] = true
		// A kind that the cluster does not serve any more has no objects.
		if err := c.Synced(gk); err != nil && !fault.Is(err, fault.NotFound) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("objects of the application cannot be seen, so they cannot be deleted: %w", err)
	}
	return nil
}
