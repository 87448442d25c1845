// Package apply syncs: a diff.Plan and the options of an operation go in; results object by object come out, in waves,
// with every write behind the Writer interface. Scheduling is pure; Step is one round of an operation and can be
// repeated after a crash, since what is done is read from the cluster and from the earlier results.
package apply

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// Options are the options of one operation, from operation.sync and its syncOptions.
type Options struct {
	Prune  bool
	DryRun bool
	Force  bool
	// Select limits a partial sync; nil selects all.
	Select func(object.Ref) bool
	// NoHooks leaves hooks out: in a partial sync, and with the strategy "apply".
	NoHooks bool

	// The rest are syncOptions of the application; an object's own annotation beats them.
	Replace, NoValidate, NoPrune, ConfirmPrune, PruneLast bool
	SkipMissingKinds                                      bool
	// NoAdoption leaves fields to the managers that brought them by client-side applies.
	NoAdoption  bool
	Propagation string // foreground, background or orphan
	// NewNamespace does not exist and will be made before the first write, so that a dry-run in it cannot work yet.
	NewNamespace string
}

// NewOptions reads the options of op.
func NewOptions(op *v1alpha1.SyncOperation) Options {
	o := Options{
		Prune: op.Prune, DryRun: op.DryRun,
		Replace:          op.SyncOptions.Has("Replace=true"),
		NoValidate:       op.SyncOptions.Has("Validate=false"),
		NoPrune:          op.SyncOptions.Has("Prune=false"),
		ConfirmPrune:     op.SyncOptions.Has("Prune=confirm"),
		PruneLast:        op.SyncOptions.Has("PruneLast=true"),
		SkipMissingKinds: op.SyncOptions.Has("SkipDryRunOnMissingResource=true"),
		Force:            op.SyncOptions.Has("Force=true"),
		NoAdoption:       op.SyncOptions.Has("ClientSideApplyMigration=false"),
		Propagation:      "foreground",
	}
	for _, s := range op.SyncOptions {
		if v, ok := strings.CutPrefix(s, "PrunePropagationPolicy="); ok {
			o.Propagation = v
		}
	}
	if s := op.SyncStrategy; s != nil {
		o.Force = o.Force || s.Apply != nil && s.Apply.Force || s.Hook != nil && s.Hook.Force
		o.NoHooks = s.Apply != nil
	}
	if len(op.Resources) > 0 {
		o.Select, o.NoHooks = selector(op.Resources), true
	}
	return o
}

// PrunePolicy returns what may become of a live object that Git does not have: "true", "false" or "confirm". Its own
// annotation beats the option of the application.
func (o Options) PrunePolicy(live *unstructured.Unstructured) string {
	if v, ok := objectOption(live, "Prune"); ok {
		return v
	}
	switch {
	case o.NoPrune:
		return "false"
	case o.ConfirmPrune:
		return "confirm"
	}
	return "true"
}

// selector matches the objects of a partial sync; an empty namespace matches any.
func selector(resources []v1alpha1.SyncOperationResource) func(object.Ref) bool {
	return func(ref object.Ref) bool {
		for _, r := range resources {
			if r.Group == ref.Group && r.Kind == ref.Kind && r.Name == ref.Name && (r.Namespace == "" || r.Namespace == ref.Namespace) {
				return true
			}
		}
		return false
	}
}

// objectOption returns the value of an option in the object's sync-options annotation.
func objectOption(u *unstructured.Unstructured, name string) (string, bool) {
	if u == nil {
		return "", false
	}
	for _, o := range strings.Split(u.GetAnnotations()[v1alpha1.AnnotationSyncOptions], ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(o), "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// HasOption reports whether the object's sync-options annotation gives the option that value.
func HasOption(u *unstructured.Unstructured, name, value string) bool {
	v, ok := objectOption(u, name)
	return ok && v == value
}

// flag returns an object's boolean option, or the application's where the object says nothing.
func flag(u *unstructured.Unstructured, name string, fallback bool) bool {
	if v, ok := objectOption(u, name); ok {
		return v == "true"
	}
	return fallback
}

// Wave returns the sync wave of an object: its annotation, else Helm's hook weight, else 0.
func Wave(u *unstructured.Unstructured) int {
	a := u.GetAnnotations()
	for _, key := range []string{v1alpha1.AnnotationSyncWave, v1alpha1.AnnotationHelmHookWeight} {
		if n, err := strconv.Atoi(strings.TrimSpace(a[key])); err == nil {
			return n
		}
	}
	return 0
}
