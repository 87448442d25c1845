package action

import (
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/script"
	"github.com/belaycd/belay/internal/settings"
)

// Bounds of what a script says.
const (
	maxActions = 100
	maxParams  = 32
	maxChanges = 32
	maxWord    = 200 // bytes of a name that is shown
)

// customs are the compiled actions of one kind, or the reason why there are none.
type customs struct {
	kind      string
	discovery *script.Program
	scripts   map[string]*script.Program
	merge     bool
	err       error
	// broken says that err has been told with the settings.
	broken bool
}

func compile(kind string, in *settings.Actions) *customs {
	c := &customs{kind: kind, scripts: map[string]*script.Program{}, merge: in.MergeBuiltin, err: in.Broken, broken: in.Broken != nil}
	if c.err != nil {
		return c
	}
	// Argo CD gives scripts of actions none of Lua's open libraries.
	if c.discovery, c.err = script.Compile("discovery.lua", in.Discovery, false); c.err != nil {
		return c
	}
	for _, d := range in.Definitions {
		program, err := script.Compile("action.lua", d.Script, false)
		if err != nil {
			c.err = fmt.Errorf("definition %q: %w", d.Name, err)
			return c
		}
		c.scripts[d.Name] = program
	}
	return c
}

// discover returns the actions of an object: what the script finds, and the built-in ones where they are kept. A definition of the
// same name counts before a built-in one; an action that has neither is shown and disabled.
func (c *customs) discover(runner *script.Runner, seen *unstructured.Unstructured, shipped map[string]Action) (map[string]Action, error) {
	if c.err != nil {
		return nil, c.err
	}
	variables := map[string]any{"obj": seen.Object, "actionParams": map[string]any{}}
	found, err := script.Run(runner, c.discovery, variables, discovered)
	if err != nil {
		return nil, fmt.Errorf("discovery.lua for %s: %w", object.RefOf(seen), err)
	}
	out := map[string]Action{}
	if c.merge {
		for name, a := range shipped {
			out[name] = a
		}
	}
	for name, a := range found {
		out[name] = a
	}
	for name, a := range out {
		program, defined := c.scripts[name]
		builtin, ships := shipped[name]
		switch {
		case defined:
			a.custom = true
			a.run = func(in Input) ([]Change, error) { return runScript(runner, program, in) }
		case ships:
			a.run = builtin.run
		default:
			a.Disabled = true
		}
		out[name] = a
	}
	return out, nil
}

// discovered reads what discovery.lua returns.
func discovered(value script.Value) (map[string]Action, error) {
	if !value.IsTable() {
		return nil, fmt.Errorf("the script returns a %s, a table of actions is wanted", value.Type())
	}
	plain, err := value.Plain()
	if err != nil {
		return nil, err
	}
	table, ok := plain.(map[string]any)
	if !ok {
		if list, _ := plain.([]any); len(list) > 0 {
			return nil, errors.New("the script returns a list, a table with the names of actions as keys is wanted")
		}
		return nil, nil
	}
	if len(table) > maxActions {
		return nil, fmt.Errorf("the script returns %d actions, and at most %d may be", len(table), maxActions)
	}
	out := map[string]Action{}
	for name, described := range table {
		if err := settings.ActionName(name); err != nil {
			return nil, err
		}
		a, err := describedAction(name, described)
		if err != nil {
			return nil, fmt.Errorf("action %q: %w", name, err)
		}
		out[name] = a
	}
	return out, nil
}

func describedAction(name string, described any) (Action, error) {
	a := Action{Name: name}
	fields, ok := described.(map[string]any)
	if list, isList := described.([]any); isList && len(list) == 0 {
		return a, nil
	}
	if !ok {
		return a, fmt.Errorf("its description is a %s, a table is wanted", typeName(described))
	}
	if v, present := fields["disabled"]; present {
		if a.Disabled, ok = v.(bool); !ok {
			return a, fmt.Errorf("disabled is a %s, true or false is wanted", typeName(v))
		}
	}
	var err error
	for key, to := range map[string]*string{"iconClass": &a.IconClass, "displayName": &a.DisplayName} {
		if *to, err = word(fields, key); err != nil {
			return a, err
		}
	}
	params, _ := fields["params"].([]any)
	if v, present := fields["params"]; present && params == nil {
		return a, fmt.Errorf("params is a %s, a list is wanted", typeName(v))
	}
	if len(params) > maxParams {
		return a, fmt.Errorf("it has %d params, and at most %d may be", len(params), maxParams)
	}
	for i, item := range params {
		p, err := describedParam(item)
		if err != nil {
			return a, fmt.Errorf("params[%d]: %w", i+1, err)
		}
		a.Params = append(a.Params, p)
	}
	return a, nil
}

func describedParam(item any) (Param, error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return Param{}, fmt.Errorf("it is a %s, a table is wanted", typeName(item))
	}
	var p Param
	var err error
	for key, to := range map[string]*string{"name": &p.Name, "value": &p.Value, "default": &p.Default, "type": &p.Type} {
		if *to, err = word(fields, key); err != nil {
			return p, err
		}
	}
	if p.Name == "" {
		return p, errors.New("name is missing")
	}
	return p, nil
}

// word reads a short text. A number or a truth is written as one, as a parameter that begins with the number of replicas has it.
func word(fields map[string]any, key string) (string, error) {
	var out string
	switch v := fields[key].(type) {
	case nil:
	case string:
		out = v
	case bool:
		out = strconv.FormatBool(v)
	case int64:
		out = strconv.FormatInt(v, 10)
	case float64:
		out = strconv.FormatFloat(v, 'g', -1, 64)
	default:
		return "", fmt.Errorf("%s is a %s, a text is wanted", key, typeName(v))
	}
	if len(out) > maxWord {
		return "", fmt.Errorf("%s has %d bytes, and at most %d may be", key, len(out), maxWord)
	}
	return out, nil
}

func typeName(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case string:
		return "text"
	case int64, float64:
		return "number"
	case []any:
		return "list"
	case map[string]any:
		return "table"
	}
	return "nothing"
}

// runScript runs the script of an action.
func runScript(runner *script.Runner, program *script.Program, in Input) ([]Change, error) {
	params := map[string]any{}
	for name, value := range in.Params {
		params[name] = value
	}
	variables := map[string]any{"obj": in.Object.Object, "actionParams": params}
	plain, err := script.Run(runner, program, variables, func(value script.Value) (any, error) {
		if !value.IsTable() {
			return nil, fmt.Errorf("the script returns a %s, the object or a list of changes is wanted", value.Type())
		}
		return value.Plain()
	})
	if err != nil {
		return nil, err
	}
	if list, ok := plain.([]any); ok {
		return listed(in.Object, list)
	}
	returned, _ := plain.(map[string]any)
	patch, err := patchOf(in.Object, returned)
	if err != nil {
		return nil, err
	}
	return []Change{{Operation: Patch, Patch: patch}}, nil
}

// listed reads a list of changes.
func listed(seen *unstructured.Unstructured, list []any) ([]Change, error) {
	if len(list) > maxChanges {
		return nil, fmt.Errorf("the script returns %d changes, and at most %d may be", len(list), maxChanges)
	}
	var out []Change
	named := map[object.Ref]bool{}
	for i, item := range list {
		change, err := listedChange(seen, item)
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", i+1, err)
		}
		if change.Operation == Patch {
			ref := object.RefOf(seen)
			if change.Object != nil {
				ref = object.RefOf(change.Object)
			}
			if named[ref] {
				return nil, fmt.Errorf("change %d: %s is patched twice", i+1, ref)
			}
			named[ref] = true
		}
		out = append(out, change)
	}
	return out, nil
}

func listedChange(seen *unstructured.Unstructured, item any) (Change, error) {
	fields, _ := item.(map[string]any)
	resource, ok := fields["resource"].(map[string]any)
	if !ok {
		return Change{}, errors.New("it has no resource; a table with operation and resource is wanted")
	}
	u := &unstructured.Unstructured{Object: resource}
	if err := identified(u); err != nil {
		return Change{}, err
	}
	switch fields["operation"] {
	case string(Create):
		made, err := made(seen, u)
		return Change{Operation: Create, Object: made}, err
	case string(Patch):
		if u.GroupVersionKind().GroupKind() == seen.GroupVersionKind().GroupKind() && u.GetName() == seen.GetName() && u.GetNamespace() == seen.GetNamespace() {
			patch, err := patchOf(seen, resource)
			return Change{Operation: Patch, Patch: patch}, err
		}
		patch, err := patchOfOther(seen, u)
		return Change{Operation: Patch, Object: u, Patch: patch}, err
	}
	return Change{}, fmt.Errorf("the operation %q is none of patch and create", fmt.Sprint(fields["operation"]))
}
