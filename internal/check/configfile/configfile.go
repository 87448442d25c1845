// Package configfile reads what a team has set for its checks: a file goes in; a check.Config comes out, or an error that names the
// file, the line and what is wrong there.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/fault"
)

// maxSize bounds a file of settings.
const maxSize = 1 << 20

// Read returns what the repository has set: the zero Config if it has no check.ConfigFile. Rules are those that the file may name;
// nil stands for any, for files of other versions.
func Read(files fs.FS, rules []check.Rule) (check.Config, error) {
	data, err := fs.ReadFile(files, check.ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return check.Config{}, nil
	}
	if err != nil {
		return check.Config{}, err
	}
	return Parse(check.ConfigFile, data, rules)
}

// Parse reads the file of that name.
func Parse(name string, data []byte, rules []check.Rule) (check.Config, error) {
	var config check.Config
	if len(data) > maxSize {
		return config, fault.New(fault.Invalid, "%s: larger than %d bytes", name, maxSize)
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return config, nil
	} else if err != nil {
		return config, fault.New(fault.Invalid, "%s", syntax(name, err))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return config, fault.New(fault.Invalid, "%s: more than one YAML document; settings are a single one", name)
	}
	r := &reader{file: name}
	if root := doc.Content[0]; !isNull(root) {
		r.decode(root, valueOf(&config), "")
		r.judge(root, &config, rules)
	}
	if len(r.errs) > 0 {
		return check.Config{}, fault.As(fault.Invalid, errors.Join(r.errs...))
	}
	return config, nil
}

// syntax writes an error of the YAML parser as file:line: cause.
func syntax(name string, err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, cause, ok := strings.Cut(rest, ": "); ok {
			return fmt.Sprintf("%s:%s: %s", name, line, cause)
		}
	}
	return name + ": " + text
}

// judge looks at what the types do not tell.
func (r *reader) judge(root *yaml.Node, c *check.Config, rules []check.Rule) {
	known := func(id string) bool {
		return rules == nil || slices.ContainsFunc(rules, func(r check.Rule) bool { return r.ID == id })
	}
	name := func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && !known(n.Value) {
			r.fail(n, "unknown rule %q%s", n.Value, suggestion(n.Value, ids(rules)))
		}
	}
	for _, n := range keys(child(root, "severities")) {
		name(n)
	}
	for _, n := range elements(child(root, "nonWaivable")) {
		name(n)
	}
	for i, n := range elements(child(root, "overrides")) {
		for _, k := range keys(child(n, "severities")) {
			name(k)
		}
		if i < len(c.Overrides) {
			if o := c.Overrides[i]; len(o.Units)+len(o.Paths)+len(o.Clusters) == 0 {
				r.fail(n, "an override needs units, paths or clusters; what is for all stands at the top")
			}
		}
	}
	version := regexp.MustCompile(`^1\.\d{1,3}(\.\d{1,3})?$`)
	for _, n := range elements(child(root, "kubeVersions")) {
		if !version.MatchString(n.Value) {
			r.fail(n, "%q is not a version of Kubernetes such as 1.37", n.Value)
		}
	}
	for _, n := range elements(child(root, "exceptions")) {
		r.exception(n, name)
	}
	if n := child(child(root, "evidence"), "maxSeverity"); n != nil && !slices.Contains([]string{"none", "low", "medium", "high", "critical"}, n.Value) {
		r.fail(n, "unknown severity %q of vulnerabilities: one of none, low, medium, high, critical", n.Value)
	}
}

// exception looks for what an exception must have.
func (r *reader) exception(n *yaml.Node, name func(*yaml.Node)) {
	for _, field := range []string{"rule", "reason", "owner"} {
		v := child(n, field)
		switch {
		case v == nil || strings.TrimSpace(v.Value) == "":
			r.fail(n, "an exception needs its %s", field)
		case field == "rule":
			name(v)
		}
	}
	selectors := []string{"unit", "kind", "namespace", "name", "container", "file"}
	if !slices.ContainsFunc(selectors, func(s string) bool { return child(n, s) != nil }) {
		r.fail(n, "an exception needs one of %s; a rule that is wanted nowhere is set to off under severities", strings.Join(selectors, ", "))
	}
}

func ids(rules []check.Rule) (out []string) {
	for _, r := range rules {
		out = append(out, r.ID)
	}
	return out
}
