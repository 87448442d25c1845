package discover

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// tree is what a walk has found; all names are ordered.
type tree struct {
	// manifests are YAML and JSON files outside charts.
	manifests []string
	// kustomizations and charts are directories.
	kustomizations, charts []string
}

// kustomizationNames are the files that make a directory a kustomization.
func kustomizationNames() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}

// walk lists the tree. Hidden directories and those of package managers hold no manifests.
func walk(files source.FS, paths []string) (tree, error) {
	var t tree
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for _, root := range paths {
		root = path.Clean(root)
		err := fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return t.visit(files, root, name, d)
		})
		if err != nil {
			return tree{}, fault.New(fault.NotFound, "read %s: %w", root, err)
		}
	}
	for _, list := range []*[]string{&t.manifests, &t.kustomizations, &t.charts} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return t, nil
}

func (t *tree) visit(files source.FS, root, name string, d fs.DirEntry) error {
	base := path.Base(name)
	if d.IsDir() {
		if name != root && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "vendor") {
			return fs.SkipDir
		}
		if _, err := fs.Stat(files, path.Join(name, "Chart.yaml")); err == nil {
			t.charts = append(t.charts, name)
			return fs.SkipDir
		}
		return nil
	}
	switch {
	case slices.Contains(kustomizationNames(), base):
		t.kustomizations = append(t.kustomizations, path.Dir(name))
	case slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(base)):
		t.manifests = append(t.manifests, name)
	}
	return nil
}

// without leaves out the manifests in files and directories that are not deployed: the team's own policies.
func (t *tree) without(paths []string) {
	t.manifests = slices.DeleteFunc(t.manifests, func(name string) bool {
		return slices.ContainsFunc(paths, func(p string) bool {
			p = path.Clean(p)
			return name == p || strings.HasPrefix(name, p+"/")
		})
	})
}

// kustomization is what tells which directories a kustomization uses.
type kustomization struct {
	Kind       string   `json:"kind"`
	Resources  []string `json:"resources"`
	Bases      []string `json:"bases"`
	Components []string `json:"components"`
}

// roots are the kustomizations that no other one uses, components aside: these make sense as a part only.
func (t *tree) roots(files source.FS) []string {
	used := map[string]bool{}
	for _, dir := range t.kustomizations {
		k := readKustomization(files, dir)
		if k.Kind == "Component" {
			used[dir] = true
		}
		for _, r := range slices.Concat(k.Resources, k.Bases, k.Components) {
			used[path.Join(dir, r)] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(t.kustomizations), func(dir string) bool { return used[dir] })
}

// readKustomization reads what it can: a broken one is for the renderer to tell about.
func readKustomization(files source.FS, dir string) (k kustomization) {
	for _, name := range kustomizationNames() {
		data, err := fs.ReadFile(files, path.Join(dir, name))
		if err != nil {
			continue
		}
		_ = yaml.Unmarshal(data, &k)
		return k
	}
	return k
}

// isManifest reports whether a file holds Kubernetes objects, broken or not.
func (t *tree) isManifest(files source.FS, name string) bool {
	data, err := fs.ReadFile(files, name)
	if err != nil || strings.HasSuffix(name, "_test.yaml") && (bytes.HasPrefix(data, []byte("cases:")) || bytes.Contains(data, []byte("\ncases:"))) {
		return false // cases of the team's policies
	}
	return bytes.Contains(data, []byte("apiVersion")) && bytes.Contains(data, []byte("kind"))
}

// reads is a file tree that notes which files are read.
type reads struct {
	source.FS
	mu    sync.Mutex
	files []string
}

func (r *reads) note(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = append(r.files, name)
}

// Open implements fs.FS.
func (r *reads) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err == nil {
		if info, serr := f.Stat(); serr == nil && !info.IsDir() {
			r.note(name)
		}
	}
	return f, err
}

// ReadFile implements fs.ReadFileFS.
func (r *reads) ReadFile(name string) ([]byte, error) {
	data, err := r.FS.ReadFile(name)
	if err == nil {
		r.note(name)
	}
	return data, err
}

// names returns the files in the order of their first read.
func (r *reads) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(r.files), func(name string) bool {
		dup := seen[name]
		seen[name] = true
		return dup
	})
}

func fromUnstructured(in map[string]any, out any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(in, out); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
