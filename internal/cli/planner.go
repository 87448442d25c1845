package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Planner is the engine as the command line needs it. It writes nothing.
type Planner interface {
	// Plan says what a sync of app would change now. Objects that would not change may be left out.
	Plan(ctx context.Context, app *v1alpha1.Application, opts PlanOptions) (*Plan, error)
	// Compare is the comparison that Plan is made of, in full: what a plan for review and an explanation need.
	Compare(ctx context.Context, app *v1alpha1.Application, opts PlanOptions) (*Comparison, error)
	// Manifests renders app as a sync would apply it, tracking marks included.
	Manifests(ctx context.Context, app *v1alpha1.Application, opts PlanOptions) (*Manifests, error)
	// Close gives back what the engine holds. It is called once, after the last result has been printed.
	Close() error
}

// PlannerFunc opens an engine on the cluster of conn.
type PlannerFunc func(ctx context.Context, conn *Connection) (Planner, error)

// PlanOptions say which manifests count; the zero value means those that the application follows.
type PlanOptions struct {
	// Revisions replaces the target revisions, one per source; empty keeps a source's own.
	Revisions []string
	// LocalDir holds the manifests in place of the repository; it lies in LocalRoot, which stands for the root of the
	// repository.
	LocalDir, LocalRoot string
	// Fresh asks the remotes again and uses no cached render.
	Fresh bool
}

// Comparison is an application compared with its destination.
type Comparison struct {
	Revisions  []string
	Plan       *diff.Plan
	Targets    diff.Targets
	Conditions []v1alpha1.ApplicationCondition
	// Masked names annotations of Secrets whose values must not be shown.
	Masked []string
}

// PlanAction is what a sync would do with an object.
type PlanAction string

// Actions of a plan.
const (
	PlanNone    PlanAction = "none"
	PlanCreate  PlanAction = "create"
	PlanUpdate  PlanAction = "update"
	PlanReplace PlanAction = "replace"
	PlanDelete  PlanAction = "delete"
)

// Plan is what a sync would change, ordered by object.
type Plan struct {
	// Revisions are what the sources resolved to.
	Revisions []string
	Objects   []PlannedObject
	Warnings  []string
	// Masked names annotations of Secrets whose values must not be shown.
	Masked []string
}

// PlannedObject is the plan for one object.
type PlannedObject struct {
	Ref    object.Ref
	Action PlanAction
	// Reason says in one clause why Action is not none.
	Reason string
	// Changes are the fields that would change.
	Changes []object.Change
	// Live is the object as it is, Predicted as it would be; nil where there is none. Secrets come unmasked.
	Live, Predicted *unstructured.Unstructured
	// Hook says that the object is a hook: it runs, and makes no difference by itself.
	Hook bool
	// Refused is the reason for which the cluster or the project would refuse the object.
	Refused string
}

// Manifests are rendered objects.
type Manifests struct {
	Revisions []string
	Objects   []*unstructured.Unstructured
	Warnings  []string
	// Masked is as in Plan.
	Masked []string
}

// Planner implements ControlPlane: the engine runs in this process.
func (c *Connection) Planner(ctx context.Context) (Planner, error) {
	if c.planner == nil {
		return nil, &Failure{Exit: ExitAPI, Code: "NoEngine", Err: errors.New("this program was built without the engine that renders and compares")}
	}
	p, err := c.planner(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	return p, nil
}

// planFlags choose the manifests of diff, manifests and sync.
type planFlags struct {
	revision        string
	revisions       []string
	sourcePositions []int64
	sourceNames     []string
	local           string
	localRoot       string
}

func (f *planFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.revision, "revision", "", "this revision and not the one in the spec")
	fs.StringArrayVar(&f.revisions, "revisions", nil, "revisions of several sources, with --source-positions or --source-names")
	fs.Int64SliceVar(&f.sourcePositions, "source-positions", nil, "positions of the sources that --revisions name, from 1")
	fs.StringArrayVar(&f.sourceNames, "source-names", nil, "names of the sources that --revisions name")
	fs.StringVar(&f.local, "local", "", "manifests of this local directory and not those in Git")
	fs.StringVar(&f.localRoot, "local-repo-root", "", "root of the repository that --local lies in (default: --local itself)")
}

func (f *planFlags) check() error {
	if f.local != "" && (f.revision != "" || len(f.revisions) > 0) {
		return usageError("give --local or --revision, not both")
	}
	if f.local == "" && f.localRoot != "" {
		return usageError("--local-repo-root belongs to --local")
	}
	if len(f.revisions) > 0 && len(f.revisions) != max(len(f.sourcePositions), len(f.sourceNames)) {
		return usageError("each of --revisions needs one --source-positions or --source-names")
	}
	return nil
}

// options are the engine's options for app.
func (f *planFlags) options(app *v1alpha1.Application) (PlanOptions, error) {
	o := PlanOptions{LocalDir: f.local, LocalRoot: f.localRoot}
	if f.local != "" && f.localRoot == "" {
		o.LocalRoot = f.local
	}
	if len(app.Spec.Sources) == 0 {
		if len(f.revisions) > 0 {
			return o, usageError("application %s has one source: use --revision", qualified(app))
		}
		if f.revision != "" {
			o.Revisions = []string{f.revision}
		}
		return o, nil
	}
	if f.local != "" {
		return o, usageError("application %s has several sources, and --local stands for one alone: push the change to a branch and use --revisions", qualified(app))
	}
	revisions, err := f.revisionsFor(app)
	o.Revisions = revisions
	return o, err
}

// revisionsFor gives one revision per source of a multi-source application, empty where none was named.
func (f *planFlags) revisionsFor(app *v1alpha1.Application) ([]string, error) {
	if f.revision != "" {
		return nil, usageError("application %s has several sources: use --revisions with --source-positions", qualified(app))
	}
	if len(f.revisions) == 0 {
		return nil, nil
	}
	revisions := make([]string, len(app.Spec.Sources))
	for i, revision := range f.revisions {
		at := f.sourceAt(app, i)
		if at < 0 || at >= len(revisions) {
			return nil, usageError("application %s has no such source for revision %q", qualified(app), revision)
		}
		revisions[at] = revision
	}
	return revisions, nil
}

// sourceAt is the index of the source that the i-th of --revisions belongs to, or -1.
func (f *planFlags) sourceAt(app *v1alpha1.Application, i int) int {
	if len(f.sourceNames) == 0 {
		return int(f.sourcePositions[i]) - 1
	}
	for at, s := range app.Spec.Sources {
		if s.Name == f.sourceNames[i] {
			return at
		}
	}
	return -1
}

// warn prints the engine's warnings.
func (c *cli) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(c.Err, "warning: %s\n", clean(mask.Text(strings.TrimSpace(w))))
	}
}
