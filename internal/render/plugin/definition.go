package plugin

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

const maxDefinition = 1 << 20 // bytes of one file

// Definition is a ConfigManagementPlugin as Argo CD's sidecars have it in plugin.yaml.
type Definition struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec Spec `json:"spec"`
}

// Spec says how a plugin finds its sources and what it runs.
type Spec struct {
	// Version is part of the name by which Applications ask for the plugin: <name>-<version>.
	Version  string   `json:"version"`
	Init     Command  `json:"init"`
	Generate Command  `json:"generate"`
	Discover Discover `json:"discover"`
	// PreserveFileMode keeps files executable.
	PreserveFileMode bool `json:"preserveFileMode"`
	ProvideGitCreds  bool `json:"provideGitCreds"`
}

// Command is a program and its arguments, in two lists that are joined.
type Command struct {
	Command []string `json:"command"`
	Args    []string `json:"args"`
}

// Discover says which sources a plugin is for; the first of its fields that is set counts.
type Discover struct {
	FileName string `json:"fileName"`
	Find     struct {
		Command `json:",inline"`
		Glob    string `json:"glob"`
	} `json:"find"`
}

// Name is the name by which Applications ask for the plugin.
func (d *Definition) Name() string {
	if d.Spec.Version == "" {
		return d.Metadata.Name
	}
	return d.Metadata.Name + "-" + d.Spec.Version
}

// discovers reports whether the plugin looks for its sources by itself.
func (d *Definition) discovers() bool {
	return d.Spec.Discover.FileName != "" || d.Spec.Discover.Find.Glob != "" || len(d.Spec.Discover.Find.Command.Command) > 0
}

// Load reads the definitions of a directory: the .yaml and .yml files in it, sorted by the plugins' names. A directory
// without any is an error, as is a definition that could never work: whoever names a directory wants plugins.
func Load(dir string) ([]Definition, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read plugins: %w", err)
	}
	var out []Definition
	from := map[string]string{}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".yaml" && ext != ".yml" {
			continue
		}
		file := filepath.Join(dir, e.Name())
		d, err := read(file)
		if err != nil {
			return nil, fault.New(fault.Invalid, "read plugin %s: %w", file, err)
		}
		if other, twice := from[d.Name()]; twice {
			return nil, fault.New(fault.Invalid, "read plugin %s: %s defines a plugin %s already", file, other, d.Name())
		}
		from[d.Name()] = file
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Invalid, "read plugins: there is no .yaml file in %s", dir)
	}
	slices.SortFunc(out, func(a, b Definition) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

func read(file string) (Definition, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Definition{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxDefinition {
		return Definition{}, fmt.Errorf("a file of at most %d bytes is wanted", maxDefinition)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Definition{}, err
	}
	return Parse(data)
}

// Parse reads one definition.
func Parse(data []byte) (Definition, error) {
	var d Definition
	if err := yaml.Unmarshal(bytes.TrimPrefix(data, []byte("---\n")), &d); err != nil {
		return d, err
	}
	if d.Kind != "ConfigManagementPlugin" || d.APIVersion != v1alpha1.Group+"/v1alpha1" {
		return d, fmt.Errorf("it is %s of %s, a ConfigManagementPlugin of %s/v1alpha1 is wanted", orNothing(d.Kind), orNothing(d.APIVersion), v1alpha1.Group)
	}
	if errs := validation.IsDNS1123Subdomain(d.Metadata.Name); len(errs) > 0 {
		return d, fmt.Errorf("metadata.name %q: %s", d.Metadata.Name, errs[0])
	}
	if len(d.Spec.Generate.Command) == 0 {
		return d, fmt.Errorf("spec.generate.command is empty")
	}
	for field, c := range map[string]Command{"init": d.Spec.Init, "generate": d.Spec.Generate, "discover.find": d.Spec.Discover.Find.Command} {
		if len(c.Command) > 0 && c.Command[0] == "" {
			return d, fmt.Errorf("spec.%s.command names no program", field)
		}
	}
	if err := checkPattern(d.Spec.Discover.FileName, func(p string) error { _, err := path.Match(p, ""); return err }); err != nil {
		return d, fmt.Errorf("spec.discover.fileName: %w", err)
	}
	err := checkPattern(d.Spec.Discover.Find.Glob, func(p string) error {
		if !doublestar.ValidatePattern(p) {
			return doublestar.ErrBadPattern
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("spec.discover.find.glob: %w", err)
	}
	return d, nil
}

func checkPattern(pattern string, check func(string) error) error {
	if pattern == "" {
		return nil
	}
	if clean := path.Clean(pattern); path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("%q looks outside the application's directory", pattern)
	}
	return check(pattern)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// version names a set of definitions: renders by other ones are not reused.
func version(defs []Definition) string { return object.Hash([]any{"plugins", defs}) }
