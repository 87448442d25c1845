// Package controller drives reconciliations: changes of Applications, settings, repositories and live objects go in; for
// each Application concerned one reconciliation at a time and one write of what it reports come out.
package controller

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	rtcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	belay "github.com/belaycd/belay/internal/reconcile"
)

// Environment gives what reconciliations need besides the Application, as it is now.
type Environment interface {
	Config() belay.Config
	// Project returns nil when the project does not exist.
	Project(ctx context.Context, name string) (belay.Permissions, error)
}

// Observer is told of every reconciliation, for metrics.
type Observer interface {
	Reconciled(app *v1alpha1.Application, took time.Duration)
	OperationEnded(app *v1alpha1.Application, op *v1alpha1.OperationState)
	Forgotten(key types.NamespacedName)
}

// Options of a Controller.
type Options struct {
	Client client.Client
	// Reader reads past the cache.
	Reader      client.Reader
	Reconciler  *belay.Reconciler
	Environment Environment
	Observer    Observer
	Events      events.EventRecorder
	Log         *slog.Logger
	Now         func() time.Time
	// Workers is how many applications are worked on at once. Work waits for networks most of the time.
	Workers int
}

// Controller reconciles Applications.
type Controller struct {
	Options
	queue queue

	mu      sync.Mutex
	entries map[types.NamespacedName]*entry
	loose   looseIndex
}

// entry is what is kept of one application between reconciliations. Only the worker that holds the application's key
// uses it, but for what mu guards.
type entry struct {
	latest *v1alpha1.Application // as we wrote it last; the cache may be older
	uid    types.UID             // of the Application that memory is of

	mu      sync.Mutex
	memory  *belay.Memory // nil before the first reconciliation
	wanted  string        // a refresh that a webhook or a settings change asked for
	working bool          // a reconciliation is under way; what it resolved may be out of date
	due     time.Time     // when a revision that changes nothing else is written; zero for none that waits
}

// New returns a controller; Setup connects it.
func New(o Options) *Controller {
	return &Controller{Options: o, entries: map[types.NamespacedName]*entry{}, loose: looseIndex{}}
}

// Setup registers the controller with the manager.
func (c *Controller) Setup(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("app_reconciliation_queue").
		For(&v1alpha1.Application{}, c.onChange()).
		WatchesRawSource(c.queueSource()).
		WithOptions(rtcontroller.Options{
			MaxConcurrentReconciles: c.Workers,
			// After an outage nobody waits for longer than this; the default waits up to a quarter of an hour.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](100*time.Millisecond, 30*time.Second),
		}).
		Complete(c)
}

// Reconcile is the controller-runtime entry point for one application.
func (c *Controller) Reconcile(ctx context.Context, req ctrl.Request) (reconcile.Result, error) {
	app, e, err := c.load(ctx, req.NamespacedName)
	if err != nil || app == nil {
		return reconcile.Result{}, err
	}
	if app.Annotations[v1alpha1.AnnotationSkipReconcile] == "true" {
		return reconcile.Result{}, nil
	}
	e.work(true)
	defer e.work(false)
	started := c.Now()
	project, err := c.Environment.Project(ctx, app.Spec.ProjectName())
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read project %s: %w", app.Spec.ProjectName(), err)
	}
	refresh := e.refresh(app)
	d := newDraft(app)
	res := c.Reconciler.Reconcile(ctx, belay.Request{
		App: app, Project: project, Config: c.Environment.Config(),
		Refresh: refresh, Memory: e.remembered(),
		Progress: func(st *v1alpha1.OperationState) bool { return c.progress(ctx, e, d, st) },
	})
	if ctx.Err() != nil {
		return reconcile.Result{}, nil // stopping: what the cluster says is where the next start goes on
	}
	if wait := c.putOff(e, req.NamespacedName, app, res, refresh); wait > 0 {
		res.App, res.After = app, sooner(res.After, wait)
	} else if err := c.write(ctx, e, d, res.App, refresh != ""); err != nil {
		return c.writeFailed(req, err)
	}
	if d.overtaken {
		res.Finished = nil // somebody asked for another operation, which is to be told of instead
	}
	c.loose.set(req.NamespacedName, res.Loose)
	c.tell(app, res, c.Now().Sub(started))
	return reconcile.Result{RequeueAfter: res.After}, nil
}

// load returns the newest known state of the application, nil when it is gone.
func (c *Controller) load(ctx context.Context, key types.NamespacedName) (*v1alpha1.Application, *entry, error) {
	var app v1alpha1.Application
	if err := c.Client.Get(ctx, key, &app); err != nil {
		if !apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("read Application %s: %w", key, err)
		}
		c.mu.Lock()
		delete(c.entries, key)
		c.mu.Unlock()
		c.loose.set(key, nil)
		c.Observer.Forgotten(key)
		return nil, nil, nil
	}
	e := c.entry(key)
	if m := e.remembered(); m == nil || e.uid != app.UID {
		// Of an Application of that name that is gone, nothing counts.
		e.remember(belay.NewMemory(app.Annotations[belay.AnnotationFinished]))
		e.uid = app.UID
	}
	if e.latest != nil && e.latest.UID == app.UID && newer(e.latest, &app) {
		return e.latest, e, nil
	}
	e.latest = nil
	return &app, e, nil
}

func (c *Controller) entry(key types.NamespacedName) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		e = &entry{}
		c.entries[key] = e
	}
	return e
}

// newer reports whether a was written after b.
func newer(a, b *v1alpha1.Application) bool {
	va, erra := strconv.ParseUint(a.ResourceVersion, 10, 64)
	vb, errb := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return erra == nil && errb == nil && va > vb
}

// refresh returns the refresh that somebody asked for, by annotation or inside the process.
func (e *entry) refresh(app *v1alpha1.Application) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := e.wanted
	e.wanted = ""
	level := refreshLevel(app.Annotations[v1alpha1.AnnotationRefresh])
	if level == "" || wanted == v1alpha1.RefreshHard {
		return wanted
	}
	return level
}

// refreshLevel reads the annotation: what is neither empty nor hard is normal.
func refreshLevel(annotation string) string {
	if annotation == "" || annotation == v1alpha1.RefreshHard {
		return annotation
	}
	return v1alpha1.RefreshNormal
}

func (e *entry) remember(m *belay.Memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.memory = m
}

func (e *entry) remembered() *belay.Memory {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.memory
}

func (e *entry) want(level string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wanted != v1alpha1.RefreshHard {
		e.wanted = level
	}
}

// writeFailed decides what a failed write of the status means.
func (c *Controller) writeFailed(req ctrl.Request, err error) (reconcile.Result, error) {
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil // deleted meanwhile
	}
	return reconcile.Result{}, fmt.Errorf("write Application %s: %w", req.NamespacedName, err)
}

// tell logs and counts what a reconciliation did.
func (c *Controller) tell(before *v1alpha1.Application, res belay.Result, took time.Duration) {
	app := res.App
	c.Observer.Reconciled(app, took)
	log := c.Log.With("application", app.Namespace+"/"+app.Name, "revision", compared(app))
	if res.Err != nil {
		log.Warn("reconciliation stopped", "error", res.Err.Error())
	}
	if before.Status.Sync.Status != app.Status.Sync.Status || before.Status.Health.Status != app.Status.Health.Status {
		log.Info("status changed", "sync", app.Status.Sync.Status, "health", app.Status.Health.Status,
			"message", app.Status.Health.Message, "took", took.String())
	}
	logDrift(log, before, res.Drift)
	if op := res.Finished; op != nil {
		c.Observer.OperationEnded(app, op)
		log.Info("operation ended", "phase", op.Phase, "message", op.Message, "operation", op.StartedAt.Format(time.RFC3339))
		kind, reason := corev1.EventTypeNormal, "OperationCompleted"
		if op.Phase != v1alpha1.OperationSucceeded {
			kind = corev1.EventTypeWarning
		}
		c.Events.Eventf(app, nil, kind, reason, "Sync", "Sync operation to %s %s: %s", revisionOf(op), op.Phase, brief(op.Message))
	}
}

// compared returns the revisions that the status is about.
func compared(app *v1alpha1.Application) string {
	if list := app.Status.Sync.Revisions; len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return app.Status.Sync.Revision
}

// brief cuts a message so that an Event, which holds a kilobyte, can bear it.
func brief(message string) string {
	const most = 800
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + " ..."
}

func revisionOf(op *v1alpha1.OperationState) string {
	if op.SyncResult == nil {
		return ""
	}
	if list := op.SyncResult.Revisions; len(list) > 0 {
		return strings.Join(list, ", ")
	}
	return op.SyncResult.Revision
}

// logDrift tells which live objects left what Git says, in which fields, and who wrote them.
func logDrift(log *slog.Logger, before *v1alpha1.Application, drift []*diff.Item) {
	if before.Status.Sync.Status != v1alpha1.SyncStatusSynced {
		return // told when it happened
	}
	for _, i := range drift {
		if len(i.Changes) == 0 {
			log.Info("drift", "object", i.Ref.String(), "reason", i.Reason)
		}
		for _, ch := range i.Changes {
			// Values stay out of the log: they may be secret.
			log.Info("drift", "object", i.Ref.String(), "field", ch.Path, "manager", ch.Manager)
		}
	}
}
