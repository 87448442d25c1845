package helm

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

const (
	maxValueFiles = 1_000
	maxValueBytes = 16 << 20
)

// values merges what the source says about values; later ones win: valueFiles in order, values or valuesObject,
// then parameters, string parameters and file parameters as --set, --set-string and --set-file do.
func (r *release) values(ctx context.Context) (map[string]any, error) {
	out := map[string]any{}
	names, err := r.valueFiles()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := r.read(name)
		if err != nil {
			return nil, err
		}
		if out, err = merge(out, name, data); err != nil {
			return nil, err
		}
	}
	switch o := r.options; {
	case o.ValuesObject != nil && len(o.ValuesObject.Raw) > 0:
		if o.Values != "" {
			r.warn("spec.source.helm.values is ignored: valuesObject is set")
		}
		if out, err = merge(out, "spec.source.helm.valuesObject", o.ValuesObject.Raw); err != nil {
			return nil, err
		}
	case o.Values != "":
		if out, err = merge(out, "spec.source.helm.values", []byte(o.Values)); err != nil {
			return nil, err
		}
	}
	return out, r.set(out)
}

func merge(into map[string]any, name string, data []byte) (map[string]any, error) {
	if err := render.CheckAliases(name, data); err != nil {
		return nil, err
	}
	values, err := loader.LoadValues(bytes.NewReader(data))
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %w", name, err)
	}
	return loader.MergeMaps(into, values), nil
}

func (r *release) read(name string) ([]byte, error) {
	info, err := r.files.Stat(name)
	if err != nil {
		return nil, render.Classify("read "+name, err)
	}
	if info.Size() > maxValueBytes {
		return nil, fault.New(fault.Invalid, "%s: larger than %d bytes", name, maxValueBytes)
	}
	data, err := r.files.ReadFile(name)
	return data, render.Classify("read "+name, err)
}

// valueFiles returns the paths of spec.source.helm.valueFiles from the repository root. A glob gives its matches in
// lexical order, without those that are listed already.
func (r *release) valueFiles() ([]string, error) {
	var out []string
	for _, raw := range r.options.ValueFiles {
		name, err := r.resolve("valueFiles", raw)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(name, "*?[{") {
			matches, err := doublestar.Glob(r.files, name, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
			if err != nil {
				return nil, render.Classify(fmt.Sprintf("valueFiles: expand %q", raw), err)
			}
			if len(matches) > 0 || r.options.IgnoreMissingValueFiles {
				slices.Sort(matches)
				for _, m := range matches {
					if !slices.Contains(out, m) {
						out = append(out, m)
					}
				}
				continue
			}
		}
		info, err := r.files.Stat(name)
		switch {
		case err == nil && info.IsDir():
			return nil, fault.New(fault.Invalid, "valueFiles: %s is a directory", name)
		case err == nil:
			out = append(out, name)
		case fault.KindOf(render.Classify("", err)) != fault.NotFound:
			return nil, render.Classify("valueFiles: read "+name, err)
		case !r.options.IgnoreMissingValueFiles:
			return nil, fault.New(fault.NotFound, "valueFiles: %s does not exist; ignoreMissingValueFiles would leave it out", name)
		}
		if len(out) > maxValueFiles {
			return nil, fault.New(fault.Invalid, "valueFiles: more than %d files", maxValueFiles)
		}
	}
	return out, nil
}

// resolve turns a path of the source into one from the repository root.
func (r *release) resolve(field, raw string) (string, error) {
	if ref, _, ok := strings.Cut(raw, "/"); ok && strings.HasPrefix(ref, "$") && !strings.HasPrefix(ref, "$ARGOCD_") &&
		!strings.HasPrefix(ref, "$KUBE_") && !strings.HasPrefix(ref, "${") && !strings.HasPrefix(ref, "$$") {
		return "", fault.New(fault.Invalid, "%s: %s: files of another source (%s) are not supported yet", field, raw, ref)
	}
	expanded := r.env.Expand(raw)
	if u, err := url.Parse(expanded); err == nil && u.Scheme != "" && u.Host != "" {
		return "", fault.New(fault.Denied, "%s: %s: remote files are refused: renders reach no network; copy the file into the repository", field, u.Redacted())
	}
	if expanded == "" {
		return "", fault.New(fault.Invalid, "%s: %q is an empty path", field, raw)
	}
	name, err := render.Resolve(r.dir, expanded)
	if err != nil {
		return "", fault.New(fault.KindOf(err), "%s: %w", field, err)
	}
	return name, nil
}

// set applies parameters: of two with one name the last wins, and forced strings come after the others.
func (r *release) set(values map[string]any) error {
	last := map[string]int{}
	for i, p := range r.options.Parameters {
		last[fmt.Sprint(p.ForceString, " ", p.Name)] = i
	}
	for _, forced := range []bool{false, true} {
		for i, p := range r.options.Parameters {
			if p.ForceString != forced || last[fmt.Sprint(forced, " ", p.Name)] != i {
				continue
			}
			parse := strvals.ParseInto
			if forced {
				parse = strvals.ParseIntoString
			}
			if err := parse(p.Name+"="+escapeCommas(r.env.Expand(p.Value)), values); err != nil {
				return fault.New(fault.Invalid, "spec.source.helm.parameters: %s: %w", p.Name, err)
			}
		}
	}
	for _, p := range r.options.FileParameters {
		name, err := r.resolve("fileParameters", p.Path)
		if err != nil {
			return err
		}
		data, err := r.read(name)
		if err != nil {
			return err
		}
		content := func([]rune) (any, error) { return string(data), nil }
		if err := strvals.ParseIntoFile(p.Name+"="+path.Base(name), values, content); err != nil {
			return fault.New(fault.Invalid, "spec.source.helm.fileParameters: %s: %w", p.Name, err)
		}
	}
	return nil
}

// escapeCommas keeps a comma from beginning a second parameter; {a,b} stays a list.
func escapeCommas(value string) string {
	if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == ',' && (i == 0 || value[i-1] != '\\') {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	return b.String()
}
