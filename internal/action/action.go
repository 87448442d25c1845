// Package action decides what can be done to a live object besides syncing it, and what that changes: an object, the name of an
// action and its parameters go in; patches and new objects, permitted and in order, come out.
package action

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/script"
	"github.com/belaycd/belay/internal/settings"
)

// Action is something that can be done to an object.
type Action struct {
	Name string
	// DisplayName is what it is called where it is shown; empty for its name. IconClass is a class of Font Awesome.
	DisplayName, IconClass string
	Params                 []Param
	// Disabled says that it has no sense in the state that the object is in.
	Disabled bool
	// custom says that a script does it, which may take parameters that it does not declare.
	custom bool
	run    func(Input) ([]Change, error)
}

// Param is a parameter of an action.
type Param struct {
	Name string
	// Value is what it begins with where somebody is asked for it; Default is taken when none is given. Type is a word for people.
	Value, Default, Type string
}

// Input is what an action decides by.
type Input struct {
	// Object is the live object without secret values and managed fields.
	Object *unstructured.Unstructured
	Params map[string]string
	Now    time.Time
}

// Operation is what is done with an object.
type Operation string

// Operations.
const (
	Patch  Operation = "patch"
	Create Operation = "create"
)

// Change is what an action does with one object.
type Change struct {
	Operation Operation
	// Object is the one to create, or names the one to patch; nil is the object that the action is of.
	Object *unstructured.Unstructured
	// Patch is the merge patch.
	Patch map[string]any
}

// Set holds the actions of all kinds. It is safe for concurrent use.
type Set struct {
	kinds  glob.Kinds[*customs]
	runner *script.Runner
}

// Compile compiles the custom actions among those of argocd-cm. Of two for the same kind the later one counts. What does not compile
// is a problem, and the actions of its kind say so.
func Compile(all []settings.Customization) (*Set, []settings.Problem) {
	s := &Set{runner: script.NewRunner()}
	var problems []settings.Problem
	for _, c := range all {
		if c.Actions == nil {
			continue
		}
		kind := strings.TrimPrefix(c.Group+"/"+c.Kind, "/")
		if err := s.kinds.Set(c.Group, c.Kind, compile(kind, c.Actions)); err != nil {
			problems = append(problems, problem(kind, err))
		}
	}
	for c := range s.kinds.Values() {
		if c.err != nil && !c.broken {
			problems = append(problems, problem(c.kind, c.err))
		}
	}
	slices.SortFunc(problems, func(a, b settings.Problem) int { return cmp.Compare(a.Error(), b.Error()) })
	return s, slices.Compact(problems)
}

func problem(kind string, err error) settings.Problem {
	return settings.Problem{Object: "ConfigMap/" + settings.ConfigMapName, Key: "actions of " + kind, Reason: err.Error()}
}

// See is an object as an action gets it: without secret values, those of the annotations among them, and without managed fields.
// Numbers are those that a script can hold.
func See(live *unstructured.Unstructured, annotations ...string) *unstructured.Unstructured {
	seen := mask.Object(live, annotations...)
	seen.SetManagedFields(nil)
	shown, _ := script.Seen(seen.Object).(map[string]any)
	return &unstructured.Unstructured{Object: shown}
}

// List returns what can be done to an object, by name. The annotations are those whose values are secret in a Secret.
func (s *Set) List(live *unstructured.Unstructured, annotations ...string) ([]Action, error) {
	found, err := s.of(See(live, annotations...))
	if err != nil {
		return nil, err
	}
	out := make([]Action, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[name])
	}
	return out, nil
}

// of returns the actions of an object as an action sees it.
func (s *Set) of(seen *unstructured.Unstructured) (map[string]Action, error) {
	ref := object.RefOf(seen)
	shipped := map[string]Action{}
	for _, a := range builtins(seen) {
		shipped[a.Name] = a
	}
	if s == nil {
		return shipped, nil
	}
	c, ok := s.kinds.Of(ref.Group, ref.Kind)
	if !ok {
		return shipped, nil
	}
	found, err := c.discover(s.runner, seen, shipped)
	if err != nil {
		return nil, fault.New(fault.Invalid, "actions of %s in ConfigMap %s: %w", c.kind, settings.ConfigMapName, err)
	}
	return found, nil
}

// find returns an action that can be run now.
func (s *Set) find(seen *unstructured.Unstructured, name string) (Action, error) {
	found, err := s.of(seen)
	if err != nil {
		return Action{}, err
	}
	a, ok := found[name]
	if ok && !a.Disabled {
		return a, nil
	}
	var now []string
	for _, other := range slices.Sorted(maps.Keys(found)) {
		if !found[other].Disabled {
			now = append(now, other)
		}
	}
	has := "it has none"
	if len(now) > 0 {
		has = "it has " + strings.Join(now, ", ")
	}
	if ok {
		has = "it is disabled in the state that the object is in; " + has
	}
	return Action{}, fault.New(fault.NotFound, "%s has no action %q now: %s", object.RefOf(seen), name, has)
}

// decide returns the changes of an action with these parameters.
func (a Action) decide(in Input) ([]Change, error) {
	params := map[string]string{}
	for _, p := range a.Params {
		if p.Default != "" {
			params[p.Name] = p.Default
		}
	}
	for name, value := range in.Params {
		if !a.custom && !slices.ContainsFunc(a.Params, func(p Param) bool { return p.Name == name }) {
			return nil, fault.New(fault.Invalid, "action %s of %s has no parameter %q; it has %s", a.Name, object.RefOf(in.Object), name, namesOf(a.Params))
		}
		params[name] = value
	}
	in.Params = params
	changes, err := a.run(in)
	if err != nil {
		return nil, fault.New(fault.Invalid, "action %s of %s: %w", a.Name, object.RefOf(in.Object), err)
	}
	return changes, nil
}

func namesOf(params []Param) string {
	if len(params) == 0 {
		return "none"
	}
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}
