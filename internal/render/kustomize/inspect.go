package kustomize

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/belaycd/belay/internal/fault"
)

// suspicious reports whether a kustomization holds one of the texts without which it can neither name something remote
// nor a chart, a plugin or a schema. A backslash, a tag or an alias could spell any of them.
func suspicious(data []byte) bool {
	lower := string(bytes.ToLower(data))
	for _, s := range []string{
		":/", "@", "git", "http", "file:", `\`, "!", "helm", "openapi", "generators", "transformers", "validators",
	} {
		if strings.Contains(lower, s) {
			return true
		}
	}
	return false
}

// inspect refuses a kustomization that would make the library clone a repository, fetch a URL or run a program: the library
// has no switch against the first two. What may be opened stands as a path in the text that is returned. Kustomizations
// above suspicion are not parsed twice.
func (t *tree) inspect(name string, data []byte) ([]byte, error) {
	t.read = append(t.read, kustomization{name, data})
	if len(t.read) > maxKustomizations {
		return nil, fault.New(fault.Invalid, "%s: the build reads more than %d kustomizations", name, maxKustomizations)
	}
	if !suspicious(data) && !strings.HasPrefix(name, remotePrefix) {
		return data, nil
	}
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return data, nil // the library stops at the same error, before it follows any reference
	}
	k.FixKustomization()
	if len(k.OpenAPI) > 0 && !t.ownSchema {
		return nil, errOwnSchema
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
		return nil, fault.New(fault.Invalid, "%s: helmCharts are not supported: a build starts no process; "+
			"render the chart as a source of its own", place(name, data, "helmChart"))
	}
	out, err := t.mountRemotes(name, data, &k)
	if err != nil {
		return nil, err
	}
	return out, t.inspectPlugins(name, &k)
}

// reference is one path of a kustomization.
type reference struct {
	field, path string
	// dir says that a path that is no file is taken for a directory or a repository.
	dir bool
}

func references(k *types.Kustomization) []reference {
	var out []reference
	add := func(field string, dir bool, paths ...string) {
		for _, p := range paths {
			if p != "" && !strings.Contains(p, "\n") { // with a line break it is an inline object
				out = append(out, reference{field, p, dir})
			}
		}
	}
	add("resources", true, k.Resources...)
	add("components", true, k.Components...)
	add("generators", true, k.Generators...)
	add("transformers", true, k.Transformers...)
	add("validators", true, k.Validators...)
	add("configurations", false, k.Configurations...)
	add("crds", false, k.Crds...)
	add("openapi", false, k.OpenAPI["path"])
	for _, p := range k.PatchesStrategicMerge {
		add("patchesStrategicMerge", false, string(p))
	}
	for _, p := range append(append([]types.Patch{}, k.Patches...), k.PatchesJson6902...) {
		add("patches", false, p.Path)
	}
	for _, r := range k.Replacements {
		add("replacements", false, r.Path)
	}
	pairs := func(field string, sources types.KvPairSources) {
		for _, p := range sources.FileSources {
			if _, file, ok := strings.Cut(p, "="); ok {
				p = file
			}
			add(field, false, p)
		}
		add(field, false, sources.EnvSources...)
		add(field, false, sources.EnvSource)
	}
	for _, g := range k.ConfigMapGenerator {
		pairs("configMapGenerator", g.KvPairSources)
	}
	for _, g := range k.SecretGenerator {
		pairs("secretGenerator", g.KvPairSources)
	}
	return out
}

func (r reference) isRemote() bool {
	return isRemoteFile(r.path) || r.dir && isRepository(r.path)
}

// isRemoteFile is the library's own test for "fetch this over HTTP".
func isRemoteFile(p string) bool {
	u, err := url.Parse(p)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

var userAt = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]*@.*[/:]`)

// isRepository is true for all that the library would clone, and for a few odd paths more.
func isRepository(p string) bool {
	lower := strings.ToLower(p)
	lower = strings.TrimPrefix(lower, "git::")
	for _, scheme := range []string{"ssh://", "https://", "http://", "file://"} {
		if strings.HasPrefix(lower, scheme) {
			return true
		}
	}
	return userAt.MatchString(lower) || strings.HasPrefix(lower, "github.com/") || strings.HasPrefix(lower, "github.com:")
}

// redact takes credentials out of a URL.
func redact(ref string) string {
	if u, err := url.Parse(ref); err == nil && u.User != nil {
		return u.Redacted()
	}
	return ref
}

// place is file:line of the first line that contains text.
func place(name string, data []byte, text string) string {
	if i := bytes.Index(data, []byte(text)); i >= 0 {
		return name + ":" + strconv.Itoa(1+bytes.Count(data[:i], []byte("\n")))
	}
	return name
}

// inspectPlugins looks into the configurations of generators, transformers and validators: inline, in a file, or
// the result of a kustomization.
func (t *tree) inspectPlugins(name string, k *types.Kustomization) error {
	if t.pluginDepth++; t.pluginDepth > maxPluginDepth {
		return fault.New(fault.Invalid, "%s: generators and transformers are built from one another more than %d levels deep", name, maxPluginDepth)
	}
	defer func() { t.pluginDepth-- }()
	var entries []string
	entries = append(append(append(entries, k.Generators...), k.Transformers...), k.Validators...)
	for _, entry := range entries {
		if strings.Contains(entry, "\n") {
			if err := inspectPlugin(name, []byte(entry)); err != nil {
				return err
			}
			continue
		}
		target := path.Join(mount, path.Dir(name), entry)
		if t.IsDir(target) {
			rel, err := t.inside(target)
			if err != nil {
				return err
			}
			resources, err := t.build(rel)
			if err != nil {
				return t.reason // nil: the library meets the same error again and reports it
			}
			for _, res := range resources.Resources() {
				if err := inspectNode(rel, res.YNode()); err != nil {
					return err
				}
			}
			continue
		}
		content, err := t.ReadFile(target)
		if err != nil {
			return t.reason
		}
		rel, err := t.inside(target)
		if err != nil {
			return err
		}
		if err := inspectPlugin(rel, content); err != nil {
			return err
		}
	}
	return nil
}

func inspectPlugin(name string, data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return nil // the end, or a syntax error that the library reports
		}
		if err := inspectNode(name, &doc); err != nil {
			return err
		}
	}
}

// inspectNode refuses remote paths in the fields from which built-in plugins load files.
func inspectNode(name string, n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		return nil // its anchor stands in the same document
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			field := n.Content[i-1].Value
			switch strings.ToLower(field) {
			case "path", "paths", "files", "envs", "env":
				if err := inspectLeaves(name, field, child); err != nil {
					return err
				}
			case "kind":
				if strings.Contains(child.Value, "HelmChartInflation") {
					return fault.New(fault.Invalid, "%s:%d: HelmChartInflationGenerator is not supported: a build starts no process", name, child.Line)
				}
			}
		}
		if err := inspectNode(name, child); err != nil {
			return err
		}
	}
	return nil
}

func inspectLeaves(name, field string, n *yaml.Node) error {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		p := n.Value
		if _, file, ok := strings.Cut(p, "="); ok && isRemoteFile(file) {
			p = file
		}
		if isRemoteFile(p) {
			return fault.New(fault.Denied, "%s:%d: %s: remote reference %q is refused: renders reach no network", name, n.Line, field, redact(p))
		}
		return nil
	}
	for _, child := range n.Content {
		if err := inspectLeaves(name, field, child); err != nil {
			return err
		}
	}
	return nil
}

// findMissing names the first reference of the kustomizations read so far that does not exist; the library's own
// message lists all the ways in which it tried to make sense of it.
func (t *tree) findMissing() error {
	for _, file := range t.read {
		var k types.Kustomization
		if k.Unmarshal(file.data) != nil {
			continue
		}
		k.FixKustomization()
		for _, ref := range references(&k) {
			if path.IsAbs(ref.path) || ref.isRemote() {
				continue
			}
			target := path.Join(mount, path.Dir(file.name), ref.path)
			rel, err := t.inside(target)
			if err != nil {
				return err
			}
			if ref.field == "patchesStrategicMerge" && !strings.HasSuffix(ref.path, "ml") {
				continue // may be an inline patch of one line
			}
			if !t.Exists(target) {
				return fault.New(fault.Invalid, "%s: %s: %s does not exist", t.shown(place(file.name, file.data, ref.path)), ref.field, t.shown(rel))
			}
		}
	}
	return nil
}

// deprecations names old fields, once per file and field.
func (t *tree) deprecations() []string {
	replaced := []struct{ field, by string }{
		{"bases", "resources"}, {"commonLabels", "labels"}, {"imageTags", "images"}, {"vars", "replacements"},
		{"patchesStrategicMerge", "patches"}, {"patchesJson6902", "patches"},
	}
	var out []string
	seen := map[string]bool{}
	for _, file := range t.read {
		for _, r := range replaced {
			at := bytes.Index(file.data, []byte(r.field+":"))
			if at < 0 || at > 0 && file.data[at-1] != '\n' {
				continue
			}
			warning := fmt.Sprintf("%s: %s is deprecated, use %s", file.name, r.field, r.by)
			if !seen[warning] {
				seen[warning] = true
				out = append(out, warning)
			}
		}
	}
	return out
}
