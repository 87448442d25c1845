// Package reconcile is the story: an Application goes in; what must be written to it, after everything that follows from
// it was written to its cluster, comes out. It knows the order of the stages and nothing of how they work.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// Cluster is the view of the destination that a reconciliation reads.
type Cluster interface {
	Ready(ctx context.Context) error
	Version() string
	APIVersions() []string
	Kind(gk schema.GroupKind, version string) (live.Kind, bool)
	Manage(ctx context.Context, kinds ...schema.GroupVersionKind) error
	Synced(gk schema.GroupKind) error
	Get(ref object.Ref) (*object.Live, bool)
	Owned(app string) []*object.Live
	Namespace(name string) []*object.Live
	Children(uid types.UID) []*object.Live
}

// Destination is a cluster to read and to write.
type Destination struct {
	Server    string
	Name      string
	Cluster   Cluster
	Writer    apply.Writer
	Predictor diff.Predictor
	// As gives a writer, and its predictor, that act in the name of a user; nil where nothing is written.
	As func(user string) (apply.Writer, diff.Predictor, error)
}

// Destinations finds clusters. NotFound means that no cluster of that address or name is registered.
type Destinations interface {
	Destination(ctx context.Context, d v1alpha1.ApplicationDestination) (*Destination, error)
}

// Kept tells what a render would give, if that is known without rendering.
type Kept interface {
	Lookup(files source.FS, spec render.Spec) (render.Cached, bool)
}

// Permissions are what the application's project allows. Errors are of kind Denied and name the rule.
type Permissions interface {
	// Validate judges the spec by itself and names what this version does not act on.
	Validate(app *v1alpha1.Application) []v1alpha1.ApplicationCondition
	PermitsSource(repoURL string) error
	PermitsDestination(server, name, namespace string) error
	PermitsKind(group, kind, name, namespace string, namespaced bool) error
	// Window says whether the sync windows permit a sync of the application now.
	Window(app *v1alpha1.Application, sync project.Sync, now time.Time) project.Verdict
	// ServiceAccount returns the user as whom applications with that destination are written. NotFound means that none is named.
	ServiceAccount(server, namespace, appNamespace string) (user string, err error)
	// WarnsOfOrphans asks for a warning of objects that no application owns, IsOrphan whether one of them counts.
	WarnsOfOrphans() bool
	IsOrphan(group, kind, namespace, name string) bool
}

// Config are the system-wide settings of a reconciliation.
type Config struct {
	ControllerNamespace string
	Tracking            object.Tracking
	// Rules of comparison for every application. Where they could not be made, RulesErr says why, and nothing is compared.
	Rules    diff.Rules
	RulesErr error
	Render   render.Options
	// Impersonation says whether destinations are written as the project's service accounts.
	Impersonation settings.Impersonation
	// SelfHeal says how self-heal slows down when somebody keeps fighting it.
	SelfHeal Backoff
	// SyncTimeout ends an operation that takes longer; 0 means never.
	SyncTimeout time.Duration
	// Excluded says which kinds are left alone (resource.exclusions).
	Excluded func(group, kind string) bool
	// HealthScript judges an object by the user's own script, if there is one for its kind; nil when there are none.
	HealthScript func(obj *unstructured.Unstructured) (health.Result, bool)
	// Version changes whenever the settings do.
	Version string
}

// Backoff are waits that grow: Base, then Factor times the last one, at most Max.
type Backoff struct {
	Base, Max time.Duration
	Factor    int
}

// wait returns the n-th wait, counted from 0.
func (b Backoff) wait(n int64) time.Duration {
	d := b.Base
	for ; n > 0 && d < b.Max; n-- {
		d *= time.Duration(max(b.Factor, 1))
		if b.Factor <= 1 {
			break
		}
	}
	return min(d, b.Max)
}

// Request is one reconciliation. Nothing in it is changed but Memory.
type Request struct {
	App *v1alpha1.Application
	// Project is nil when the project does not exist.
	Project Permissions
	Config  Config
	// Refresh is RefreshNormal or RefreshHard when a person or a webhook asked for a new look, otherwise "".
	Refresh string
	Memory  *Memory
	// Progress is told of the state of a long operation while it runs, and says whether it may go on.
	Progress func(*v1alpha1.OperationState) (goOn bool)
}

// Result is what must be written to the Application.
type Result struct {
	App *v1alpha1.Application
	// After is when to look again although nothing happened; zero means never.
	After time.Duration
	// Rendered is false when the manifests are those of the last reconciliation: a commit did not touch the application.
	Rendered bool
	// Finished is the operation that ended in this reconciliation, if one did.
	Finished *v1alpha1.OperationState
	// Drift lists what differs from Git in live objects, for the log.
	Drift []*diff.Item
	// Loose lists desired objects that do not bear the application's mark: their changes cannot be told by it. One without a
	// name stands for all objects of its namespace that belong to nobody.
	Loose []object.Ref
	// Err is the cause when a stage stopped the reconciliation; it stands in a condition too.
	Err error
}

// Reconciler runs reconciliations, of different applications at the same time.
type Reconciler struct {
	Source       source.Source
	Renderer     render.Renderer
	Kept         Kept // what Renderer remembers; nil when it remembers nothing
	Destinations Destinations
	Now          func() time.Time
	Log          *slog.Logger
}

// stage is one step of the story.
type stage struct {
	name string
	run  func(context.Context, *run) error
}

// story is the order of the stages: what the application may, what it wants, what there is, what differs, whether to act,
// acting, and what came of it.
func (r *Reconciler) story() []stage {
	return []stage{
		{"permit", r.permit},
		{"resolve", r.resolve},
		{"render", r.render},
		{"read", r.read},
		{"compare", r.compare},
		{"gate", r.gate},
		{"sync", r.sync},
		{"assess", r.assess},
	}
}

// Reconcile brings one application one step further and returns what to write to it. A stage that fails ends the story:
// its error becomes a condition, nothing is deleted, and a running operation hears of it.
func (r *Reconciler) Reconcile(ctx context.Context, req Request) Result {
	s := newRun(req, r.Now())
	if s.app.DeletionTimestamp != nil {
		return r.remove(ctx, s)
	}
	for _, st := range r.story() {
		if err := st.run(ctx, s); err != nil {
			if errors.Is(err, errDone) {
				break
			}
			r.stop(ctx, s, st.name, err)
			break
		}
	}
	return s.report()
}

// errDone ends the story early without an error.
var errDone = errors.New("done")
