package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/render/plugin"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

// OpenPlanner returns the engine of the command line: the controller's own stages up to the comparison, run in this
// process against the cluster and the repositories, with cacheDir for mirrors and pluginsDir for definitions of plugins, which
// are off when it is empty.
func OpenPlanner(env []string, cacheDir, pluginsDir string) cli.PlannerFunc {
	return func(ctx context.Context, conn *cli.Connection) (cli.Planner, error) {
		cfg := Config{
			REST: conn.Config, Namespace: conn.Namespace, CacheDir: cacheDir, PluginsDir: pluginsDir, Env: env, AllowFile: true, ReadOnly: true,
			Log: slog.New(slog.DiscardHandler),
		}
		cfg.applyDefaults()
		e := newEnvironment(conn.Client, cfg)
		if err := e.load(ctx, conn.Client); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(cacheDir, 0o700); err != nil {
			return nil, fmt.Errorf("make cache directory: %w", err)
		}
		plugins, err := openPlugins(cfg)
		if err != nil {
			return nil, err
		}
		repos, err := newSource(cfg, e)
		if err != nil {
			return nil, err
		}
		ctx, stop := context.WithCancel(ctx)
		c := newClusters(cfg, e)
		c.changed = func(live.Event, func(object.Ref) (string, bool), string) {} // nobody waits for changes here
		p := &planner{direct: conn.Client, env: e, plugins: plugins, repos: repos, clusters: c, stop: stop, done: make(chan error, 1)}
		go func() { p.done <- c.run(ctx) }()
		return p, nil
	}
}

// planner implements cli.Planner.
type planner struct {
	direct   client.Reader
	env      *environment
	plugins  *plugin.Renderer
	repos    *repositories
	clusters *clusters
	stop     context.CancelFunc
	done     chan error
}

// Close implements cli.Planner.
func (p *planner) Close() error {
	p.stop()
	err := <-p.done
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, p.repos.Close())
}

// Plan implements cli.Planner.
func (p *planner) Plan(ctx context.Context, app *v1alpha1.Application, opts cli.PlanOptions) (*cli.Plan, error) {
	v, err := p.preview(ctx, app, opts)
	if err != nil {
		return nil, err
	}
	if err := complete(ctx, p.direct, v.Plan); err != nil {
		return nil, err
	}
	out := &cli.Plan{Revisions: revisions(v), Masked: p.masked()}
	for _, c := range v.Conditions {
		out.Warnings = append(out.Warnings, string(c.Type)+": "+c.Message)
	}
	for _, i := range v.Plan.Items {
		out.Objects = append(out.Objects, planned(i))
	}
	return out, nil
}

// Compare implements cli.Planner.
func (p *planner) Compare(ctx context.Context, app *v1alpha1.Application, opts cli.PlanOptions) (*cli.Comparison, error) {
	v, err := p.preview(ctx, app, opts)
	if err != nil {
		return nil, err
	}
	return &cli.Comparison{Revisions: revisions(v), Plan: v.Plan, Targets: v.Targets, Conditions: v.Conditions, Masked: p.masked()}, nil
}

func revisions(v reconcile.Preview) []string {
	out := make([]string, len(v.Revisions))
	for i, rev := range v.Revisions {
		out[i] = string(rev)
	}
	return out
}

func (p *planner) masked() []string { return p.env.current.Load().settings.MaskedAnnotations }

func planned(i *diff.Item) cli.PlannedObject {
	o := cli.PlannedObject{Ref: i.Ref, Action: cli.PlanAction(i.Action), Reason: i.Reason, Changes: i.Changes}
	if i.Live != nil {
		o.Live = i.Live.Object
	}
	switch {
	case i.Predicted != nil:
		o.Predicted = i.Predicted
	case i.Action == diff.Create, i.Action == diff.Update:
		o.Predicted = i.Desired
	case i.Action == diff.None:
		o.Predicted = o.Live
	}
	for _, err := range []error{i.Forbidden, i.Refused} {
		if err != nil && o.Refused == "" {
			o.Refused = err.Error()
		}
	}
	return o
}

// Manifests implements cli.Planner.
func (p *planner) Manifests(ctx context.Context, app *v1alpha1.Application, opts cli.PlanOptions) (*cli.Manifests, error) {
	v, err := p.preview(ctx, app, opts)
	if err != nil {
		return nil, err
	}
	out := &cli.Manifests{Revisions: revisions(v), Masked: p.masked()}
	for _, t := range v.Targets.Objects {
		out.Objects = append(out.Objects, t.Object)
	}
	out.Objects = append(out.Objects, hooks(v.Targets)...)
	for _, c := range v.Conditions {
		out.Warnings = append(out.Warnings, string(c.Type)+": "+c.Message)
	}
	return out, nil
}

func hooks(t diff.Targets) []*unstructured.Unstructured { return t.Hooks }

func (p *planner) preview(ctx context.Context, app *v1alpha1.Application, opts cli.PlanOptions) (reconcile.Preview, error) {
	project, err := p.env.Project(ctx, app.Spec.ProjectName())
	if err != nil {
		return reconcile.Preview{}, err
	}
	app = app.DeepCopy()
	r := &reconcile.Reconciler{
		Source: p.repos, Renderer: newRenderer(runtime.GOMAXPROCS(0), newRemotes(p.env, p.repos), p.plugins), Destinations: p.clusters, Now: time.Now, Log: p.env.cfg.Log,
	}
	if opts.LocalDir != "" {
		dir, closeDir, err := openLocal(app, opts)
		if err != nil {
			return reconcile.Preview{}, err
		}
		defer closeDir()
		r.Source = dir
	}
	req := reconcile.Request{App: app, Project: project, Config: p.env.Config(), Memory: reconcile.NewMemory(app.Annotations[reconcile.AnnotationFinished])}
	if opts.Fresh {
		req.Refresh = v1alpha1.RefreshHard
	}
	return r.Preview(ctx, req, opts.Revisions)
}

// openLocal makes a local directory the source and its path in it the application's.
func openLocal(app *v1alpha1.Application, opts cli.PlanOptions) (source.Source, func(), error) {
	if len(app.Spec.Sources) > 0 {
		return nil, nil, fault.New(fault.Invalid, "application %s has several sources: local manifests stand for one alone", app.Name)
	}
	rel, err := filepath.Rel(opts.LocalRoot, opts.LocalDir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return nil, nil, fault.New(fault.Invalid, "local manifests %s are not below --local-repo-root %s", opts.LocalDir, opts.LocalRoot)
	}
	dir, err := local.Open(opts.LocalRoot)
	if err != nil {
		return nil, nil, err
	}
	if app.Spec.Source != nil {
		app.Spec.Source.Path = filepath.ToSlash(rel)
	}
	return dir, func() { _ = dir.Close() }, nil
}
