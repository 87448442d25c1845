package server

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/operation"
)

// PlanRollbackRequest goes back to an earlier deployment, exactly as it was reviewed.
type PlanRollbackRequest struct {
	Name         string `path:"name" json:"-"`
	AppNamespace string `query:"appNamespace" json:"-"`
	// ID is the deployment's in the history.
	ID int64 `json:"id"`
	// Digest is the plan's. A plan that has become another one is a Conflict, and nothing is started.
	Digest string `json:"digest"`
	Prune  bool   `json:"prune,omitempty"`
	// Reason is kept in operation.info.
	Reason string `json:"reason,omitempty"`
}

// longestReason bounds what is kept with an operation.
const longestReason = 1000

// PlanSync starts a sync to the revisions that were reviewed, provided that it would still do what the plan said.
func (s *Server) PlanSync(ctx context.Context, q *PlanSyncRequest) (*v1alpha1.Application, error) {
	named := Named{Name: q.Name, AppNamespace: q.AppNamespace}
	app, err := s.namedApplication(ctx, named, "sync")
	if err != nil {
		return nil, err
	}
	t := target{app: app, fresh: true}
	if q.Override {
		if len(q.Revisions) == 0 {
			return nil, fault.New(fault.Invalid, "a sync to other revisions than those of application %s/%s names them", app.Namespace, app.Name)
		}
		t.revisions = q.Revisions
		if err := s.permitOverride(ctx, app, t.operation(q.Revisions)); err != nil {
			return nil, err
		}
	}
	a := Activity{Kind: audit.KindSync, Text: "asked for a sync", Reason: q.Reason, Revisions: q.Revisions}
	if len(q.Objects) > 0 {
		a.Text = fmt.Sprintf("asked for a sync of %d objects", len(q.Objects))
	}
	if q.Prune {
		a.Text += " with deletions"
	}
	return s.startPlanned(ctx, named, reviewed{
		target: t, digest: q.Digest, revisions: q.Revisions, reason: q.Reason, prune: q.Prune, override: q.Override, objects: q.Objects, activity: a, action: "sync",
	})
}

// PlanRollback goes back to an earlier deployment, provided that it would still do what the plan said.
func (s *Server) PlanRollback(ctx context.Context, q *PlanRollbackRequest) (*v1alpha1.Application, error) {
	named := Named{Name: q.Name, AppNamespace: q.AppNamespace}
	action, err := s.rollbackAction(ctx)
	if err != nil {
		return nil, err
	}
	app, err := s.namedApplication(ctx, named, action)
	if err != nil {
		return nil, err
	}
	t, err := rollbackTarget(app, q.ID)
	if err != nil {
		return nil, err
	}
	t.fresh = true
	a := Activity{Kind: audit.KindRollback, Text: fmt.Sprintf("asked for going back to deployment %d", q.ID), Reason: q.Reason, Revisions: t.revisions}
	return s.startPlanned(ctx, named, reviewed{
		target: t, digest: q.Digest, revisions: t.revisions, reason: q.Reason, prune: q.Prune, id: q.ID, activity: a, action: action,
	})
}

// reviewed is a plan that somebody said yes to.
type reviewed struct {
	target    target
	digest    string
	revisions []string
	reason    string
	prune     bool
	override  bool
	objects   []ResourceRef
	// id is that of the deployment to go back to.
	id int64
	// activity is what is recorded of it, and action the right that it needs.
	activity Activity
	action   string
}

// startPlanned makes the plan again, and starts the operation when it is still the same one.
func (s *Server) startPlanned(ctx context.Context, named Named, r reviewed) (*v1alpha1.Application, error) {
	now, err := s.confirmPlan(ctx, r)
	if err != nil {
		s.Record(ctx, r.target.app, err, r.activity)
		return nil, err
	}
	return s.start(ctx, startRequest{app: named, action: r.action, activity: r.activity}, func(app *v1alpha1.Application, user string) (*v1alpha1.Operation, error) {
		// What was planned is of the settings of that moment.
		if !sameSources(app, r.target) {
			return nil, fault.New(fault.Conflict, "application %s/%s was changed meanwhile; nothing was started; review it again", app.Namespace, app.Name)
		}
		op, err := r.operation(app, user, now.Revisions)
		if err != nil {
			return nil, err
		}
		if r.reason != "" {
			op.Info = append(op.Info, &v1alpha1.Info{Name: insight.ReasonInfo, Value: r.reason})
		}
		return op, nil
	})
}

// confirmPlan makes the plan again, and refuses unless it is the one that was reviewed.
func (s *Server) confirmPlan(ctx context.Context, r reviewed) (*Plan, error) {
	if r.digest == "" {
		return nil, fault.New(fault.Invalid, "the digest of the plan that was reviewed is missing")
	}
	if len(r.reason) > longestReason {
		return nil, fault.New(fault.Invalid, "the reason has %d bytes, and %d are kept", len(r.reason), longestReason)
	}
	now, err := s.plan(ctx, r.target)
	if err != nil {
		return nil, err
	}
	if now.Digest != r.digest {
		return nil, fault.New(fault.Conflict, "the plan is another one than the one that was reviewed: %s; nothing was started; review it again",
			s.plans.news(r.digest, r.revisions, now))
	}
	return now, nil
}

// sameSources reports whether an application still is what was planned. The sources of an earlier deployment are its own.
func sameSources(app *v1alpha1.Application, t target) bool {
	return t.back || app.UID == t.app.UID && equality.Semantic.DeepEqual(app.Spec, t.app.Spec)
}

// operation is the sync that the plan led to, at its revisions.
func (r reviewed) operation(app *v1alpha1.Application, user string, revisions []string) (*v1alpha1.Operation, error) {
	if r.target.back {
		to, err := operation.Deployment(app, r.id)
		if err != nil {
			return nil, err
		}
		return operation.Rollback(app, to, operation.RollbackOptions{Prune: r.prune, Username: user})
	}
	sync := r.target.operation(revisions)
	sync.Prune = r.prune
	for _, o := range r.objects {
		sync.Resources = append(sync.Resources, v1alpha1.SyncOperationResource{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name})
	}
	if r.override {
		// What automated sync would undo at once is refused; a commit that it follows itself is what it would sync to.
		if err := operation.Automated(app, sync); err != nil && !slices.Equal(revisions, followed(app)) {
			return nil, err
		}
	}
	op := &v1alpha1.Operation{Sync: sync, InitiatedBy: v1alpha1.OperationInitiator{Username: user}}
	if p := app.Spec.SyncPolicy; p != nil && p.Retry != nil {
		op.Retry = *p.Retry
	}
	return op, nil
}

// followed are the revisions that the application was last compared with.
func followed(app *v1alpha1.Application) []string {
	if len(app.Status.Sync.Revisions) > 0 {
		return app.Status.Sync.Revisions
	}
	return []string{app.Status.Sync.Revision}
}
