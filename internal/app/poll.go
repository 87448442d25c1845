package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/webhook"
)

// poll looks at every repository in use once an interval and wakes the applications whose revision moved.
// A replica that stands by leaves that to the leader.
func poll(ctx context.Context, p parts) error {
	select {
	case <-p.mgr.Elected():
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.repos.Poll(ctx, func() []string { return reposInUse(ctx, p) }, func(m git.Movement) {
		err := p.ctl.Moved(ctx, func(a *v1alpha1.Application) bool { return uses(a, m.RepoURL) })
		if err != nil {
			p.ctl.Log.Warn("wake applications", "repository", git.Redact(m.RepoURL), "error", err.Error())
		}
	})
}

// reposInUse lists the repositories of all Applications, each spelling once.
func reposInUse(ctx context.Context, p parts) []string {
	var list v1alpha1.ApplicationList
	if err := p.mgr.GetClient().List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // only when the cache stops
	}
	seen := map[string]bool{}
	var urls []string
	for i := range list.Items {
		for _, src := range list.Items[i].Spec.GetSources() {
			// Each spelling counts: a mirror belongs to an address as it is written.
			if key := src.RepoURL; src.Chart == "" && !seen[key] {
				seen[key] = true
				urls = append(urls, src.RepoURL)
			}
		}
	}
	slices.Sort(urls)
	return urls
}

func uses(a *v1alpha1.Application, repoURL string) bool {
	return slices.ContainsFunc(a.Spec.GetSources(), func(s v1alpha1.ApplicationSource) bool {
		return git.SameURL(s.RepoURL, repoURL)
	})
}

// serveWebhook answers POST /api/webhook until ctx ends.
func serveWebhook(ctx context.Context, cfg Config, p parts) error {
	if cfg.WebhookAddr == "" || cfg.WebhookAddr == "0" {
		<-ctx.Done()
		return ctx.Err()
	}
	mux := http.NewServeMux()
	mux.Handle("POST /api/webhook", webhookHandler(ctx, p))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute}
	ln, err := net.Listen("tcp", cfg.WebhookAddr)
	if err != nil {
		return fmt.Errorf("listen for webhooks: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = srv.Close() // open webhooks are retried by their sender
	})
	defer stop()
	if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve webhooks: %w", err)
	}
	return ctx.Err()
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
		for _, repoURL := range reposInUse(ctx, p) {
			switch {
			case !event.Matches(repoURL):
			case leads(p):
				go refreshRepo(ctx, p, repoURL)
			default:
				go tellLeader(ctx, p, repoURL)
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
func refreshRepo(ctx context.Context, p parts, repoURL string) {
	if _, err := p.repos.Refresh(ctx, repoURL); err != nil && ctx.Err() == nil {
		p.ctl.Log.Warn("look at repository after a webhook", "repository", git.Redact(repoURL), "error", err.Error())
	}
}

func leads(p parts) bool {
	select {
	case <-p.mgr.Elected():
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
