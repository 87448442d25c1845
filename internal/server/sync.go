package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/project"
)

// ApplicationSyncRequest is of Application.Sync.
type ApplicationSyncRequest struct {
	Named         `json:",inline"`
	Revision      string                           `json:"revision,omitempty"`
	DryRun        bool                             `json:"dryRun,omitempty"`
	Prune         bool                             `json:"prune,omitempty"`
	Strategy      *v1alpha1.SyncStrategy           `json:"strategy,omitempty"`
	Resources     []v1alpha1.SyncOperationResource `json:"resources,omitempty"`
	Manifests     []string                         `json:"manifests,omitempty"`
	Infos         []*v1alpha1.Info                 `json:"infos,omitempty"`
	RetryStrategy *v1alpha1.RetryStrategy          `json:"retryStrategy,omitempty"`
	SyncOptions   *SyncOptions                     `json:"syncOptions,omitempty"`
	// SourcePositions are the sources, counted from 1, that Revisions are for.
	SourcePositions []int64  `json:"sourcePositions,omitempty"`
	Revisions       []string `json:"revisions,omitempty"`
}

// SyncOptions are options of a sync; they replace those of the application.
type SyncOptions struct {
	Items []string `json:"items"`
}

// ApplicationRollbackRequest is of Application.Rollback.
type ApplicationRollbackRequest struct {
	Named  `json:",inline"`
	ID     int64 `json:"id"`
	DryRun bool  `json:"dryRun,omitempty"`
	Prune  bool  `json:"prune,omitempty"`
}

// OperationTerminateRequest is of Application.TerminateOperation.
type OperationTerminateRequest struct {
	Named `json:",inline"`
}

// OperationTerminateResponse is empty.
type OperationTerminateResponse struct{}

// SyncApplication starts a sync. Manifests from elsewhere than Git need the right to override.
func (s *Server) SyncApplication(ctx context.Context, q *ApplicationSyncRequest) (*v1alpha1.Application, error) {
	a := Activity{Kind: audit.KindSync, Text: "started a sync", Reason: reasonOf(q.Infos), Revisions: q.revisionsAsked()}
	return s.start(ctx, startRequest{q.Named, "sync", q.DryRun, a}, func(app *v1alpha1.Application, user string) (*v1alpha1.Operation, error) {
		op, err := q.operation(app, user)
		if err != nil {
			return nil, err
		}
		if err := s.permitOverride(ctx, app, op.Sync); err != nil {
			return nil, err
		}
		return op, operation.Automated(app, op.Sync)
	})
}

// Keys of argocd-cm that ask for more rights than sync.
const (
	keyOverrideForRevision = "application.sync.requireOverridePrivilegeForRevisionSync"
	keyRollbackRight       = "server.rbac.rollback.enforce.enable"
)

// permitOverride asks for the right to override where a sync leads to something else than the application says: to manifests from
// elsewhere, and where argocd-cm says so to other revisions.
func (s *Server) permitOverride(ctx context.Context, app *v1alpha1.Application, sync *v1alpha1.SyncOperation) error {
	needed := len(sync.Manifests) > 0
	if !needed && otherRevisions(app, sync) {
		_, config, err := s.settings(ctx)
		if err != nil {
			return err
		}
		needed = config[keyOverrideForRevision] == "true"
	}
	if !needed {
		return nil
	}
	return s.require(ctx, "applications", "override", s.rbacObject(app))
}

// otherRevisions reports whether a sync names a revision that its source does not follow.
func otherRevisions(app *v1alpha1.Application, sync *v1alpha1.SyncOperation) bool {
	asked := sync.Revisions
	if len(app.Spec.Sources) == 0 {
		asked = []string{sync.Revision}
	}
	for i, source := range app.Spec.GetSources() {
		if i < len(asked) && asked[i] != "" && asked[i] != source.TargetRevision && asked[i] != cmp.Or(source.TargetRevision, "HEAD") {
			return true
		}
	}
	return false
}

// rollbackAction is the right for going back: sync, unless argocd-cm says that it is one of its own.
func (s *Server) rollbackAction(ctx context.Context) (string, error) {
	_, config, err := s.settings(ctx)
	if err != nil {
		return "", err
	}
	if config[keyRollbackRight] == "true" {
		return "rollback", nil
	}
	return "sync", nil
}

// operation is what the request asks for.
func (q *ApplicationSyncRequest) operation(app *v1alpha1.Application, user string) (*v1alpha1.Operation, error) {
	sync := &v1alpha1.SyncOperation{
		Revision: q.Revision, Prune: q.Prune, DryRun: q.DryRun, SyncStrategy: q.Strategy, Resources: q.Resources, Manifests: q.Manifests,
		Source: app.Spec.Source,
	}
	if len(app.Spec.Sources) > 0 {
		sync.Source, sync.Sources = nil, app.Spec.Sources
		revisions, err := q.revisions(app.Spec.Sources)
		if err != nil {
			return nil, err
		}
		sync.Revisions = revisions
	} else if len(q.Revisions) == 1 && q.Revision == "" {
		sync.Revision = q.Revisions[0]
	}
	op := &v1alpha1.Operation{Sync: sync, InitiatedBy: v1alpha1.OperationInitiator{Username: user}, Info: q.Infos}
	if policy := app.Spec.SyncPolicy; policy != nil {
		sync.SyncOptions = policy.SyncOptions
		if policy.Retry != nil {
			op.Retry = *policy.Retry
		}
	}
	if q.SyncOptions != nil {
		sync.SyncOptions = q.SyncOptions.Items
	}
	if q.RetryStrategy != nil {
		op.Retry = *q.RetryStrategy
	}
	return op, nil
}

// revisions gives every source the revision that the request names for its position; the others keep their own.
func (q *ApplicationSyncRequest) revisions(sources v1alpha1.ApplicationSources) ([]string, error) {
	if len(q.Revisions) != len(q.SourcePositions) {
		return nil, fault.New(fault.Invalid, "%d revisions for %d source positions", len(q.Revisions), len(q.SourcePositions))
	}
	out := make([]string, len(sources))
	for i, src := range sources {
		out[i] = src.TargetRevision
	}
	for i, position := range q.SourcePositions {
		if position < 1 || position > int64(len(sources)) {
			return nil, fault.New(fault.Invalid, "source position %d: the application has %d sources, counted from 1", position, len(sources))
		}
		out[position-1] = q.Revisions[i]
	}
	return out, nil
}

// RollbackApplication goes back to an earlier deployment; 0 is the one before the present.
func (s *Server) RollbackApplication(ctx context.Context, q *ApplicationRollbackRequest) (*v1alpha1.Application, error) {
	action, err := s.rollbackAction(ctx)
	if err != nil {
		return nil, err
	}
	a := Activity{Kind: audit.KindRollback, Text: fmt.Sprintf("started a rollback to deployment %d", q.ID)}
	return s.start(ctx, startRequest{q.Named, action, q.DryRun, a}, func(app *v1alpha1.Application, user string) (*v1alpha1.Operation, error) {
		id := q.ID
		if id == 0 && !slices.ContainsFunc(app.Status.History, func(h v1alpha1.RevisionHistory) bool { return h.ID == 0 }) {
			id = operation.Previous
		}
		to, err := operation.Deployment(app, id)
		if err != nil {
			return nil, err
		}
		return operation.Rollback(app, to, operation.RollbackOptions{Prune: q.Prune, DryRun: q.DryRun, Username: user})
	})
}

// startRequest is what an operation is started on, by which right, and what is recorded of it.
type startRequest struct {
	app      Named
	action   string
	dryRun   bool
	activity Activity
}

// start writes an operation by the protocol of operations, once windows permit it.
func (s *Server) start(
	ctx context.Context, r startRequest, build func(*v1alpha1.Application, string) (*v1alpha1.Operation, error),
) (*v1alpha1.Application, error) {
	caller, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		r.activity.Text += " as a dry run"
	}
	app, err := s.changeRecorded(ctx, r.app, r.action, r.activity, func(app *v1alpha1.Application) (map[string]any, error) {
		if err := operation.Busy(app, s.Now()); err != nil {
			return nil, err
		}
		op, err := build(app, caller.Name)
		if err != nil {
			return nil, err
		}
		if !r.dryRun {
			if err := s.refuseWindow(ctx, app); err != nil {
				return nil, err
			}
		}
		return operation.Start(app, op, s.Now())
	})
	if err != nil {
		return nil, err
	}
	return s.shown(app), nil
}

// reasonOf is the reason that a request gives in its information.
func reasonOf(infos []*v1alpha1.Info) string {
	for _, i := range infos {
		if i != nil && strings.EqualFold(i.Name, "reason") {
			return i.Value
		}
	}
	return ""
}

// revisionsAsked are those that the request names.
func (q *ApplicationSyncRequest) revisionsAsked() []string {
	if q.Revision != "" {
		return []string{q.Revision}
	}
	return q.Revisions
}

// TerminateOperation ends the running operation.
func (s *Server) TerminateOperation(ctx context.Context, q *OperationTerminateRequest) (*OperationTerminateResponse, error) {
	_, err := s.changeRecorded(ctx, q.Named, "sync", Activity{Kind: audit.KindTerminate, Text: "ended the running operation"}, operation.Terminate)
	if err != nil {
		return nil, err
	}
	return &OperationTerminateResponse{}, nil
}

// projectOf reads the project of an application.
func (s *Server) projectOf(ctx context.Context, app *v1alpha1.Application) (*v1alpha1.AppProject, error) {
	name := app.Spec.ProjectName()
	p := &v1alpha1.AppProject{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, p)
	if apierrors.IsNotFound(err) && name == v1alpha1.DefaultProjectName {
		return project.Default(s.Namespace), nil
	}
	if err != nil {
		return nil, kubeFault(err, "read project %s of application %s", name, app.Name)
	}
	return p, nil
}

// refuseWindow refuses a sync by hand that the windows of the project forbid now.
func (s *Server) refuseWindow(ctx context.Context, app *v1alpha1.Application) error {
	p, err := s.projectOf(ctx, app)
	if err != nil {
		return err
	}
	permitted, err := s.permissions(ctx, p)
	if err != nil {
		return err
	}
	return operation.Window(permitted.Windows(app), app, s.Now(), func(at time.Time) string { return at.UTC().Format(time.RFC3339) })
}

// position reads the position of one of n sources, counted from 1, as an index.
func position(text string, n int) (int, error) {
	at, err := strconv.Atoi(text)
	if err != nil || at < 1 || at > n {
		return 0, fault.New(fault.Invalid, "source position %q: the application has %d sources, counted from 1", text, n)
	}
	return at - 1, nil
}
