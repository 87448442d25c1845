package insight

import (
	"cmp"
	"slices"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// Automated is who deployed what nobody asked for.
const Automated = "automated"

// Deployments returns a row for each application, by service, environment and name, and the environments in their order.
// Window and Can are left to the caller; commits have a revision only.
func Deployments(apps []v1alpha1.Application, naming Naming, now time.Time) (rows []Deployment, environments []string) {
	places := naming.places(apps)
	environments = naming.columns(places)
	rows = make([]Deployment, len(apps))
	for i := range apps {
		rows[i] = deployment(&apps[i], now)
		rows[i].Service, rows[i].Environment = places[i].service, places[i].environment
	}
	slices.SortStableFunc(rows, func(a, b Deployment) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service),
			cmp.Compare(slices.Index(environments, a.Environment), slices.Index(environments, b.Environment)),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return rows, environments
}

func deployment(app *v1alpha1.Application, now time.Time) Deployment {
	src, st := MainSource(app), &app.Status
	d := Deployment{
		Name: app.Name, Namespace: app.Namespace, Project: app.Spec.ProjectName(), Labels: app.Labels,
		RepoURL: mask.Text(src.RepoURL), Path: src.Path, Chart: src.Chart, TargetRevision: src.TargetRevision,
		DestServer: app.Spec.Destination.Server, DestName: app.Spec.Destination.Name, DestNamespace: app.Spec.Destination.Namespace,
		Images: st.Summary.Images, Sync: st.Sync.Status, Health: st.Health.Status, Created: app.CreationTimestamp,
		Pending: pending(st.Resources), AutoSync: app.Spec.SyncPolicy.IsAutomated(), Can: []string{},
	}
	if d.Sync == "" {
		d.Sync = v1alpha1.SyncStatusUnknown
	}
	if d.Health == "" {
		d.Health = v1alpha1.HealthUnknown
	}
	if d.AutoSync {
		d.SelfHeal, d.Prune = app.Spec.SyncPolicy.Automated.SelfHeal, app.Spec.SyncPolicy.Automated.Prune
	}
	if st.OperationState != nil {
		d.Operation = st.OperationState.Phase
	}
	at := MainSourceIndex(app)
	if n := len(st.History); n > 0 {
		last := &st.History[n-1]
		deployed := last.DeployedAt
		d.Deployed = &Commit{Revision: revisionAt(last.Revision, last.Revisions, at)}
		d.DeployedAt, d.DeployedBy = &deployed, actorOf(last.InitiatedBy)
	}
	if want := revisionAt(st.Sync.Revision, st.Sync.Revisions, at); want != "" && d.Sync != v1alpha1.SyncStatusSynced {
		if d.Deployed == nil || d.Deployed.Revision != want {
			d.Wanted = &Commit{Revision: want}
		}
	}
	d.Problem = Problem(app, now)
	return d
}

// pending counts what a sync would change, by what the last comparison wrote down of each object.
func pending(resources []v1alpha1.ResourceStatus) PlanCounts {
	var c PlanCounts
	for i := range resources {
		r := &resources[i]
		switch {
		case r.Hook || r.Status != v1alpha1.SyncStatusOutOfSync:
		case r.RequiresPruning:
			c.Delete++
		case missing(r):
			c.Create++
		default:
			c.Update++
		}
	}
	return c
}

func missing(r *v1alpha1.ResourceStatus) bool {
	return r.Health != nil && r.Health.Status == v1alpha1.HealthMissing
}

// MainSourceIndex is the place of MainSource among the sources.
func MainSourceIndex(app *v1alpha1.Application) int {
	for i, s := range app.Spec.GetSources() {
		if !s.IsRefOnly() {
			return i
		}
	}
	return 0
}

// revisionAt is the revision of one source: of several, or the only one.
func revisionAt(one string, several []string, at int) string {
	if at < len(several) {
		return several[at]
	}
	return one
}

// revisionsOf are the revisions of all sources.
func revisionsOf(one string, several []string) []string {
	switch {
	case len(several) > 0:
		return several
	case one != "":
		return []string{one}
	}
	return []string{}
}

// actorOf names who began an operation; empty when that was not recorded.
func actorOf(by v1alpha1.OperationInitiator) string {
	if by.Automated {
		return Automated
	}
	return by.Username
}

// EnvironmentOf is the environment of one application by itself.
func EnvironmentOf(app *v1alpha1.Application, naming Naming) string {
	return naming.places([]v1alpha1.Application{*app})[0].environment
}
