package schema

import (
	"context"
	"fmt"
	"slices"

	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/kubeapi"
)

// judge is one judgement of a repository.
type judge struct {
	api     *kubeapi.API
	targets []int
	// defs are the definitions of the repository, before those of the base revision.
	defs, before definitions
	report       func(check.Finding)
	// unknown are the kinds that were reported already.
	unknown map[string]bool
}

func (j *judge) tell(rule string, o *check.Object, path, message, fix string) {
	j.report(check.Finding{Rule: rule, Object: o, Path: path, Message: message, Fix: fix})
}

func (j *judge) object(ctx context.Context, o, before *check.Object) {
	gvk := o.GroupVersionKind()
	if def := j.defs.of(o); def != nil {
		j.custom(ctx, def, o, before)
		return
	}
	if gone, ok := ecosystem()[gvk.GroupVersion().String()]; ok && (len(gone.kinds) == 0 || slices.Contains(gone.kinds, gvk.Kind)) {
		j.tell(removed, o, "apiVersion", fmt.Sprintf("%s %s is not served since %s: use %s", gvk.GroupVersion(), gvk.Kind, gone.since, gone.instead), "")
		return
	}
	kind := j.api.Kind(gvk)
	switch {
	case kind != nil:
		j.builtIn(o, kind)
	case j.api.Group(gvk.Group):
		j.tell(removed, o, "kind", fmt.Sprintf("Kubernetes has no kind %s in %s%s", gvk.Kind, gvk.GroupVersion(), j.instead(gvk, nil, j.targets[len(j.targets)-1])), "")
	case !known(gvk.Group) && !j.unknown[gvk.String()]:
		j.unknown[gvk.String()] = true
		j.tell(missing, o, "kind", fmt.Sprintf("objects of %s %s are not judged: there is no schema of them", gvk.GroupVersion(), gvk.Kind), "")
	}
}

// known reports whether a group is judged by other rules.
func known(group string) bool { return group == "argoproj.io" }

// builtIn judges a kind of Kubernetes by every target, and says what is wrong with the first.
func (j *judge) builtIn(o *check.Object, kind *kubeapi.Kind) {
	gvk := o.GroupVersionKind()
	for _, minor := range j.targets {
		if kind.Has(minor) {
			continue
		}
		what := fmt.Sprintf("%s %s is not served by Kubernetes 1.%d", gvk.GroupVersion(), gvk.Kind, minor)
		switch {
		case kind.Until != 0 && minor > kind.Until:
			what += fmt.Sprintf(": it was removed in 1.%d", kind.Until+1)
		default:
			what += fmt.Sprintf(": it came with 1.%d", kind.Since)
		}
		j.tell(removed, o, "apiVersion", what+j.instead(gvk, kind, minor), "")
		return
	}
	j.fields(o)
	newest := j.targets[len(j.targets)-1]
	if kind.Deprecated == 0 || kind.Deprecated > newest && (kind.Removed == 0 || kind.Removed > newest+soon) {
		return
	}
	what := fmt.Sprintf("%s %s is deprecated since Kubernetes 1.%d", gvk.GroupVersion(), gvk.Kind, kind.Deprecated)
	if kind.Removed != 0 {
		what += fmt.Sprintf(" and removed in 1.%d", kind.Removed)
	}
	j.tell(deprecated, o, "apiVersion", what+j.instead(gvk, kind, newest), "")
}

// instead says what to use in place of a kind, where that is known.
func (j *judge) instead(gvk runtimeschema.GroupVersionKind, kind *kubeapi.Kind, minor int) string {
	if kind != nil && kind.Replacement != "" {
		r := kubeapi.GVK(kind.Replacement)
		if next := j.api.Kind(r); next != nil && next.Has(minor) {
			if r.Kind != gvk.Kind {
				return fmt.Sprintf("; use %s %s", r.GroupVersion(), r.Kind)
			}
			return fmt.Sprintf("; use %s", r.GroupVersion())
		}
	}
	for _, version := range j.api.Versions(gvk.GroupKind(), minor) {
		if version != gvk.Version {
			return fmt.Sprintf("; use %s", runtimeschema.GroupVersion{Group: gvk.Group, Version: version})
		}
	}
	return ""
}

// fields reports fields that the newest version has and a target has not. What no version has is for the API server's rules.
func (j *judge) fields(o *check.Object) {
	said := map[string]bool{}
	for _, minor := range j.targets {
		if minor == j.api.Last {
			continue
		}
		for _, p := range j.api.Validate(o.Object, o.GroupVersionKind(), minor) {
			if !p.Unknown || p.Known == (kubeapi.Span{}) || said[p.Path] || !p.Known.Has(j.api.Last) {
				continue
			}
			said[p.Path] = true
			path, _ := check.ServerPath(o.Object, check.ServerSteps(p.Path))
			j.tell(removed, o, path, fmt.Sprintf("%s: no such field in Kubernetes 1.%d: it came with 1.%d", path, minor, p.Known.Since), "")
		}
	}
}
