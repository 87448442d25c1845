// Package lua judges the health of objects by the scripts that a user has written in argocd-cm: scripts go in; Checks, which
// say what a script makes of an object, come out.
package lua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/settings"
)

const (
	// timeLimit is how long a script may run. Argo CD allows one second; here the number of steps is bounded too, and so a
	// script that waits for its turn on a busy machine need not be taken for one that does not end.
	timeLimit = 5 * time.Second
	// patience is how long a script is waited for that is in a function of a library, which cannot be interrupted. It is long
	// because on a busy machine a script may wait for its turn, and that is no fault of its own.
	patience = 10 * time.Second
)

// Checks are the scripts of one version of the settings, compiled. They are safe for concurrent use.
type Checks struct {
	exact    map[string]*script // by group/Kind
	patterns []pattern          // the most exact first
	states   *pool
	// limit and patience are timeLimit and patience of the package.
	limit, patience time.Duration
}

// pattern is a script for all kinds that match.
type pattern struct {
	group, kind glob.Pattern
	script      *script
}

// script is a compiled script, or the reason why there is none.
type script struct {
	name     string
	proto    *lua.FunctionProto
	openLibs bool
	err      error
	// stuck counts the runs that were given up and still go on. Another one would be the next goroutine that never ends.
	stuck atomic.Int32
}

// Compile compiles the health scripts among customs. Of two for the same kind the later one counts. A script that does not
// compile is a problem, and makes the objects of its kind Unknown.
func Compile(customs []settings.Customization) (*Checks, []settings.Problem) {
	c := &Checks{exact: map[string]*script{}, states: newPool(), limit: timeLimit, patience: patience}
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
		p := pattern{script: compile(key, custom)}
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
		return cmp.Or(cmp.Compare(len(b.script.name), len(a.script.name)), cmp.Compare(a.script.name, b.script.name))
	})
	for key, s := range c.exact {
		if s.err != nil {
			problems = append(problems, problem(key, s.err))
		}
	}
	for _, p := range c.patterns {
		if p.script.err != nil {
			problems = append(problems, problem(p.script.name, p.script.err))
		}
	}
	slices.SortFunc(problems, func(a, b settings.Problem) int { return cmp.Compare(a.Error(), b.Error()) })
	return c, problems
}

func problem(kind string, err error) settings.Problem {
	return settings.Problem{Object: "ConfigMap/" + settings.ConfigMapName, Key: "health.lua of " + kind, Reason: err.Error()}
}

func compile(kind string, custom settings.Customization) *script {
	s := &script{name: kind, openLibs: custom.OpenLibs}
	chunk, err := parse.Parse(strings.NewReader(custom.Health), "health.lua")
	if err == nil {
		s.proto, err = lua.Compile(chunk, "health.lua")
	}
	if err != nil {
		s.err = fmt.Errorf("the script does not compile: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return s
}

// Assess returns what the script for the kind of obj says, and false when there is none. A script that fails makes the
// object Unknown, and the message is its error. A script that returns nothing, or an empty table, gives no health.
func (c *Checks) Assess(obj *unstructured.Unstructured) (health.Result, bool) {
	s := c.scriptOf(obj)
	if s == nil {
		return health.Result{}, false
	}
	switch {
	case s.err != nil:
		return unknown(s.err), true
	case s.stuck.Load() > 0:
		return unknown(errors.New("the script runs on since it could not be stopped, and is not run again until it has ended or argocd-cm changes")), true
	}
	res, err := c.run(s, obj)
	if err != nil {
		return unknown(err), true
	}
	return res, true
}

func (c *Checks) scriptOf(obj *unstructured.Unstructured) *script {
	if c == nil || obj == nil || len(c.exact)+len(c.patterns) == 0 {
		return nil
	}
	gk := obj.GroupVersionKind().GroupKind()
	if s, ok := c.exact[gk.Group+"/"+gk.Kind]; ok {
		return s
	}
	for _, p := range c.patterns {
		if p.group.Match(gk.Group) && p.kind.Match(gk.Kind) {
			return p.script
		}
	}
	return nil
}

func unknown(err error) health.Result {
	return health.Result{Status: v1alpha1.HealthUnknown, Message: health.Line(err.Error())}
}

// outcome is what one run gave.
type outcome struct {
	res health.Result
	err error
}

// run runs a script in a goroutine, which it leaves behind if it must.
func (c *Checks) run(s *script, obj *unstructured.Unstructured) (health.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	done := make(chan outcome, 1)
	given := &atomic.Bool{} // whoever sets it first has the last word: the run that ends, or the one that gives it up
	go func() {
		var out outcome
		defer func() {
			if r := recover(); r != nil {
				out.err = fmt.Errorf("the script broke the interpreter: %v", r)
			}
			done <- out
			if !given.CompareAndSwap(false, true) {
				s.stuck.Add(-1)
			}
		}()
		out.res, out.err = c.call(s, obj)
	}()
	select {
	case out := <-done:
		return out.res, out.err
	case <-ctx.Done():
		s.stuck.Add(1)
		if !given.CompareAndSwap(false, true) {
			s.stuck.Add(-1) // it ended this moment
		}
		return health.Result{}, fmt.Errorf("the script does not stop after %s", c.patience)
	}
}

func (c *Checks) call(s *script, obj *unstructured.Unstructured) (health.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.limit)
	defer cancel()
	st := c.states.get(s.openLibs)
	m := newMeter(ctx, c.limit)
	st.SetContext(m)
	fn := st.NewFunctionFromProto(s.proto)
	fn.Env = st.environment(obj)
	st.Push(fn)
	if err := st.PCall(0, 1, nil); err != nil {
		if m.err != nil {
			return health.Result{}, m.err
		}
		return health.Result{}, scriptError(err)
	}
	result := st.Get(-1)
	out, err := read(result)
	st.SetTop(0)
	st.RemoveContext()
	c.states.put(st)
	return out, err
}

// scriptError takes the traces of the interpreter off: they are of no use to the author of a script.
func scriptError(err error) error {
	var api *lua.ApiError
	if errors.As(err, &api) && api.Object != lua.LNil {
		return errors.New(api.Object.String())
	}
	text, _, _ := strings.Cut(err.Error(), "\nstack traceback")
	return errors.New(text)
}

// read turns what a script returns into a result.
func read(value lua.LValue) (health.Result, error) {
	if value == lua.LNil {
		return health.Result{}, nil
	}
	table, ok := value.(*lua.LTable)
	if !ok {
		return health.Result{}, fmt.Errorf("the script returns a %s, a table with status and message is wanted", value.Type())
	}
	status, message := table.RawGetString("status"), table.RawGetString("message")
	if key, _ := table.Next(lua.LNil); key == lua.LNil || table.Len() > 0 && status == lua.LNil {
		return health.Result{}, nil // an empty table, or a list
	}
	out := health.Result{Status: v1alpha1.HealthStatusCode(lua.LVAsString(status))}
	if message != lua.LNil {
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
