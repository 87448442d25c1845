package settings

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Bounds of the actions of one kind.
const (
	maxActionsText = 512 << 10 // bytes of YAML; a ConfigMap holds twice that
	maxScript      = 64 << 10  // bytes
	maxDefinitions = 100
	maxActionName  = 100 // bytes
)

// Actions are the custom actions of a kind.
type Actions struct {
	// Discovery is the source of discovery.lua, which says what actions an object has.
	Discovery   string
	Definitions []ActionDefinition
	// MergeBuiltin keeps the actions that the kind has without them.
	MergeBuiltin bool
	// Broken is why the value cannot be read, when none was good before: falling back to the built-in actions could offer what it
	// was meant to take away.
	Broken error
}

// ActionDefinition is the source of an action.
type ActionDefinition struct{ Name, Script string }

// parseActions reads the value of resource.customizations.actions.<group_Kind>. Unknown fields are taken as Argo CD takes them:
// they have no effect.
func parseActions(text string) (*Actions, error) {
	if len(text) > maxActionsText {
		return nil, fmt.Errorf("the value has %d bytes, and at most %d may be", len(text), maxActionsText)
	}
	type definition struct {
		Name   string `yaml:"name"`
		Script string `yaml:"action.lua"`
	}
	type form struct {
		Discovery    string       `yaml:"discovery.lua"`
		Definitions  []definition `yaml:"definitions"`
		MergeBuiltin bool         `yaml:"mergeBuiltinActions"`
	}
	in, err := fromYAML[form](text)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Discovery) == "" {
		return nil, errors.New("discovery.lua is missing or empty; it returns a table of the actions that an object has")
	}
	if err := scriptSize("discovery.lua", in.Discovery); err != nil {
		return nil, err
	}
	if len(in.Definitions) > maxDefinitions {
		return nil, fmt.Errorf("there are %d definitions, and at most %d may be", len(in.Definitions), maxDefinitions)
	}
	out := &Actions{Discovery: in.Discovery, MergeBuiltin: in.MergeBuiltin}
	seen := map[string]bool{}
	for i, d := range in.Definitions {
		if err := ActionName(d.Name); err != nil {
			return nil, fmt.Errorf("definitions[%d]: %w", i, err)
		}
		where := fmt.Sprintf("action.lua of definition %q", d.Name)
		switch {
		case seen[d.Name]:
			return nil, fmt.Errorf("there are two definitions called %q", d.Name)
		case strings.TrimSpace(d.Script) == "":
			return nil, fmt.Errorf("%s is missing or empty", where)
		}
		if err := scriptSize(where, d.Script); err != nil {
			return nil, err
		}
		seen[d.Name] = true
		out.Definitions = append(out.Definitions, ActionDefinition(d))
	}
	return out, nil
}

func scriptSize(where, script string) error {
	if len(script) > maxScript {
		return fmt.Errorf("%s has %d bytes, and at most %d may be", where, len(script), maxScript)
	}
	return nil
}

// ActionName refuses a name that could not stand in a right, action/<group>/<kind>/<name>, or that cannot be read.
func ActionName(name string) error {
	switch {
	case name == "":
		return errors.New("name is missing")
	case len(name) > maxActionName:
		return fmt.Errorf("the name %q is longer than %d bytes", clip(name), maxActionName)
	case strings.ContainsAny(name, "/,*?[]{}\\\"") || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("the name %q cannot stand in a right, action/<group>/<kind>/<name>; use letters, digits, - and _, and displayName for what is shown", clip(name))
	}
	return nil
}

// actionsText is the value that the combined form has as a string.
type actionsText struct{ *Actions }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *actionsText) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: actions is no text; write actions: | and the YAML below it", node.Line)
	}
	if strings.TrimSpace(node.Value) == "" {
		return nil
	}
	parsed, err := parseActions(node.Value)
	if err != nil {
		line, reason := splitLine(err.Error())
		return fmt.Errorf("line %d: actions: %s", node.Line+line, reason)
	}
	t.Actions = parsed
	return nil
}
