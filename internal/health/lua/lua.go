// Package lua judges the health of objects by the scripts that a user has written in argocd-cm: scripts go in; Checks, which
// say what a script makes of an object, come out.
package lua

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/script"
	"github.com/belaycd/belay/internal/settings"
)

// Checks are the scripts of one version of the settings, compiled. They are safe for concurrent use.
type Checks struct {
	exact    map[string]*check // by group/Kind
	patterns []pattern         // the most exact first
	runner   *script.Runner
}

// pattern is a script for all kinds that match.
type pattern struct {
	group, kind glob.Pattern
	check       *check
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
	c := &Checks{exact: map[string]*check{}, runner: script.NewRunner()}
	wild := map[string]settings.Customization{}
	var problems []settings.Problem
	for _, custom := range customs {
		if custom.Health == "" {
			continue
		}
		key := custom.Group + "/" + custom.Kind
		if strings.ContainsAny(key, "*?[{") {
			wild[key] = custom
			continue
		}
		c.exact[key] = compile(key, custom)
	}
	for key, custom := range wild {
		p := pattern{check: compile(key, custom)}
		var errGroup, errKind error
		p.group, errGroup = glob.Compile(custom.Group)
		p.kind, errKind = glob.Compile(custom.Kind)
		if err := errors.Join(errGroup, errKind); err != nil {
			problems = append(problems, problem(key, err))
			continue
		}
		c.patterns = append(c.patterns, p)
	}
	// Argo CD takes any that matches; an order makes the choice the same each time.
	slices.SortFunc(c.patterns, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(len(b.check.name), len(a.check.name)), cmp.Compare(a.check.name, b.check.name))
	})
	for key, s := range c.exact {
		if s.err != nil {
			problems = append(problems, problem(key, s.err))
		}
	}
	for _, p := range c.patterns {
		if p.check.err != nil {
			problems = append(problems, problem(p.check.name, p.check.err))
		}
	}
	slices.SortFunc(problems, func(a, b settings.Problem) int { return cmp.Compare(a.Error(), b.Error()) })
	return c, problems
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
	s := c.checkOf(obj)
	if s == nil {
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

func (c *Checks) checkOf(obj *unstructured.Unstructured) *check {
	if c == nil || obj == nil || len(c.exact)+len(c.patterns) == 0 {
		return nil
	}
	gk := obj.GroupVersionKind().GroupKind()
	if s, ok := c.exact[gk.Group+"/"+gk.Kind]; ok {
		return s
	}
	for _, p := range c.patterns {
		if p.group.Match(gk.Group) && p.kind.Match(gk.Kind) {
			return p.check
		}
	}
	return nil
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
