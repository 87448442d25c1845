package app

import (
	"context"
	"net/http"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/webhook"
)

// poll looks at every repository in use once an interval and wakes the applications whose revision moved.
// A replica that stands by leaves that to the leader.
func poll(ctx context.Context, p parts) error {
	select {
	case <-p.elected:
	case <-ctx.Done():
		return ctx.Err()
	}
	used := &use{gather: func() []source.Request { return requestsInUse(ctx, p) }}
	if err := handle(ctx, p.mgr.GetCache(), &v1alpha1.Application{}, func(any) { used.changed() }); err != nil {
		return err
	}
	return p.repos.poll(ctx, used.requests, func(repo string, match func(v1alpha1.ApplicationSource) bool) {
		err := p.ctl.Moved(ctx, func(a *v1alpha1.Application) bool { return slices.ContainsFunc(a.Spec.GetSources(), match) })
		if err != nil {
			p.ctl.Log.Warn("wake applications", "repository", source.Redact(repo), "error", err.Error())
		}
	})
}

// use keeps what all Applications ask for, gathered anew only after one of them has changed: an idle fleet is looked at every
// few seconds, by several polls.
type use struct {
	gather func() []source.Request

	mu    sync.Mutex
	fresh bool
	list  []source.Request
}

func (u *use) changed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fresh = false
}

// requests returns the list, which must not be changed.
func (u *use) requests() []source.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.fresh {
		// What changes from here on is seen the next time.
		u.fresh, u.list = true, u.gather()
	}
	return u.list
}

// requestsInUse lists what all Applications ask for, each once.
func requestsInUse(ctx context.Context, p parts) []source.Request {
	var list v1alpha1.ApplicationList
	if err := p.mgr.GetClient().List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // only when the cache stops
	}
	seen := map[source.Request]bool{}
	var out []source.Request
	for i := range list.Items {
		app := &list.Items[i]
		for _, src := range app.Spec.GetSources() {
			if req := source.RequestFor(src, app.Spec.ProjectName()); !seen[req] {
				seen[req] = true
				out = append(out, req)
			}
		}
	}
	return out
}

func uses(a *v1alpha1.Application, repoURL string) bool {
	return slices.ContainsFunc(a.Spec.GetSources(), fromGit(repoURL))
}

// webhookHandler looks at the repository of a push at once. The sender is answered before that: it waits for nobody.
func webhookHandler(ctx context.Context, p parts) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := webhook.ReadBody(r.Body, 0)
		if err != nil {
			refuse(w, err)
			return
		}
		event, err := webhook.Parse(r.Header, body, p.env.current.Load().webhooks)
		if err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusOK)
		if event.Empty() {
			return
		}
		told := ""
		for _, req := range gitRequests(requestsInUse(ctx, p)) {
			switch {
			case !event.Matches(req.RepoURL):
			case leads(p):
				go refreshRepo(ctx, p, req)
			case told != req.RepoURL: // it is sorted, and the leader finds all projects
				told = req.RepoURL
				go tellLeader(ctx, p, told)
			}
		}
	})
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	if fault.Is(err, fault.Denied) {
		code = http.StatusForbidden
	}
	http.Error(w, err.Error(), code)
}

// refreshRepo asks a remote for its refs; Poll's callback wakes applications if any moved.
func refreshRepo(ctx context.Context, p parts, req source.Request) {
	if _, err := p.repos.git.Refresh(ctx, req); err != nil && ctx.Err() == nil {
		p.ctl.Log.Warn("look at repository after a webhook", "repository", source.Redact(req.RepoURL), "error", err.Error())
	}
}

func leads(p parts) bool {
	select {
	case <-p.elected:
		return true
	default:
		return false
	}
}

// tellLeader passes a webhook on that reached a replica which stands by: through the annotation that asks for a refresh,
// which the leader sees.
func tellLeader(ctx context.Context, p parts, repoURL string) {
	var list v1alpha1.ApplicationList
	if err := p.mgr.GetClient().List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return // only when the cache stops
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+v1alpha1.AnnotationRefresh+`":"`+v1alpha1.RefreshNormal+`"}}}`))
	for i := range list.Items {
		if !uses(&list.Items[i], repoURL) {
			continue
		}
		app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: list.Items[i].Namespace, Name: list.Items[i].Name}}
		if err := p.mgr.GetClient().Patch(ctx, app, patch); err != nil && ctx.Err() == nil {
			p.ctl.Log.Warn("pass a webhook on to the leader", "application", app.Name, "error", err.Error())
		}
	}
}
