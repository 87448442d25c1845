package discover

import (
	"context"
	"errors"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// render renders the chosen jobs that are not rendered yet, side by side; nil chooses all.
func (l *loader) render(ctx context.Context, chosen map[string]bool) error {
	turns := make(chan struct{}, l.opts.Concurrent)
	var wg sync.WaitGroup
	for _, j := range l.jobs {
		if j.done || chosen != nil && !chosen[j.unit.Name] {
			continue
		}
		j.done = true
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			l.one(ctx, j)
		})
	}
	wg.Wait()
	return ctx.Err()
}

func (l *loader) one(ctx context.Context, j *job) {
	seen := &reads{FS: l.files}
	for _, spec := range j.specs {
		m, err := l.opts.Renderer.Render(ctx, seen, spec)
		if broken := l.unreadable(j, spec, err); len(broken) > 0 {
			j.broken = true
			spec.Revision += " without what is broken"
			m, err = l.opts.Renderer.Render(ctx, &without{FS: seen, names: broken}, spec)
		}
		if err != nil {
			l.failed(j, err)
			break
		}
		l.add(j.unit, spec, m)
	}
	j.unit.Reads = seen.names()
}

func (l *loader) add(unit *check.Unit, spec render.Spec, m render.Manifests) {
	chart := readChart(l.files, path.Clean(spec.Source.Path)).Name
	for i, u := range m.Objects {
		o := &check.Object{Unstructured: u, Unit: unit}
		if i < len(m.Origins) {
			o.Template = m.Origins[i]
			if rest, ok := strings.CutPrefix(o.Template, chart+"/"); ok && m.Type == v1alpha1.SourceTypeHelm {
				o.Template = path.Join(spec.Source.Path, rest)
			}
		}
		unit.Objects = append(unit.Objects, o)
	}
}

// failed notes why a unit cannot be rendered, and where.
func (l *loader) failed(j *job, err error) {
	u := j.unit
	u.Objects = nil
	switch {
	case errors.Is(err, render.ErrOffline):
		u.Skipped = "a part of it is elsewhere: " + err.Error()
	case j.lenient && strings.Contains(err.Error(), "execution error at"):
		u.Skipped = "it wants other values than its own: " + err.Error()
	default:
		u.Err = err
		u.ErrAt = l.placeOf(u, err.Error())
	}
}

var placeInError = regexp.MustCompile(`([\w@+./-]+):(\d+)(?::(\d+))?`)

// placeOf finds a file and line in a message of a renderer, or else what the unit is made from.
func (l *loader) placeOf(u *check.Unit, message string) check.Place {
	text := message
	for _, m := range placeInError.FindAllStringSubmatchIndex(message, -1) {
		name := text[m[2]:m[3]]
		line, _ := strconv.Atoi(text[m[4]:m[5]])
		if strings.HasSuffix(text[:m[0]], "rendered ") {
			line = 0 // of the text that the template wrote
		}
		for _, at := range []string{name, l.template(u, name)} {
			if info, err := l.files.Stat(path.Clean(at)); at != "" && err == nil && !info.IsDir() {
				return check.Place{File: path.Clean(at), Line: line}
			}
		}
	}
	for _, base := range append(render.KustomizationNames(), "Chart.yaml") {
		if u.App != nil && fieldOf(u) != "" {
			break // the Application is to be mended
		}
		if at := path.Join(u.Path, base); u.Path != "" && l.closures.exists(at) {
			return check.Place{File: at}
		}
	}
	return check.Place{}
}

// template turns the name that Helm has for a file of a chart into that of the repository.
func (l *loader) template(u *check.Unit, name string) string {
	chart, rest, ok := strings.Cut(name, "/")
	if !ok || u.Path == "" || chart != readChart(l.files, u.Path).Name {
		return ""
	}
	return path.Join(u.Path, rest)
}

// unreadable returns the files of a plain directory that make its render fail because they are no YAML, so that the rest of it
// can be judged.
func (l *loader) unreadable(j *job, spec render.Spec, err error) map[string]bool {
	if err == nil || !fault.Is(err, fault.Invalid) || spec.Source.Helm != nil || spec.Source.Kustomize != nil || spec.Source.Plugin != nil {
		return nil
	}
	dir := path.Clean(spec.Source.Path)
	if l.closures.isKustomization(dir) || l.closures.exists(path.Join(dir, "Chart.yaml")) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]bool{}
	for _, name := range l.tree.manifests {
		if j.closure.covers(name) && l.problem(name) != nil {
			out[name] = true
		}
	}
	return out
}

// without is a file tree in which some files are empty.
type without struct {
	source.FS
	names map[string]bool
}

// ReadFile implements fs.ReadFileFS.
func (w *without) ReadFile(name string) ([]byte, error) {
	if w.names[path.Clean(name)] {
		return nil, nil
	}
	return w.FS.ReadFile(name)
}

// ContentID implements source.FS: what is read here is kept by nobody.
func (w *without) ContentID(string) (string, error) {
	return "", fault.New(fault.Internal, "a tree without its broken files has no identity")
}

// inNamespace returns the object with a namespace; u itself is shared and stays as it is.
func inNamespace(u *unstructured.Unstructured, namespace string) *unstructured.Unstructured {
	fields := maps.Clone(u.Object)
	metadata, _ := fields["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["namespace"] = namespace
	fields["metadata"] = metadata
	return &unstructured.Unstructured{Object: fields}
}
