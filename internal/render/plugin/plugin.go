// Package plugin renders sources by config management plugins: definitions and a file tree go in; what the programs that
// they name print comes out as objects. It is the only renderer that starts processes, and exists only where somebody has
// named a directory of definitions.
//
// The contract is that of Argo CD's sidecars: the environment, the order of commands and the ways of discovery. The whole
// repository is written to a private temporary directory, where the programs run without a shell; everything in it is
// removed afterwards.
package plugin

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// DefaultTimeout is how long the commands of one render may take together, as in Argo CD.
const DefaultTimeout = 90 * time.Second

// Options say where and how plugins run.
type Options struct {
	// TempDir is where repositories are written to; the directory for temporary files of the system if empty.
	TempDir string
	// Path is the search path of the programs, in the form of $PATH. Nothing else of the process's environment reaches them.
	Path string
	// Timeout is the time for one render (DefaultTimeout).
	Timeout time.Duration
	// MaxTree (512 MiB) and MaxFiles (200,000) bound the repository, MaxOutput (64 MiB) what a command may print.
	MaxTree   int64
	MaxFiles  int
	MaxOutput int64
}

func (o *Options) applyDefaults() {
	if o.Path == "" {
		o.Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxTree == 0 {
		o.MaxTree = 512 << 20
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = 200_000
	}
	if o.MaxOutput == 0 {
		o.MaxOutput = 64 << 20
	}
}

// Renderer runs plugins. It is safe for concurrent use.
type Renderer struct {
	defs []Definition
	opts Options
}

var _ render.Plugins = (*Renderer)(nil)

// New returns a renderer for plugins in the order of their names.
func New(defs []Definition, opts Options) *Renderer {
	opts.applyDefaults()
	return &Renderer{defs: defs, opts: opts}
}

// Version names the definitions: a result of another version must not be reused.
func (r *Renderer) Version() string { return version(r.defs) }

// Claims implements render.Plugins: it asks the plugins that look for their sources by themselves.
func (r *Renderer) Claims(ctx context.Context, files source.FS, spec render.Spec) (bool, error) {
	run := r.begin(ctx, files, spec)
	defer run.end()
	found, err := run.discover(r.defs)
	return found != nil, errors.Join(err, run.end())
}

// Render implements render.Renderer.
func (r *Renderer) Render(ctx context.Context, files source.FS, spec render.Spec) (out render.Manifests, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	dir, err := render.CleanPath(spec.Source.Path)
	if err != nil {
		return out, err
	}
	spec.Source.Path = dir
	run := r.begin(ctx, files, spec)
	defer func() { err = errors.Join(err, run.end()) }()
	def, err := r.choose(run, spec.Source.Plugin)
	if err != nil {
		return out, err
	}
	if len(def.Spec.Init.Command) > 0 {
		if _, err := run.command(def, "init", def.Spec.Init); err != nil {
			return out, err
		}
	}
	text, err := run.command(def, "generate", def.Spec.Generate)
	if err != nil {
		return out, err
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		// Deleting everything because a program went wrong quietly would be the worst that can happen.
		return out, fault.New(fault.Invalid, "plugin %s: generate printed nothing; let it print an empty document (---) when there is nothing to deploy", def.Name())
	}
	out.Objects, out.Warnings, err = render.DecodeLenient("output of plugin "+def.Name(), text)
	if def.Spec.ProvideGitCreds {
		out.Warnings = append(out.Warnings, "plugin "+def.Name()+": provideGitCreds is not acted on; its programs get no credentials")
	}
	return out, err
}

// choose finds the plugin by name, which must want the source if it looks for sources, or else the first that does.
func (r *Renderer) choose(run *run, wanted *v1alpha1.ApplicationSourcePlugin) (*Definition, error) {
	if wanted == nil || wanted.Name == "" {
		found, err := run.discover(r.defs)
		if err == nil && found == nil {
			err = fault.New(fault.Invalid, "spec.source.plugin: no plugin wants this source; name one of %s", r.names())
		}
		return found, err
	}
	for i := range r.defs {
		def := &r.defs[i]
		if def.Name() != wanted.Name {
			continue
		}
		if !def.discovers() {
			return def, nil
		}
		wants, err := run.wants(def)
		if err == nil && !wants {
			err = fault.New(fault.Invalid, "spec.source.plugin: plugin %s does not want this source, by its own spec.discover", def.Name())
		}
		return def, err
	}
	return nil, fault.New(fault.Invalid, "spec.source.plugin: there is no plugin %q; there are %s", wanted.Name, r.names())
}

func (r *Renderer) names() string {
	names := make([]string, len(r.defs))
	for i := range r.defs {
		names[i] = r.defs[i].Name()
	}
	return strings.Join(names, ", ")
}

// discover returns the first plugin that wants the source, or nil.
func (run *run) discover(defs []Definition) (*Definition, error) {
	for i := range defs {
		if !defs[i].discovers() {
			continue
		}
		wants, err := run.wants(&defs[i])
		if err != nil {
			return nil, err
		}
		if wants {
			return &defs[i], nil
		}
	}
	return nil, nil
}

// wants reports whether def wants the source. Globs look at the traced tree and cost no copy of it.
func (run *run) wants(def *Definition) (bool, error) {
	d := def.Spec.Discover
	dir := run.spec.Source.Path
	if dir == "" {
		dir = "."
	}
	sub, err := fs.Sub(run.files, dir)
	if err != nil {
		return false, render.Classify("look into "+dir, err)
	}
	switch {
	case d.FileName != "":
		matches, err := fs.Glob(sub, path.Clean(d.FileName))
		return len(matches) > 0, err
	case d.Find.Glob != "":
		err := doublestar.GlobWalk(sub, path.Clean(d.Find.Glob), func(string, fs.DirEntry) error {
			if err := run.ctx.Err(); err != nil {
				return err
			}
			return errFound
		})
		if errors.Is(err, errFound) {
			return true, nil
		}
		return false, err
	}
	text, err := run.command(def, "discover", d.Find.Command)
	return len(strings.TrimSpace(string(text))) > 0, err
}

// errFound ends a search.
var errFound = errors.New("found")
