package locate

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
)

const (
	maxKustomizations = 1000
	maxNesting        = 50
)

// build is how a kustomization makes its objects.
type build struct {
	l         *Locator
	resources []*resource
	read      int
}

// resource is an object before it is rendered, and all that is done to it.
type resource struct {
	kind, namespace string
	// names are those that it has had, the present one last.
	names []string
	// hashed says that a hash of the content is added to the name.
	hashed bool
	layers []layer
}

func (r *resource) name() string { return r.names[len(r.names)-1] }

// build reads the kustomization of a unit, once.
func (l *Locator) build(u *check.Unit) *build {
	if b, ok := l.builds[u]; ok {
		return b
	}
	b := &build{l: l}
	l.builds[u] = b
	if u.App == nil {
		b.resources = b.kustomization(u.Path, 0)
		return b
	}
	for _, src := range u.App.Spec.GetSources() {
		if src.Path == "" {
			continue
		}
		found := b.kustomization(path.Clean(src.Path), 0)
		if k := l.overrides(u); k != nil {
			found = b.apply(&kustomization{build: b, dir: path.Clean(src.Path), file: u.Definition.File, root: k}, found)
		}
		b.resources = append(b.resources, found...)
	}
	return b
}

// overrides is what an Application lays over its kustomization.
func (l *Locator) overrides(u *check.Unit) *yaml.Node {
	for _, d := range l.documents(u.Definition.File) {
		if d.kind == "Application" && d.name == u.App.Name {
			return child(child(child(d.root, "spec"), "source"), "kustomize")
		}
	}
	return nil
}

// find returns the resource that an object was made from, nil when that is not certain.
func (b *build) find(o *check.Object) *resource {
	var found []*resource
	for _, r := range b.resources {
		if r.kind == o.GetKind() && (r.name() == o.GetName() || r.hashed && withoutHash(o.GetName()) == r.name()) {
			found = append(found, r)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(r *resource) bool { return r.namespace != "" && r.namespace != o.GetNamespace() })
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

func withoutHash(name string) string {
	if i := strings.LastIndexByte(name, '-'); i > 0 && len(name)-i == 11 {
		return name[:i]
	}
	return name
}

// kustomization is a layer: what one kustomization does to all that it has.
type kustomization struct {
	build *build
	dir   string
	file  string
	root  *yaml.Node
}

func (b *build) open(dir string) *kustomization {
	for _, base := range render.KustomizationNames() {
		name := path.Join(dir, base)
		if roots := parse(b.l.text(name)); len(roots) > 0 && roots[0].Kind == yaml.MappingNode {
			return &kustomization{build: b, dir: dir, file: name, root: roots[0]}
		}
	}
	return nil
}

func (b *build) kustomization(dir string, depth int) []*resource {
	if b.read++; b.read > maxKustomizations || depth > maxNesting {
		return nil
	}
	k := b.open(dir)
	if k == nil {
		return nil
	}
	return b.complete(k, nil, depth)
}

// complete adds to resources those of the kustomization, and applies it to all of them.
func (b *build) complete(k *kustomization, resources []*resource, depth int) []*resource {
	for _, field := range []string{"resources", "bases"} {
		for _, n := range elements(child(k.root, field)) {
			at := path.Join(k.dir, n.Value)
			if info, err := b.l.files.Stat(at); err == nil && info.IsDir() {
				resources = append(resources, b.kustomization(at, depth+1)...)
				continue
			}
			for _, d := range b.l.documents(at) {
				resources = append(resources, &resource{kind: d.kind, namespace: d.namespace, names: []string{d.name}, layers: []layer{document{file: at, root: d.root}}})
			}
		}
	}
	for field, kind := range map[string]string{"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"} {
		for _, n := range elements(child(k.root, field)) {
			if behavior := scalar(child(n, "behavior")); behavior == "merge" || behavior == "replace" {
				continue // found in the kustomization as a layer
			}
			resources = append(resources, &resource{kind: kind, namespace: scalar(child(n, "namespace")), names: []string{scalar(child(n, "name"))}, hashed: true,
				layers: []layer{generator{k: k, entry: n}}})
		}
	}
	for _, n := range elements(child(k.root, "components")) {
		if b.read++; b.read > maxKustomizations || depth > maxNesting {
			break
		}
		if c := b.open(path.Join(k.dir, n.Value)); c != nil {
			resources = b.complete(c, resources, depth+1)
		}
	}
	return b.apply(k, resources)
}

// apply adds the kustomization as a layer, and what it makes of names and namespaces.
func (b *build) apply(k *kustomization, resources []*resource) []*resource {
	prefix, suffix := scalar(child(k.root, "namePrefix")), scalar(child(k.root, "nameSuffix"))
	namespace := scalar(child(k.root, "namespace"))
	for _, r := range resources {
		r.layers = append(r.layers, layerOf{k, r})
		if (prefix != "" || suffix != "") && r.kind != "Namespace" && r.kind != "CustomResourceDefinition" && r.kind != "APIService" {
			r.names = append(r.names, prefix+r.name()+suffix)
		}
		if namespace != "" {
			r.namespace = namespace
		}
	}
	return resources
}

func elements(n *yaml.Node) []*yaml.Node {
	if n = followed(n); n != nil && n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return nil
}

// layerOf is a kustomization applied to one resource.
type layerOf struct {
	k *kustomization
	r *resource
}

func (k *kustomization) place(n *yaml.Node) *check.Place {
	return &check.Place{File: k.file, Line: n.Line, Column: n.Column}
}

func (a layerOf) find(q *query, steps []step, exact bool) *check.Place {
	if len(steps) == 0 {
		return nil
	}
	if exact {
		if p := a.setters(q, steps); p != nil {
			return p
		}
	}
	patches := a.patches()
	for i := len(patches) - 1; i >= 0; i-- {
		if p := patches[i].find(q, steps, exact); p != nil {
			return p
		}
	}
	return nil
}

// setters finds the field among those that the kustomization itself sets.
func (a layerOf) setters(q *query, steps []step) *check.Place {
	last := steps[len(steps)-1]
	text, _ := q.value.(string)
	switch {
	case last.Key == "image":
		return a.image(q, text)
	case last.Key == "replicas" && len(steps) == 2:
		for _, n := range elements(child(a.k.root, "replicas")) {
			if slices.Contains(a.r.names, scalar(child(n, "name"))) && holds(child(n, "count"), q.value) {
				return a.k.place(child(n, "count"))
			}
		}
	case last.Key == "namespace":
		if k, v := entry(a.k.root, "namespace"); v != nil && v.Value == text {
			return a.k.place(k)
		}
	case len(steps) > 1:
		return a.pair(steps, text)
	}
	return nil
}

// image finds the entry of images that made the image what it is. One that sets the name alone has not caused what is wrong with
// the tag.
func (a layerOf) image(q *query, text string) *check.Place {
	for _, n := range elements(child(a.k.root, "images")) {
		if n.Kind == yaml.ScalarNode { // of an Application: [old=]new[:tag][@digest]
			_, image, ok := strings.Cut(n.Value, "=")
			if !ok {
				image = n.Value
			}
			if image == text {
				return a.k.place(n)
			}
			continue
		}
		name, newName := scalar(child(n, "name")), scalar(child(n, "newName"))
		tag, digest := child(n, "newTag"), child(n, "digest")
		if newName == "" {
			newName = name
		}
		switch {
		case digest != nil && (text == newName+"@"+digest.Value || tag != nil && text == newName+":"+tag.Value+"@"+digest.Value):
			return a.k.place(digest)
		case digest == nil && tag != nil && text == newName+":"+tag.Value:
			return a.k.place(tag)
		case digest == nil && tag == nil && q.rule == "image-registry" && (text == newName || strings.HasPrefix(text, newName+":") || strings.HasPrefix(text, newName+"@")):
			return a.k.place(n)
		}
	}
	return nil
}

// pair finds a label or an annotation that the kustomization adds.
func (a layerOf) pair(steps []step, text string) *check.Place {
	in, key := steps[len(steps)-2].Key, steps[len(steps)-1].Key
	var fields []*yaml.Node
	switch in {
	case "annotations":
		fields = append(fields, child(a.k.root, "commonAnnotations"))
	case "labels", "matchLabels", "selector":
		fields = append(fields, child(a.k.root, "commonLabels"))
		for _, n := range elements(child(a.k.root, "labels")) {
			fields = append(fields, child(n, "pairs"))
		}
	}
	for _, pairs := range fields {
		if k, v := entry(pairs, key); v != nil && v.Value == text {
			return a.k.place(k)
		}
	}
	return nil
}

// patches are the patches of the kustomization that are for the resource, in order.
func (a layerOf) patches() (out []layer) {
	for _, n := range elements(child(a.k.root, "patchesStrategicMerge")) {
		out = append(out, a.merges(a.documents(n), nil)...)
	}
	for _, field := range []string{"patches", "patchesJson6902"} {
		for _, n := range elements(child(a.k.root, field)) {
			target := child(n, "target")
			if target != nil && !a.selected(target) {
				continue
			}
			from := child(n, "path")
			if from == nil {
				from = child(n, "patch")
			}
			if from != nil {
				out = append(out, a.merges(a.documents(from), target)...)
			}
		}
	}
	for _, field := range []string{"configMapGenerator", "secretGenerator"} {
		for _, n := range elements(child(a.k.root, field)) {
			if child(n, "behavior") != nil && slices.Contains(a.r.names, scalar(child(n, "name"))) && strings.HasPrefix(field, strings.ToLower(a.r.kind[:1])) {
				out = append(out, generator{k: a.k, entry: n})
			}
		}
	}
	return out
}

// documents reads a patch: a file, or the text itself.
func (a layerOf) documents(n *yaml.Node) (out []document) {
	if !strings.Contains(n.Value, "\n") {
		name := path.Join(a.k.dir, n.Value)
		for _, root := range parse(a.k.build.l.text(name)) {
			out = append(out, document{file: name, root: root, partial: true})
		}
		if len(out) > 0 {
			return out
		}
	}
	for _, root := range parse(n.Value) {
		out = append(out, document{root: root, partial: true, text: &inline{n, a.k.file}})
	}
	return out
}

// merges keeps the documents that are for the resource.
func (a layerOf) merges(docs []document, target *yaml.Node) (out []layer) {
	for _, d := range docs {
		switch {
		case d.root.Kind == yaml.SequenceNode:
			out = append(out, operations{d})
		case target != nil || scalar(child(d.root, "kind")) == a.r.kind && slices.Contains(a.r.names, scalar(child(child(d.root, "metadata"), "name"))):
			out = append(out, d)
		}
	}
	return out
}

// selected reports whether a target may select the resource; selectors by label are not looked at.
func (a layerOf) selected(target *yaml.Node) bool {
	match := func(pattern string, values ...string) bool {
		if pattern == "" {
			return true
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		return err == nil && slices.ContainsFunc(values, re.MatchString)
	}
	return match(scalar(child(target, "kind")), a.r.kind) && match(scalar(child(target, "name")), a.r.names...)
}
