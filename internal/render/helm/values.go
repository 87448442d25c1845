package helm

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	maxValueFiles = 1_000
	maxValueBytes = 16 << 20
)

// values merges what the source says about values; later ones win: valueFiles in order, values or valuesObject,
// then parameters, string parameters and file parameters as --set, --set-string and --set-file do.
func (r *release) values(ctx context.Context) (map[string]any, error) {
	out := map[string]any{}
	files, err := r.valueFiles()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := r.read(ctx, f)
		if err != nil {
			return nil, err
		}
		if out, err = merge(out, f.String(), data); err != nil {
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
	return out, r.set(ctx, out)
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

// valueFile is a file of the chart's own repository or, with a ref, of another source of the application, or, with a URL
// alone, one of a web server.
type valueFile struct{ ref, path, url string }

func (f valueFile) String() string {
	switch {
	case f.url != "":
		return source.Redact(f.url)
	case f.ref == "":
		return f.path
	}
	return "$" + f.ref + "/" + f.path
}

// tree returns the file tree that the file is in.
func (r *release) tree(f valueFile) source.FS {
	if f.ref == "" {
		return r.files
	}
	return r.spec.Refs[f.ref].Files
}

func (r *release) read(ctx context.Context, f valueFile) ([]byte, error) {
	files := r.tree(f)
	if f.url != "" {
		var err error
		files, err = render.OpenRemote(ctx, r.opener, render.Remote{Kind: render.RemoteFile, URL: f.url, Project: r.spec.Project})
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "read %s: %w", f, err)
		}
		f.path = render.RemoteFileName
	}
	info, err := files.Stat(f.path)
	if err != nil {
		return nil, render.Classify("read "+f.String(), err)
	}
	if info.Size() > maxValueBytes {
		return nil, fault.New(fault.Invalid, "%s: larger than %d bytes", f, maxValueBytes)
	}
	data, err := files.ReadFile(f.path)
	return data, render.Classify("read "+f.String(), err)
}

// valueFiles returns the files of spec.source.helm.valueFiles. A glob gives its matches in lexical order, without those
// that are listed already.
func (r *release) valueFiles() ([]valueFile, error) {
	var out []valueFile
	for _, raw := range r.options.ValueFiles {
		f, err := r.resolve("valueFiles", raw)
		if err != nil {
			return nil, err
		}
		if f.url != "" {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
			continue
		}
		matches, err := r.matches(raw, f)
		if err != nil {
			return nil, err
		}
		for _, m := range matches {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
		if len(matches) == 0 {
			if out, err = r.listed(out, f); err != nil {
				return nil, err
			}
		}
		if len(out) > maxValueFiles {
			return nil, fault.New(fault.Invalid, "valueFiles: more than %d files", maxValueFiles)
		}
	}
	return out, nil
}

// matches returns the files that a glob matches, nil for a path that is none.
func (r *release) matches(raw string, f valueFile) ([]valueFile, error) {
	if !strings.ContainsAny(f.path, "*?[{") {
		return nil, nil
	}
	names, err := doublestar.Glob(r.tree(f), f.path, doublestar.WithFilesOnly(), doublestar.WithFailOnIOErrors())
	if err != nil {
		return nil, render.Classify(fmt.Sprintf("valueFiles: expand %q", raw), err)
	}
	slices.Sort(names)
	out := make([]valueFile, len(names))
	for i, name := range names {
		out[i] = valueFile{ref: f.ref, path: name}
	}
	return out, nil
}

// listed appends a file that is named as it is. One that does not exist is an error or, if that is wanted, left out.
func (r *release) listed(out []valueFile, f valueFile) ([]valueFile, error) {
	info, err := r.tree(f).Stat(f.path)
	switch {
	case err == nil && info.IsDir():
		return nil, fault.New(fault.Invalid, "valueFiles: %s is a directory", f)
	case err == nil:
		return append(out, f), nil
	case fault.KindOf(render.Classify("", err)) != fault.NotFound:
		return nil, render.Classify("valueFiles: read "+f.String(), err)
	case !r.options.IgnoreMissingValueFiles:
		return nil, fault.New(fault.NotFound, "valueFiles: %s does not exist; ignoreMissingValueFiles would leave it out", f)
	}
	return out, nil
}

// resolve turns a path of the source, or $ref/path, into one from the root of its repository.
func (r *release) resolve(field, raw string) (valueFile, error) {
	if ref, rest, ok := refersTo(raw); ok {
		if _, known := r.spec.Refs[ref]; !known {
			return valueFile{}, r.unknownRef(field, raw, ref)
		}
		return r.within(field, raw, valueFile{ref: ref, path: "/" + r.env.Expand(rest)})
	}
	expanded := r.env.Expand(raw)
	if u, err := url.Parse(expanded); err == nil && u.Scheme != "" && u.Host != "" {
		f := valueFile{url: expanded}
		if !slices.ContainsFunc(r.spec.Options.HelmValuesFileSchemes, func(s string) bool { return strings.EqualFold(s, u.Scheme) }) {
			return valueFile{}, fault.New(fault.Denied, "%s: %s: the scheme %s is not allowed; key helm.valuesFileSchemes of ConfigMap argocd-cm would allow it",
				field, f, u.Scheme)
		}
		return f, nil
	}
	return r.within(field, raw, valueFile{path: expanded})
}

// within makes the path of f one from the root of its repository.
func (r *release) within(field, raw string, f valueFile) (valueFile, error) {
	if strings.Trim(f.path, "/") == "" {
		return valueFile{}, fault.New(fault.Invalid, "%s: %q is an empty path", field, raw)
	}
	name, err := render.Resolve(r.dir, f.path)
	if err != nil && f.ref != "" {
		return valueFile{}, fault.New(fault.KindOf(err), "%s: %s: %w", field, raw, err)
	}
	if err != nil {
		return valueFile{}, fault.New(fault.KindOf(err), "%s: %w", field, err)
	}
	f.path = name
	return f, nil
}

// refersTo splits $ref/path. A variable of the build environment in the place of the ref makes it an ordinary path.
func refersTo(raw string) (ref, path string, ok bool) {
	ref, path, ok = strings.Cut(raw, "/")
	ref, dollar := strings.CutPrefix(ref, "$")
	if !ok || !dollar || strings.HasPrefix(ref, "$") || strings.HasPrefix(ref, "{") ||
		strings.HasPrefix(ref, "ARGOCD_") || strings.HasPrefix(ref, "KUBE_") {
		return "", "", false
	}
	return ref, path, true
}

func (r *release) unknownRef(field, raw, ref string) error {
	names := r.spec.Refs.Names()
	if len(names) == 0 {
		return fault.New(fault.Invalid, "%s: %s: source referenced %q, but no source has a 'ref' field defined; "+
			"add the repository to spec.sources with ref: %s", field, raw, "$"+ref, ref)
	}
	return fault.New(fault.Invalid, "%s: %s: source referenced %q, which is not one of the available sources ($%s)",
		field, raw, "$"+ref, strings.Join(names, ", $"))
}

// set applies parameters: of two with one name the last wins, and forced strings come after the others.
func (r *release) set(ctx context.Context, values map[string]any) error {
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
		f, err := r.resolve("fileParameters", p.Path)
		if err != nil {
			return err
		}
		data, err := r.read(ctx, f)
		if err != nil {
			return err
		}
		content := func([]rune) (any, error) { return string(data), nil }
		if err := strvals.ParseIntoFile(p.Name+"=content", values, content); err != nil {
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
