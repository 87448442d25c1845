package insight

import (
	"net/url"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

// ReasonInfo is the name under which an operation's info keeps why somebody asked for it.
const ReasonInfo = "reason"

// Reason is why an operation was asked for, by what its info says.
func Reason(op *v1alpha1.Operation) string {
	for _, i := range op.Info {
		if i != nil && i.Name == ReasonInfo {
			return i.Value
		}
	}
	return ""
}

// History returns the deployments of an application, the latest first. reasons are those that were recorded elsewhere, by the
// time at which the operation started; the last operation has its own. Commits have a revision and an address only.
func History(app *v1alpha1.Application, reasons map[int64]string) []HistoryEntry {
	out := make([]HistoryEntry, 0, len(app.Status.History))
	last := app.Status.OperationState
	for i := range app.Status.History {
		h := &app.Status.History[i]
		e := HistoryEntry{ID: h.ID, Revisions: revisionsOf(h.Revision, h.Revisions), StartedAt: h.DeployStartedAt, DeployedAt: h.DeployedAt,
			Actor: actorOf(h.InitiatedBy), Current: i == len(app.Status.History)-1}
		if h.DeployStartedAt != nil {
			e.Reason = reasons[h.DeployStartedAt.Unix()]
			if last != nil && last.StartedAt.Time.Equal(h.DeployStartedAt.Time) {
				e.Reason = Reason(&last.Operation)
			}
		}
		sources := h.Sources
		if len(sources) == 0 {
			sources = v1alpha1.ApplicationSources{h.Source}
		}
		e.Commits = Commits(sources, e.Revisions)
		out = append(out, e)
	}
	slices.Reverse(out)
	return out
}

// At is an application as it was at an earlier deployment, and the revisions of that.
func At(app *v1alpha1.Application, h *v1alpha1.RevisionHistory) (then *v1alpha1.Application, revisions []string) {
	then = app.DeepCopy()
	then.Spec.Sources, then.Spec.Source = h.Sources, nil
	if len(h.Sources) > 0 {
		return then, h.Revisions
	}
	source := h.Source
	then.Spec.Source = &source
	return then, []string{h.Revision}
}

// SyncTo is the sync of an application to revisions. One that goes back to an earlier deployment has its sources and runs no
// hooks.
func SyncTo(app *v1alpha1.Application, revisions []string, back bool) *v1alpha1.SyncOperation {
	op := &v1alpha1.SyncOperation{SyncStrategy: &v1alpha1.SyncStrategy{Hook: &v1alpha1.SyncStrategyHook{}}}
	if app.Spec.SyncPolicy != nil {
		op.SyncOptions = app.Spec.SyncPolicy.SyncOptions
	}
	if len(app.Spec.Sources) > 0 {
		op.Revisions = revisions
	} else if len(revisions) > 0 {
		op.Revision = revisions[0]
	}
	if back {
		op.SyncStrategy = &v1alpha1.SyncStrategy{Apply: &v1alpha1.SyncStrategyApply{}}
		op.Source, op.Sources = app.Spec.Source, app.Spec.Sources
	}
	return op
}

// Commits names the revisions of sources and where they can be looked at.
func Commits(sources v1alpha1.ApplicationSources, revisions []string) []Commit {
	out := make([]Commit, len(revisions))
	for i, r := range revisions {
		out[i].Revision = r
		if i < len(sources) && sources[i].Chart == "" {
			out[i].URL = CommitURL(sources[i].RepoURL, r)
		}
	}
	return out
}

// CommitURL is where the host of a repository shows a commit; empty for hosts of which nobody knows.
func CommitURL(repo, revision string) string {
	if !isSHA(revision) {
		return ""
	}
	host, name := splitRepo(repo)
	if host == "" || name == "" {
		return ""
	}
	var middle string
	switch name := strings.ToLower(host); {
	case strings.Contains(name, "gitlab"):
		middle = "/-/commit/"
	case strings.HasSuffix(name, "bitbucket.org"):
		middle = "/commits/"
	case strings.Contains(name, "github"), strings.Contains(name, "gitea"), strings.Contains(name, "forgejo"), strings.HasSuffix(name, "codeberg.org"):
		middle = "/commit/"
	default:
		return ""
	}
	u := url.URL{Scheme: "https", Host: host, Path: "/" + name + middle + revision}
	return u.String()
}

// splitRepo returns host and path of a repository, in the form of an address or of scp.
func splitRepo(repo string) (host, name string) {
	if !strings.Contains(repo, "://") {
		userHost, p, found := strings.Cut(repo, ":")
		if !found {
			return "", ""
		}
		repo = "ssh://" + userHost + "/" + p
	}
	u, err := url.Parse(repo)
	if err != nil || u.Scheme == "file" {
		return "", ""
	}
	host = u.Hostname()
	if u.Port() != "" && (u.Scheme == "https" || u.Scheme == "http") {
		host = u.Host
	}
	return host, strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
}

// isSHA reports whether s is the full id of a Git commit.
func isSHA(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// Short is a revision for people.
func Short(revision string) string {
	if isSHA(revision) {
		return revision[:7]
	}
	return revision
}
