package notify

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Applications is what the engine needs of the control plane.
type Applications interface {
	// Project returns the annotations and the object of a project as templates see it; nil when there is none.
	Project(ctx context.Context, name string) *v1alpha1.AppProject
	// Commit tells of a commit of an application's first source.
	Commit(ctx context.Context, app *v1alpha1.Application, revision string) (Commit, error)
	// Record writes the annotation AnnotationNotified. An application that is gone, or another one by now, is no error.
	Record(ctx context.Context, key types.NamespacedName, uid types.UID, value string) error
}

// Commit is what a commit says, under the names that templates use.
type Commit struct {
	Message string
	Author  string
	Date    time.Time
	Tags    []string
}

// Observer is told what became of messages and of conditions.
type Observer interface {
	// Sent is told of each message once: err is why it was given up.
	Sent(d Delivery, err error)
	Evaluated(trigger string, triggered bool)
}

// Delivery is a message that was sent, or given up.
type Delivery struct {
	App      *v1alpha1.Application
	Trigger  string
	To       Destination
	Resolved bool
	At       time.Time
}

// Options of an Engine.
type Options struct {
	// Config is what is set up at the moment.
	Config       func() *Config
	Applications Applications
	Observer     Observer
	Log          *slog.Logger
	Now          func() time.Time
}

// Engine sends messages about the applications that it is shown. Looks are taken one after the other, in the order in which states
// are shown, so that none is missed: an Application that changes twice in a moment is told of twice.
type Engine struct {
	Options
	outbox *outbox

	mu       sync.Mutex
	seen     []sight
	more     chan struct{}
	memories map[types.NamespacedName]*known
	dirty    map[types.NamespacedName]bool
	write    chan struct{}
}

// known is what the engine holds of one application.
type known struct {
	app *v1alpha1.Application
	uid types.UID
	*memory
	wake time.Time
	// unseen says that no look was taken yet, created that the application was made before our eyes, recorded that there is a record.
	unseen, created, recorded bool
	// told are the problems of its subscriptions, which are logged once.
	told string
}

// sight is a state to look at.
type sight struct {
	before, app *v1alpha1.Application
	how         kindOfSight
}

type kindOfSight int

const (
	there   kindOfSight = iota // it was there before the engine began
	created                    // it is new
	changed
	gone
	again // nothing changed: a time has come, or other settings
)

// NewEngine returns an engine; Run works.
func NewEngine(o Options) *Engine {
	e := &Engine{Options: o, more: make(chan struct{}, 1), memories: map[types.NamespacedName]*known{}, dirty: map[types.NamespacedName]bool{}, write: make(chan struct{}, 1)}
	e.outbox = newOutbox(func(name string) Service { return e.Config().Service(name) }, e.ended)
	return e
}

// There shows an application that was there before.
func (e *Engine) There(app *v1alpha1.Application) { e.show(sight{nil, app, there}) }

// Created shows a new application.
func (e *Engine) Created(app *v1alpha1.Application) { e.show(sight{nil, app, created}) }

// Changed shows a change of an application.
func (e *Engine) Changed(before, app *v1alpha1.Application) { e.show(sight{before, app, changed}) }

// Gone tells that an application is no more.
func (e *Engine) Gone(app *v1alpha1.Application) { e.show(sight{nil, app, gone}) }

// Settings tells that there are other settings: all applications are looked at again. What could not be sent under the old ones is
// tried again.
func (e *Engine) Settings() {
	e.mu.Lock()
	var apps []*v1alpha1.Application
	for _, k := range e.memories {
		apps = append(apps, k.app)
		clear(k.failed)
	}
	e.mu.Unlock()
	for _, app := range apps {
		e.show(sight{nil, app, again})
	}
}

func (e *Engine) show(s sight) {
	e.mu.Lock()
	e.seen = append(e.seen, s)
	e.mu.Unlock()
	signal(e.more)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // somebody is on his way
	}
}

// Run looks at what is shown and sends until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { e.outbox.run(ctx) })
	group.Go(func() { e.writeRecords(ctx) })
	e.look(ctx)
	group.Wait()
	// What was sent in the last moment is recorded, so that the next to start does not send it again.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordAgain)
	defer cancel()
	e.flush(last)
	return ctx.Err()
}

// commitPatience bounds the wait for what a commit says.
const commitPatience = 10 * time.Second

// clockPace is how often conditions that ask for the time are looked at.
const clockPace = time.Minute

func (e *Engine) look(ctx context.Context) {
	for {
		timer := time.NewTimer(e.rest())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-e.more:
		case <-timer.C:
			e.wakeUp()
		}
		timer.Stop()
		for _, s := range e.take() {
			if ctx.Err() != nil {
				return
			}
			e.consider(ctx, s)
		}
	}
}

func (e *Engine) take() []sight {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.seen
	e.seen = nil
	return list
}

// rest is the time until some condition has to be looked at again.
func (e *Engine) rest() time.Duration {
	const never = 24 * time.Hour
	e.mu.Lock()
	defer e.mu.Unlock()
	now, rest := e.Now(), never
	for _, k := range e.memories {
		if !k.wake.IsZero() {
			rest = min(rest, k.wake.Sub(now))
		}
	}
	return max(rest, 0)
}

// wakeUp looks at the applications whose time has come.
func (e *Engine) wakeUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range e.memories {
		if !k.wake.IsZero() && !k.wake.After(e.Now()) {
			k.wake = time.Time{}
			e.seen = append(e.seen, sight{nil, k.app, again})
		}
	}
}

// consider looks at one state. Between two that belong to different operations lies the beginning of the second, which may never
// have been stored: it is looked at too, so that a success after a success is a second one.
func (e *Engine) consider(ctx context.Context, s sight) {
	defer func() {
		if why := recover(); why != nil { // a defect here must not end what keeps clusters in step
			e.Log.Error("notifications of an application panic", "application", s.app.Namespace+"/"+s.app.Name, "panic", why, "stack", string(debug.Stack()))
		}
	}()
	if begun := between(s.before, s.app); begun != nil {
		e.judge(ctx, sight{s.before, begun, s.how})
	}
	e.judge(ctx, s)
}

func between(before, after *v1alpha1.Application) *v1alpha1.Application {
	if before == nil || after.Status.OperationState == nil || !after.Status.OperationState.Phase.Completed() {
		return nil
	}
	if old := before.Status.OperationState; old != nil && old.StartedAt.Equal(&after.Status.OperationState.StartedAt) {
		return nil
	}
	begun := *before
	state := *after.Status.OperationState
	state.Phase, state.Message, state.FinishedAt, state.SyncResult = v1alpha1.OperationRunning, "", nil, nil
	begun.Status.OperationState = &state
	return &begun
}

func (e *Engine) judge(ctx context.Context, s sight) {
	key := types.NamespacedName{Namespace: s.app.Namespace, Name: s.app.Name}
	k := e.remember(key, s)
	if k == nil || s.how != again && !settled(s.app) {
		return
	}
	cfg := e.Config()
	project := e.Applications.Project(ctx, s.app.Spec.ProjectName())
	subscriptions := e.subscriptions(cfg, k, s.app, project)
	if len(subscriptions) == 0 {
		k.unseen, k.general = false, map[Subscription]bool{} // later ones of the ConfigMap are new
		return
	}
	vars := e.vars(ctx, cfg, s, project)
	quiet := k.unseen && !k.recorded && !k.created
	d := e.decide(k, func() decision { return cfg.decide(k.memory, subscriptions, vars, e.Now(), quiet) })
	k.unseen = false
	if (d.changed || !k.recorded) && s.how != gone {
		k.recorded = true // an empty record tells the next start that somebody looked
		e.mark(key)
	}
	e.tell(d)
	for _, out := range d.send {
		e.send(cfg, k, s.app, out, vars)
	}
}

// decide looks with the memory to itself, and notes when to look again.
func (e *Engine) decide(k *known, look func() decision) decision {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := look()
	if k.wake = d.wake; d.timed && (k.wake.IsZero() || k.wake.Sub(e.Now()) > clockPace) {
		k.wake = e.Now().Add(clockPace)
	}
	return d
}

// mark has the record of an application written.
func (e *Engine) mark(key types.NamespacedName) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty[key] = true
	signal(e.write)
}

// remember returns what is known of an application; nil when there is nothing to look at.
func (e *Engine) remember(key types.NamespacedName, s sight) *known {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := e.memories[key]
	if k != nil && k.uid != s.app.UID {
		k = nil
	}
	switch {
	case s.how == gone:
		delete(e.memories, key)
		delete(e.dirty, key)
	case k == nil && s.how == again:
		return nil
	case k == nil:
		record, recorded := s.app.Annotations[AnnotationNotified]
		k = &known{uid: s.app.UID, memory: newMemory(record), unseen: true, created: s.how == created, recorded: recorded}
		e.memories[key] = k
	}
	if k != nil {
		k.app = s.app
	}
	return k
}

// settled reports whether the status was brought up to date after the last operation: until then, it tells of the time before.
func settled(app *v1alpha1.Application) bool {
	op := app.Status.OperationState
	if op == nil || !op.Phase.Completed() {
		return true
	}
	at := func(t *metav1.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return t.Time
	}
	return op.FinishedAt != nil && (!op.FinishedAt.After(at(app.Status.ReconciledAt)) || !op.FinishedAt.After(at(app.Status.ObservedAt)))
}

func (e *Engine) subscriptions(cfg *Config, k *known, app *v1alpha1.Application, project *v1alpha1.AppProject) []Subscription {
	var ofProject map[string]string
	if project != nil {
		ofProject = project.Annotations
	}
	list, problems := cfg.Subscriptions(app.Annotations, ofProject, app.Labels)
	if text := fmt.Sprint(problems); text != k.told {
		k.told = text
		for _, p := range problems {
			e.Log.Warn("subscription not used", "application", app.Namespace+"/"+app.Name, "problem", p.Error())
		}
	}
	return list
}

func (e *Engine) tell(d decision) {
	for trigger, results := range d.results {
		for i := range results {
			e.Observer.Evaluated(trigger, results[i].Triggered)
		}
	}
}

// send renders a message and leaves it to the outbox.
func (e *Engine) send(cfg *Config, k *known, app *v1alpha1.Application, out due, vars map[string]any) {
	l := letter{due: out, known: k, app: app, until: e.Now().Add(giveUp)}
	if len(out.templates) == 0 {
		e.ended(l, nil)
		return
	}
	var err error
	if l.message, err = cfg.Render(out.templates, out.to, vars); err != nil {
		e.ended(l, err)
		return
	}
	e.outbox.post(l)
}

// ended notes what became of a message.
func (e *Engine) ended(l letter, err error) {
	key := types.NamespacedName{Namespace: l.app.Namespace, Name: l.app.Name}
	if e.note(key, l, err == nil) {
		e.mark(key)
	}
	if len(l.templates) > 0 {
		e.Observer.Sent(Delivery{App: l.app, Trigger: l.trigger, To: l.to, Resolved: l.resolved, At: e.Now()}, err)
	}
}

// note reports whether the record is to be written.
func (e *Engine) note(key types.NamespacedName, l letter, ok bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return l.known.delivered(l.due, ok, e.Now()) && e.memories[key] == l.known
}

func (e *Engine) vars(ctx context.Context, cfg *Config, s sight, project *v1alpha1.AppProject) map[string]any {
	app := s.app
	if s.how == gone && app.DeletionTimestamp == nil {
		copied := *app
		copied.DeletionTimestamp = &metav1.Time{Time: e.Now()}
		app = &copied
	}
	return cfg.Vars(app, project, func(revision string) (Commit, error) {
		ctx, cancel := context.WithTimeout(ctx, commitPatience)
		defer cancel()
		return e.Applications.Commit(ctx, app, revision)
	})
}
