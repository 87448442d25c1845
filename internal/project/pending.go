package project

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

// pending is a field that is set and that Belay does not act on yet. It is kept, and named in a condition.
type pending struct {
	field string
	stop  stop
	why   string
}

// stop says what a field must hold up that is not acted on.
type stop int

const (
	// nothing: without the field the same objects are deployed, by the same rights.
	nothing stop = iota
	// syncs: the field restricts when or what may be deployed, so that ignoring it would allow what it forbids.
	syncs
	// everything: without the field other manifests than the wanted ones would be rendered.
	everything
)

// pendingOfApp lists what Belay does not act on yet in the spec of an Application. An issue that makes Belay act on a
// field removes its line.
func pendingOfApp(spec *v1alpha1.ApplicationSpec) []pending {
	var out []pending
	add := func(set bool, field string, what stop, why string) {
		if set {
			out = append(out, pending{field: field, stop: what, why: why})
		}
	}
	add(spec.SourceHydrator != nil, "spec.sourceHydrator", everything, "manifests are not hydrated")
	sources := spec.GetSources()
	for i, s := range sources {
		at := sourceField(spec, i)
		add(s.Kustomize != nil && s.Kustomize.Version != "", at+".kustomize.version", nothing, "the built-in version renders")
	}
	return out
}

// pendingOfProject lists what Belay does not act on yet in an AppProject.
func pendingOfProject(spec *v1alpha1.AppProjectSpec) []pending {
	var out []pending
	if len(spec.SignatureKeys) > 0 {
		out = append(out, pending{"spec.signatureKeys", syncs, "signatures of commits are not verified"})
	}
	if demandsSignatures(spec.SourceIntegrity) {
		out = append(out, pending{"spec.sourceIntegrity", syncs, "signatures of commits are not verified"})
	}
	return out
}

func demandsSignatures(s *v1alpha1.SourceIntegrity) bool {
	if s == nil || s.Git == nil {
		return false
	}
	for _, p := range s.Git.Policies {
		if p != nil && (p.GPG == nil || p.GPG.Mode != "none") {
			return true
		}
	}
	return false
}

// conditions turns the fields into at most one condition of each type.
func conditions(where string, fields []pending) []v1alpha1.ApplicationCondition {
	var out []v1alpha1.ApplicationCondition
	for _, level := range []struct {
		stop  stop
		kind  v1alpha1.ConditionType
		after string
	}{
		{everything, v1alpha1.ConditionInvalidSpecError, "nothing is compared or synced, because other manifests than the wanted ones would be; remove the fields or have Argo CD deploy this application"},
		{syncs, v1alpha1.ConditionComparisonError, "no sync starts, because it could deploy what the fields forbid; remove them or have Argo CD deploy this application"},
		{nothing, v1alpha1.ConditionSpecWarning, "they are kept and have no effect"},
	} {
		var names []string
		for _, f := range fields {
			if f.stop == level.stop {
				names = append(names, fmt.Sprintf("%s (%s)", f.field, f.why))
			}
		}
		if len(names) > 0 {
			out = append(out, v1alpha1.ApplicationCondition{Type: level.kind, Message: fmt.Sprintf(
				"Belay does not act on these fields of %s yet: %s; %s", where, strings.Join(names, ", "), level.after)})
		}
	}
	return out
}
