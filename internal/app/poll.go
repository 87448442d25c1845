package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source/git"
)

// poll looks at every repository in use once an interval and wakes the applications whose revision moved.
func poll(ctx context.Context, p parts) error {
	inUse := func() []string {
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
	return p.repos.Poll(ctx, inUse, func(m git.Movement) {
		err := p.ctl.RefreshMatching(ctx, "", func(a *v1alpha1.Application) bool { return uses(a, m.RepoURL) })
		if err != nil {
			p.ctl.Log.Warn("wake applications", "repository", m.RepoURL, "error", err.Error())
		}
	})
}

func uses(a *v1alpha1.Application, repoURL string) bool {
	return slices.ContainsFunc(a.Spec.GetSources(), func(s v1alpha1.ApplicationSource) bool {
		return git.SameURL(s.RepoURL, repoURL)
	})
}

// maxWebhook bounds the body of a webhook, as Argo CD's default does.
const maxWebhook = 50 << 20

// serveWebhook answers POST /api/webhook until ctx ends.
func serveWebhook(ctx context.Context, cfg Config, p parts) error {
	if cfg.WebhookAddr == "" || cfg.WebhookAddr == "0" {
		<-ctx.Done()
		return ctx.Err()
	}
	mux := http.NewServeMux()
	mux.Handle("POST /api/webhook", http.NotFoundHandler())
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
