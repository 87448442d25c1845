package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Ways to tell the system under test of a push.
const (
	byWebhook = "webhook"
	byRefresh = "refresh"
	byPoll    = "poll"
)

// push is one commit that the system under test is to hear of.
type push struct {
	before, after string
	files         []string
	apps          []int // that the commit concerns
}

// tell makes the push known.
func (b *bench) tell(ctx context.Context, p push) error {
	switch b.o.trigger {
	case byWebhook:
		return b.webhook(ctx, p)
	case byRefresh:
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(inFlight)
		for _, i := range p.apps {
			group.Go(func() error {
				return b.api.patch(ctx, b.applicationPath(i), `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
			})
		}
		return group.Wait()
	}
	return nil // poll: it has to find out
}

// webhook sends what GitHub sends after a push.
func (b *bench) webhook(ctx context.Context, p push) error {
	page := strings.TrimSuffix(b.w.repoURL, ".git")
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/" + branch, "before": p.before, "after": p.after,
		"repository": map[string]any{"html_url": page, "clone_url": b.w.repoURL, "default_branch": branch},
		"commits":    []any{map[string]any{"id": p.after, "added": []string{}, "removed": []string{}, "modified": p.files}},
	})
	if err != nil {
		return fmt.Errorf("encode webhook: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.o.webhookURL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send webhook: %w", err)
	}
	req.Header.Set("Content-Type", plainJSON)
	req.Header.Set("X-GitHub-Event", "push")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send webhook: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("send webhook: %s answers %s (try --trigger refresh)", b.o.webhookURL, resp.Status)
	}
	return nil
}
