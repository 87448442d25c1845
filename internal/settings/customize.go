package settings

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Customization holds the Lua sources for the kinds that Group and Kind, globs in the combined form of the setting, select.
type Customization struct {
	Group, Kind string
	// Health is the source of resource.customizations.health, OpenLibs whether it may use Lua's libraries.
	Health   string
	OpenLibs bool
	// Actions are those of resource.customizations.actions; nil without any.
	Actions *Actions
}

// KnownType says of which type a field of the kinds that Group and Kind, globs, select is: a path with dots, and a name
// such as core/v1/PodSpec.
type KnownType struct{ Group, Kind, Field, Type string }

// typed is an entry of knownTypeFields.
type typed struct {
	Field string `yaml:"field"`
	Type  string `yaml:"type"`
}

// Customizations begins the keys of argocd-cm that say what is special about a kind.
const Customizations = "resource.customizations"

// ignored is what ignoreDifferences and ignoreResourceUpdates say of one kind.
type ignored struct {
	JSONPointers          []string `yaml:"jsonPointers"`
	JQPathExpressions     []string `yaml:"jqPathExpressions"`
	ManagedFieldsManagers []string `yaml:"managedFieldsManagers"`
}

func (i ignored) rule(group, kind string) v1alpha1.ResourceIgnoreDifferences {
	return v1alpha1.ResourceIgnoreDifferences{
		Group: group, Kind: kind,
		JSONPointers: i.JSONPointers, JQPathExpressions: i.JQPathExpressions, ManagedFieldsManagers: i.ManagedFieldsManagers,
	}
}

// custom is the value of one kind in the combined form.
type custom struct {
	Health            string      `yaml:"health.lua"`
	OpenLibs          bool        `yaml:"health.lua.useOpenLibs"`
	Actions           actionsText `yaml:"actions"`
	IgnoreDifferences textual     `yaml:"ignoreDifferences"`
	IgnoreUpdates     textual     `yaml:"ignoreResourceUpdates"`
	KnownTypes        []typed     `yaml:"knownTypeFields"`
}

// textual is a rule that is written as a YAML document within a string.
type textual struct{ ignored }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *textual) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return node.Decode(&t.ignored)
	}
	v, err := fromYAML[ignored](node.Value)
	if err != nil {
		line, reason := splitLine(err.Error())
		return fmt.Errorf("line %d: %s", node.Line+line, reason)
	}
	t.ignored = v
	return nil
}

// readCustomizations reads the combined key and the keys by kind. Rules stand in a fixed order: the combined ones,
// then the others, each sorted.
func readCustomizations(r *reader, s *Settings) {
	ignoreUpdates := true
	value(r, "resource.ignoreResourceUpdatesEnabled", &ignoreUpdates, boolean)
	var combined map[string]custom
	value(r, Customizations, &combined, combinedForm)
	for _, name := range sortedKeys(combined) {
		group, kind := combinedKind(name)
		c := combined[name]
		s.addRules(group, kind, &c.IgnoreDifferences.ignored, &c.IgnoreUpdates.ignored)
		s.addTypes(group, kind, c.KnownTypes)
		s.addScripts(Customization{Group: group, Kind: kind, Health: c.Health, OpenLibs: c.OpenLibs, Actions: c.Actions.Actions})
	}
	scripts := map[string]Customization{}
	for _, key := range sortedKeys(r.data) {
		rest, ok := strings.CutPrefix(key, Customizations+".")
		if !ok {
			continue
		}
		what, name, ok := strings.Cut(rest, ".")
		if !ok {
			continue
		}
		group, kind, err := splitKind(name)
		if err != nil {
			r.problem(key, err)
			continue
		}
		id := group + "/" + kind
		script := scripts[id]
		script.Group, script.Kind = group, kind
		scripts[id] = readCustomization(r, s, key, what, script)
	}
	for _, name := range sortedKeys(scripts) {
		s.addScripts(scripts[name])
	}
	switch {
	case !ignoreUpdates:
		s.IgnoreUpdates = nil
	case s.Compare.IgnoreDifferencesOnUpdates:
		s.IgnoreUpdates = slices.Concat(s.IgnoreUpdates, s.IgnoreDifferences)
	}
}

// readCustomization reads one key of the form resource.customizations.<what>.<kind>: a rule into s, or a part of the
// kind's scripts, which it returns.
func readCustomization(r *reader, s *Settings, key, what string, script Customization) Customization {
	var rule ignored
	switch what {
	case "ignoreDifferences":
		value(r, key, &rule, fromYAML[ignored])
		s.addRules(script.Group, script.Kind, &rule, nil)
	case "ignoreResourceUpdates":
		value(r, key, &rule, fromYAML[ignored])
		s.addRules(script.Group, script.Kind, nil, &rule)
	case "health":
		script.Health = r.data[key]
	case "useOpenLibs":
		value(r, key, &script.OpenLibs, boolean)
	case "actions":
		value(r, key, &script.Actions, parseActions)
		if _, err := parseActions(r.data[key]); err != nil && script.Actions == nil {
			script.Actions = &Actions{Broken: err}
		}
	case "knownTypeFields":
		var fields []typed
		value(r, key, &fields, fromYAML[[]typed])
		s.addTypes(script.Group, script.Kind, fields)
	default:
		r.problem(key, fmt.Errorf("no customization is called %q; there are health, useOpenLibs, actions, ignoreDifferences, ignoreResourceUpdates, knownTypeFields", clip(what)))
	}
	return script
}

func (s *Settings) addRules(group, kind string, differences, updates *ignored) {
	for _, r := range []struct {
		rule *ignored
		dst  *v1alpha1.IgnoreDifferences
	}{{differences, &s.IgnoreDifferences}, {updates, &s.IgnoreUpdates}} {
		if r.rule != nil && len(r.rule.JSONPointers)+len(r.rule.JQPathExpressions)+len(r.rule.ManagedFieldsManagers) > 0 {
			*r.dst = append(*r.dst, r.rule.rule(group, kind))
		}
	}
}

func (s *Settings) addTypes(group, kind string, fields []typed) {
	for _, f := range fields {
		s.KnownTypes = append(s.KnownTypes, KnownType{Group: group, Kind: kind, Field: f.Field, Type: f.Type})
	}
}

func (s *Settings) addScripts(c Customization) {
	if c.Health != "" || c.Actions != nil {
		s.Scripts = append(s.Scripts, c)
	}
}

func combinedForm(text string) (map[string]custom, error) {
	return fromYAML[map[string]custom](text)
}

// combinedKind splits the "group/Kind" of the combined form; the core group is not written.
func combinedKind(name string) (group, kind string) {
	if group, kind, ok := strings.Cut(name, "/"); ok {
		return group, kind
	}
	return "", name
}

// splitKind splits the "group_Kind" of a key; the core group is not written, and all stands for every kind.
func splitKind(name string) (group, kind string, err error) {
	if name == "all" {
		return "*", "*", nil
	}
	parts := strings.Split(name, "_")
	switch {
	case len(parts) == 1 && name != "":
		return "", name, nil
	case len(parts) == 2 && parts[1] != "":
		return parts[0], parts[1], nil
	}
	return "", "", fmt.Errorf("%q is no kind; write <group>_<Kind>, or <Kind> for the core group", clip(name))
}

// readPending names keys that Argo CD acts on and Belay does not yet, where that may surprise.
func readPending(config map[string]string, s *Settings) {
	for _, key := range sortedKeys(config) {
		switch {
		case key == "resource.respectRBAC",
			strings.HasPrefix(key, "kustomize.buildOptions."), strings.HasPrefix(key, "kustomize.path."), strings.HasPrefix(key, "kustomize.version."):
			s.Pending = append(s.Pending, key)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
