package action

import (
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// builtin is an action that kinds have without any setting, under Argo CD's name.
type builtin struct {
	name string
	// disabled says when it makes no sense; nil is never.
	disabled func(state) bool
	params   func(state) []Param
	run      func(state, Input) ([]Change, error)
}

// builtins are the actions of an object that need no setting.
func builtins(u *unstructured.Unstructured) []Action {
	s := state{u}
	rows := builtinsOf(object.RefOf(u).GroupKind())
	out := make([]Action, 0, len(rows))
	for _, row := range rows {
		a := Action{Name: row.name, run: func(in Input) ([]Change, error) { return row.run(s, in) }}
		if row.disabled != nil {
			a.Disabled = row.disabled(s)
		}
		if row.params != nil {
			a.Params = row.params(s)
		}
		out = append(out, a)
	}
	return out
}

// builtinsOf is the table.
func builtinsOf(gk schema.GroupKind) []builtin {
	switch gk {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		return []builtin{
			{name: "restart", disabled: is("spec", "paused"), run: restart}, scale(),
			{name: "pause", disabled: is("spec", "paused"), run: set(true, "spec", "paused")},
			{name: "resume", disabled: isNot("spec", "paused"), run: set(nil, "spec", "paused")},
		}
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return []builtin{{name: "restart", run: restart}, scale()}
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return []builtin{{name: "restart", run: restart}}
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		return append(suspension(), builtin{name: "create-job", run: createJob})
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return []builtin{
			{name: "suspend", disabled: either(ended, is("spec", "suspend")), run: set(true, "spec", "suspend")},
			{name: "resume", disabled: either(ended, isNot("spec", "suspend")), run: set(false, "spec", "suspend")},
			{name: "terminate", disabled: either(ended, absent("status", "startTime")), run: terminateJob},
		}
	}
	return builtinsOfExtension(gk)
}

// state reads fields of an object. What is not there, or of another type, is empty.
type state struct{ u *unstructured.Unstructured }

func (s state) text(path ...string) string {
	v, _, _ := unstructured.NestedString(s.u.Object, path...)
	return v
}

func (s state) truth(path ...string) bool {
	v, _, _ := unstructured.NestedBool(s.u.Object, path...)
	return v
}

func (s state) number(path ...string) (int64, bool) {
	v, found, _ := unstructured.NestedInt64(s.u.Object, path...)
	return v, found
}

func (s state) list(path ...string) []any {
	v, _, _ := unstructured.NestedSlice(s.u.Object, path...)
	return v
}

func (s state) has(path ...string) bool {
	v, found, _ := unstructured.NestedFieldNoCopy(s.u.Object, path...)
	return found && v != nil
}

func (s state) note(key string) string { return s.u.GetAnnotations()[key] }

func is(path ...string) func(state) bool { return func(s state) bool { return s.truth(path...) } }

func isNot(path ...string) func(state) bool { return func(s state) bool { return !s.truth(path...) } }

func absent(path ...string) func(state) bool { return func(s state) bool { return !s.has(path...) } }

func noted(key, value string) func(state) bool {
	return func(s state) bool { return s.note(key) == value }
}

func notNoted(key, value string) func(state) bool {
	return func(s state) bool { return s.note(key) != value }
}

func either(these ...func(state) bool) func(state) bool {
	return func(s state) bool {
		for _, f := range these {
			if f(s) {
				return true
			}
		}
		return false
	}
}

// merge is a merge patch of one value at a path.
func merge(value any, path ...string) map[string]any {
	for i := len(path) - 1; i > 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return map[string]any{path[0]: value}
}

func patched(patch map[string]any) []Change { return []Change{{Operation: Patch, Patch: patch}} }

func set(value any, path ...string) func(state, Input) ([]Change, error) {
	return func(state, Input) ([]Change, error) { return patched(merge(value, path...)), nil }
}

// stamp sets a field to the present time, which its controller takes as being asked once more.
func stamp(path ...string) func(state, Input) ([]Change, error) {
	return func(_ state, in Input) ([]Change, error) { return patched(merge(timeOf(in.Now), path...)), nil }
}

func timeOf(now time.Time) string { return now.UTC().Format(time.RFC3339) }

// suspension stops and continues what has spec.suspend.
func suspension() []builtin {
	return []builtin{
		{name: "suspend", disabled: is("spec", "suspend"), run: set(true, "spec", "suspend")},
		{name: "resume", disabled: isNot("spec", "suspend"), run: set(false, "spec", "suspend")},
	}
}

// restart replaces the pods by the annotation that kubectl sets for it.
func restart(s state, in Input) ([]Change, error) {
	return stamp("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")(s, in)
}

// scale sets the number of replicas; the present one is what the parameter begins with.
func scale() builtin {
	return builtin{
		name: "scale",
		params: func(s state) []Param {
			now, found := s.number("spec", "replicas")
			if !found {
				now = 1
			}
			return []Param{{Name: "replicas", Value: strconv.FormatInt(now, 10), Type: "number"}}
		},
		run: func(_ state, in Input) ([]Change, error) {
			n, err := wholeNumber(in.Params, "replicas")
			return patched(merge(n, "spec", "replicas")), err
		},
	}
}

func wholeNumber(params map[string]string, name string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(params[name]), 10, 32)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "parameter %s: a number from 0 on is needed", name)
	}
	return n, nil
}

// ended reports whether a Job has come to its end, or is on its way there.
func ended(s state) bool {
	for _, item := range s.list("status", "conditions") {
		c, _ := item.(map[string]any)
		switch c["type"] {
		case "Complete", "Failed", "FailureTarget", "SuccessCriteriaMet":
			if c["status"] == "True" {
				return true
			}
		}
	}
	return false
}

// terminateJob makes the Job fail, by the condition with which its controller ends its pods.
func terminateJob(s state, in Input) ([]Change, error) {
	conditions := append(s.list("status", "conditions"), map[string]any{
		"type": "FailureTarget", "status": "True", "reason": "ManuallyTerminated", "message": "terminated by hand",
		"lastProbeTime": timeOf(in.Now), "lastTransitionTime": timeOf(in.Now),
	})
	return patched(merge(conditions, "status", "conditions")), nil
}

// owned is an object that is made of another one and owned by it, with a name of its own.
func owned(s state, in Input, apiVersion, kind string, controller bool) *unstructured.Unstructured {
	suffix := "-" + strconv.FormatInt(in.Now.UnixMilli(), 10)
	name := s.u.GetName()
	if room := 63 - len(suffix); len(name) > room {
		name = strings.TrimRight(name[:room], "-.")
	}
	owner := map[string]any{"apiVersion": s.u.GetAPIVersion(), "kind": s.u.GetKind(), "name": s.u.GetName(), "uid": string(s.u.GetUID())}
	if controller {
		owner["controller"] = true
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind,
		"metadata": map[string]any{"name": name + suffix, "namespace": s.u.GetNamespace(), "ownerReferences": []any{owner}},
	}}
}

// createJob makes a Job of the template of a CronJob, owned by it as one of its own.
func createJob(s state, in Input) ([]Change, error) {
	job := owned(s, in, "batch/v1", "Job", true)
	template, _, _ := unstructured.NestedMap(s.u.Object, "spec", "jobTemplate")
	job.Object["spec"], _ = template["spec"].(map[string]any)
	if labels, _, _ := unstructured.NestedStringMap(template, "metadata", "labels"); labels != nil {
		job.SetLabels(labels)
	}
	notes, _, _ := unstructured.NestedStringMap(template, "metadata", "annotations")
	if notes == nil {
		notes = map[string]string{}
	}
	notes["cronjob.kubernetes.io/instantiate"] = "manual"
	job.SetAnnotations(notes)
	return []Change{{Operation: Create, Object: job}}, nil
}
