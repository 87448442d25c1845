package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// PlanQuery asks what a sync would do.
type PlanQuery struct {
	Name         string `path:"name" json:"name,omitempty"`
	AppNamespace string `query:"appNamespace" json:"appNamespace,omitempty"`
	// Revisions are planned in place of those that the application follows, one for each source; an empty one keeps the
	// source's own.
	Revisions []string `query:"revisions,revision" json:"revisions,omitempty"`
	// History plans going back to the deployment of this id.
	History string `query:"history,rollback" json:"history,omitempty"`
	// Refresh asks the repositories again.
	Refresh bool `query:"refresh,fresh" json:"refresh,omitempty"`
}

// Plan says what a sync would do, or with a deployment's id what going back to it would.
func (s *Server) Plan(ctx context.Context, q *PlanQuery) (*Plan, error) {
	app, err := s.application(ctx, q.AppNamespace, q.Name, "get")
	if err != nil {
		return nil, err
	}
	t := target{app: app, revisions: q.Revisions, fresh: q.Refresh}
	if q.History != "" {
		id, err := strconv.ParseInt(q.History, 10, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "history: %q is no id of a deployment", q.History)
		}
		if t, err = rollbackTarget(app, id); err != nil {
			return nil, err
		}
	}
	return s.plan(ctx, t)
}

// target is what is planned.
type target struct {
	app       *v1alpha1.Application
	revisions []string
	fresh     bool
	// back says that the sources are those of an earlier deployment, to which a sync without hooks leads.
	back bool
}

// rollbackTarget is an earlier deployment.
func rollbackTarget(app *v1alpha1.Application, id int64) (target, error) {
	at := slices.IndexFunc(app.Status.History, func(h v1alpha1.RevisionHistory) bool { return h.ID == id })
	if at < 0 {
		return target{}, fault.New(fault.NotFound, "application %s/%s has no deployment with id %d in its history", app.Namespace, app.Name, id)
	}
	h := app.Status.History[at]
	if h.Source.RepoURL == "" && len(h.Sources) == 0 {
		return target{}, fault.New(fault.Invalid, "deployment %d of application %s/%s has no source on record", id, app.Namespace, app.Name)
	}
	then, revisions := insight.At(app, &h)
	return target{app: then, revisions: revisions, back: true}, nil
}

// operation is the sync that leads to the target.
func (t target) operation(revisions []string) *v1alpha1.SyncOperation {
	return insight.SyncTo(t.app, revisions, t.back)
}

func (s *Server) plan(ctx context.Context, t target) (*Plan, error) {
	preview, err := s.Engine.Preview(ctx, t.app, t.revisions, t.fresh)
	if err != nil {
		return nil, fmt.Errorf("plan application %s/%s: %w", t.app.Namespace, t.app.Name, err)
	}
	window, err := s.window(ctx, t.app)
	if err != nil {
		return nil, err
	}
	p, err := insight.NewPlan(insight.PlanInput{
		App: t.app, Revisions: preview.Revisions, Plan: preview.Plan, Hooks: preview.Targets.Hooks, Conditions: preview.Conditions,
		Operation: t.operation(preview.Revisions), Window: window, Masked: s.Engine.MaskedAnnotations(),
	})
	if err != nil {
		return nil, fmt.Errorf("plan application %s/%s: %w", t.app.Namespace, t.app.Name, err)
	}
	s.commitsOf(ctx, t.app, p.Commits)
	s.plans.keep(p)
	return p, nil
}

// planMemory remembers the plans that were shown, to tell what is new when one has become another. It only helps the
// wording: a server that does not remember refuses as well.
type planMemory struct {
	mu    sync.Mutex
	lines map[string][]string // by digest
	order []string
}

// plansKept bounds the memory.
const plansKept = 64

func (m *planMemory) keep(p *Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.lines[p.Digest]; known {
		return
	}
	if m.lines == nil {
		m.lines = map[string][]string{}
	}
	if m.lines[p.Digest], m.order = planLines(p), append(m.order, p.Digest); len(m.order) > plansKept {
		delete(m.lines, m.order[0])
		m.order = m.order[1:]
	}
}

// planLines is a plan in lines without values.
func planLines(p *Plan) []string {
	var out []string
	for _, o := range p.Objects {
		line := o.Action + " " + o.Ref().String()
		var fields []string
		for _, c := range o.Changes {
			fields = append(fields, c.Path)
		}
		if len(fields) > 0 {
			line += " (" + strings.Join(fields, ", ") + ")"
		}
		if o.Refused != "" {
			line += ", refused"
		}
		out = append(out, line)
	}
	for _, h := range p.Hooks {
		out = append(out, "hook "+h.Phase+" "+h.Ref().String())
	}
	return out
}

// mostNews bounds how many new lines a message tells of.
const mostNews = 3

// news says how a plan differs from the one that was reviewed.
func (m *planMemory) news(digest string, reviewed []string, now *Plan) string {
	if len(reviewed) > 0 && !slices.Equal(reviewed, now.Revisions) {
		return fmt.Sprintf("the revision was %s and is %s now", strings.Join(shorten(reviewed), ", "), strings.Join(shorten(now.Revisions), ", "))
	}
	m.mu.Lock()
	before, known := m.lines[digest]
	m.mu.Unlock()
	if !known {
		return "live objects or settings have changed since"
	}
	var news []string
	after := planLines(now)
	for _, l := range after {
		if !slices.Contains(before, l) {
			news = append(news, "new: "+l)
		}
	}
	for _, l := range before {
		if !slices.Contains(after, l) {
			news = append(news, "gone: "+l)
		}
	}
	if len(news) == 0 {
		return "values of fields have changed since"
	}
	if more := len(news) - mostNews; more > 0 {
		news = append(news[:mostNews], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(news, "; ")
}

func shorten(revisions []string) []string {
	out := make([]string, len(revisions))
	for i, r := range revisions {
		out[i] = insight.Short(r)
	}
	return out
}
