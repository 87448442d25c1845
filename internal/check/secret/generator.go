package secret

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
)

// generators are the secretGenerators and configMapGenerators of kustomizations, by file.
type generators struct {
	repo   *check.Repository
	byFile map[string][]*generator
}

// generator is one of them.
type generator struct{ kind, name string }

func newGenerators(repo *check.Repository) *generators {
	return &generators{repo: repo, byFile: map[string][]*generator{}}
}

// of returns the generator that made an object, nil if none did.
func (g *generators) of(o *check.Object) (found *generator) {
	for _, name := range o.Unit.Reads {
		if !slices.Contains(render.KustomizationNames(), path.Base(name)) {
			continue
		}
		for _, gen := range g.read(name) {
			if gen.kind == o.GetKind() && strings.Contains(o.GetName(), gen.name) && (found == nil || len(gen.name) > len(found.name)) {
				found = gen
			}
		}
	}
	return found
}

func (g *generators) read(file string) []*generator {
	if all, ok := g.byFile[file]; ok {
		return all
	}
	var all []*generator
	data, err := fs.ReadFile(g.repo.Files, file)
	var doc yaml.Node
	if err == nil && yaml.Unmarshal(data, &doc) == nil && len(doc.Content) > 0 {
		for field, kind := range map[string]string{"secretGenerator": "Secret", "configMapGenerator": "ConfigMap"} {
			list := child(doc.Content[0], field)
			if list == nil {
				continue
			}
			for _, n := range list.Content {
				if name := child(n, "name"); name != nil {
					all = append(all, &generator{kind: kind, name: name.Value})
				}
			}
		}
	}
	g.byFile[file] = all
	return all
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
