package kustomize

import (
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	// remotePrefix begins the names under which the library sees remotes, beside the repository's own files.
	remotePrefix = ".remote-of-this-build-"
	maxRemotes   = 50 // of one build
)

// mounted is a remote of the build and where the library sees it.
type mounted struct {
	remote render.Remote
	name   string
	files  source.FS
}

// mountRemotes opens the remote references of a kustomization and returns its text with paths in their place. The library
// itself must see none: it would fetch them.
func (t *tree) mountRemotes(name string, data []byte, k *types.Kustomization) ([]byte, error) {
	paths := map[string]string{}
	for _, ref := range references(k) {
		if !ref.isRemote() {
			if err := t.staysInRemote(name, ref.path); err != nil {
				return nil, err
			}
			continue
		}
		if _, ok := paths[ref.path]; ok {
			continue
		}
		refused := func(err error) error {
			return fault.New(fault.KindOf(err), "%s: %s: remote reference %q: %w", place(name, data, ref.path), ref.field, redact(ref.path), err)
		}
		openable := ref.field == "resources" || ref.field == "components"
		if openable && !render.HasRemotes(t.ctx) {
			return nil, fault.New(fault.Denied, "%s: %s: remote reference %q is refused: %w; copy it into the repository",
				place(name, data, ref.path), ref.field, redact(ref.path), render.ErrOffline)
		}
		if !openable {
			return nil, fault.New(fault.Denied, "%s: %s: remote reference %q is refused: renders reach no network; "+
				"copy it into the repository", place(name, data, ref.path), ref.field, redact(ref.path))
		}
		remote, below, err := parseRemote(ref.path)
		if err != nil {
			return nil, refused(err)
		}
		remote.Project = t.project
		at, err := t.mount(remote)
		if err != nil {
			return nil, refused(err)
		}
		if remote.Kind == render.RemoteFile {
			paths[ref.path] = at // beside the kustomization: the library loads files from nowhere else
			continue
		}
		if paths[ref.path], err = relative(path.Dir(name), path.Join(at, below)); err != nil {
			return nil, refused(err)
		}
	}
	if len(paths) == 0 {
		return data, nil
	}
	return replaceRemotes(name, data, paths)
}

// mount opens a remote, once for the build, and returns the path at which the library sees it.
func (t *tree) mount(remote render.Remote) (string, error) {
	for _, m := range t.mounts {
		if m.remote == remote {
			return m.name, nil
		}
	}
	if len(t.mounts) >= maxRemotes {
		return "", fault.New(fault.Invalid, "the build has more than %d remotes", maxRemotes)
	}
	files, err := render.OpenRemote(t.ctx, t.files, remote)
	if err != nil {
		return "", err
	}
	m := mounted{remote: remote, name: remotePrefix + strconv.Itoa(len(t.mounts)), files: files}
	if remote.Kind == render.RemoteFile {
		m.name += ".yaml"
	}
	t.mounts = append(t.mounts, m)
	return m.name, nil
}

// at returns the file tree that holds a path of the build, and the path in it.
func (t *tree) at(rel string) (source.FS, string) {
	first, rest, below := strings.Cut(rel, "/")
	for _, m := range t.mounts {
		switch {
		case m.remote.Kind == render.RemoteFile:
			if path.Base(rel) == m.name {
				return m.files, render.RemoteFileName
			}
		case m.name != first:
		case !below:
			return m.files, "."
		default:
			return m.files, rest
		}
	}
	return t.files, rel
}

// staysInRemote refuses a reference of a kustomization in a remote that leads out of it.
func (t *tree) staysInRemote(name, ref string) error {
	first, _, _ := strings.Cut(name, "/")
	if !strings.HasPrefix(first, remotePrefix) {
		return nil
	}
	if target := path.Join(path.Dir(name), ref); target != first && !strings.HasPrefix(target, first+"/") {
		return fault.New(fault.Denied, "%s: %s leaves the repository", t.shown(name), ref)
	}
	return nil
}

// shown replaces the names of mounts in a text by what is mounted there.
func (t *tree) shown(text string) string {
	for _, m := range t.mounts {
		text = strings.ReplaceAll(text, m.name, redact(m.remote.URL))
	}
	return text
}

// relative returns the path from directory dir to target, both from the root of the build.
func relative(dir, target string) (string, error) {
	if !fs.ValidPath(target) {
		return "", fault.New(fault.Denied, "the path leaves the repository")
	}
	if dir == "." {
		return target, nil
	}
	return strings.Repeat("../", 1+strings.Count(dir, "/")) + target, nil
}

// replaceRemotes puts paths in the place of remote references. Only lists of references have them as items.
func replaceRemotes(name string, data []byte, paths map[string]string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || doc.Kind != yaml.DocumentNode || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fault.New(fault.Invalid, "%s: the kustomization cannot be read", name)
	}
	root := doc.Content[0]
	replaced := 0
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch root.Content[i].Value {
		case "resources", "bases", "components":
			for _, item := range deref(root.Content[i+1]).Content {
				if target, ok := paths[deref(item).Value]; ok {
					deref(item).SetString(target)
					replaced++
				}
			}
		}
	}
	if replaced < len(paths) {
		return nil, fault.New(fault.Invalid, "%s: a remote reference is written in a way that cannot be followed", name)
	}
	out, err := yaml.Marshal(&doc)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %w", name, err)
	}
	return out, nil
}

func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// parseRemote reads a reference in the forms that Kustomize documents: URL//path?ref=REF, with or without the double slash
// behind .git or behind github.com/owner/name, user@host:path, and plain https URLs of files.
func parseRemote(ref string) (remote render.Remote, below string, err error) {
	address, query, _ := strings.Cut(strings.TrimPrefix(ref, "git::"), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return remote, "", fault.New(fault.Invalid, "what follows the question mark cannot be read")
	}
	version := values.Get("ref")
	if version == "" {
		version = values.Get("version")
	}
	if version == "" && isRemoteFile(address) && isManifest(address) {
		return render.Remote{Kind: render.RemoteFile, URL: ref}, "", nil
	}
	if strings.HasPrefix(strings.ToLower(address), "file:") {
		return remote, "", fault.New(fault.Denied, "local repositories are not allowed")
	}
	address, below = splitRepository(address)
	if address == "" {
		return remote, "", fault.New(fault.Invalid, "the address names no repository")
	}
	below = path.Join("/", below)[1:] // never above the root of the remote
	return render.Remote{Kind: render.RemoteGit, URL: address, Version: version}, below, nil
}

func isManifest(address string) bool {
	for _, end := range []string{".yaml", ".yml", ".json"} {
		if strings.HasSuffix(address, end) {
			return !strings.Contains(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://"), "//")
		}
	}
	return false
}

// splitRepository takes the address of a repository and the path in it apart.
func splitRepository(s string) (repository, below string) {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 {
		start = i + 3
	}
	if i := strings.Index(s[start:], "//"); i >= 0 {
		return githubURL(s[:start+i]), s[start+i+2:]
	}
	if i := strings.Index(s, ".git/"); i >= 0 {
		return githubURL(s[:i+len(".git")]), s[i+len(".git/"):]
	}
	if strings.HasSuffix(s, ".git") {
		return githubURL(s), ""
	}
	// Without a mark, the repository is host/owner/name, as at GitHub.
	separators, end := 3, -1
	if start == 0 && strings.Contains(s, ":") {
		separators = 2 // user@host:owner/name
	}
	for i := start; i < len(s); i++ {
		if s[i] != '/' {
			continue
		}
		if separators--; separators == 0 {
			end = i
			break
		}
	}
	if end < 0 {
		return githubURL(strings.TrimSuffix(s, "/")), ""
	}
	return githubURL(s[:end]), s[end+1:]
}

// githubURL completes the short form github.com/owner/name.
func githubURL(s string) string {
	lower := strings.ToLower(s)
	if rest, ok := strings.CutPrefix(lower, "github.com"); ok && rest != "" && (rest[0] == '/' || rest[0] == ':') {
		return "https://github.com/" + s[len("github.com/"):]
	}
	return s
}
