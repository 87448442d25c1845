// Package lua judges the health of objects by the scripts that a user has written in argocd-cm: scripts go in; Checks, which
// say what a script makes of an object, come out.
package lua

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/script"
	"github.com/belaycd/belay/internal/settings"
)

// Checks are the scripts of one version of the settings, compiled. They are safe for concurrent use.
type Checks struct {
	kinds  glob.Kinds[*check]
	runner *script.Runner
}

// check is a compiled script, or the reason why there is none.
type check struct {
	name    string
	program *script.Program
	err     error
}

// Compile compiles the health scripts among customs. Of two for the same kind the later one counts. A script that does not
// compile is a problem, and makes the objects of its kind Unknown.
func Compile(customs []settings.Customization) (*Checks, []settings.Problem) {
	c := &Checks{runner: script.NewRunner()}
	var problems []settings.Problem
	for _, custom := range customs {
		if custom.Health == "" {
			continue
		}
		name := custom.Group + "/" + custom.Kind
		if err := c.kinds.Set(custom.Group, custom.Kind, compile(name, custom)); err != nil {
			problems = append(problems, problem(name, err))
		}
	}
	for s := range c.kinds.Values() {
		if s.err != nil {
			problems = append(problems, problem(s.name, s.err))
		}
	}
	slices.SortFunc(problems, func(a, b settings.Problem) int { return cmp.Compare(a.Error(), b.Error()) })
	return c, slices.Compact(problems)
}

func problem(kind string, err error) settings.Problem {
	return settings.Problem{Object: "ConfigMap/" + settings.ConfigMapName, Key: "health.lua of " + kind, Reason: err.Error()}
}

func compile(kind string, custom settings.Customization) *check {
	program, err := script.Compile("health.lua", custom.Health, custom.OpenLibs)
	return &check{kind, program, err}
}

// Assess returns what the script for the kind of obj says, and false when there is none. A script that fails makes the
// object Unknown, and the message is its error. A script that returns nothing, or an empty table, gives no health.
func (c *Checks) Assess(obj *unstructured.Unstructured) (health.Result, bool) {
	if c == nil || obj == nil {
		return health.Result{}, false
	}
	gk := obj.GroupVersionKind().GroupKind()
	s, ok := c.kinds.Of(gk.Group, gk.Kind)
	if !ok {
		return health.Result{}, false
	}
	if s.err != nil {
		return unknown(s.err), true
	}
	res, err := script.Run(c.runner, s.program, map[string]any{"obj": obj.Object}, read)
	if err != nil {
		return unknown(err), true
	}
	return res, true
}

func unknown(err error) health.Result {
	return health.Result{Status: v1alpha1.HealthUnknown, Message: health.Line(err.Error())}
}

// read turns what a script returns into a result.
func read(value script.Value) (health.Result, error) {
	if value.IsNil() {
		return health.Result{}, nil
	}
	if !value.IsTable() {
		return health.Result{}, fmt.Errorf("the script returns a %s, a table with status and message is wanted", value.Type())
	}
	status, message := value.Field("status"), value.Field("message")
	if value.IsEmpty() || value.Len() > 0 && status.IsNil() {
		return health.Result{}, nil // an empty table, or a list
	}
	out := health.Result{Status: v1alpha1.HealthStatusCode(status.Text())}
	if !message.IsNil() {
		out.Message = health.Line(message.String())
	}
	if !valid(out.Status) {
		return health.Result{}, fmt.Errorf("the script returns the status %q, which is none", string(out.Status))
	}
	return out, nil
}

func valid(code v1alpha1.HealthStatusCode) bool {
	switch code {
	case v1alpha1.HealthHealthy, v1alpha1.HealthProgressing, v1alpha1.HealthSuspended, v1alpha1.HealthDegraded,
		v1alpha1.HealthMissing, v1alpha1.HealthUnknown:
		return true
	}
	return false
}
