package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// hook posts what GitHub posts after a push.
type hook struct {
	url    string
	client *http.Client
}

func newHook(url string) *hook {
	return &hook{url: url, client: &http.Client{Timeout: 5 * time.Second}}
}

const noCommit = "0000000000000000000000000000000000000000"

// send tells of a push. See "push" in GitHub's reference of webhook events and payloads.
func (h *hook) send(ctx context.Context, repoURL string, p push) error {
	body, err := json.Marshal(payload(repoURL, p))
	if err != nil {
		return fmt.Errorf("write the notification of a push: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("notify of a push: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", "push")
	resp, err := h.client.Do(req)
	if err != nil {
		return fmt.Errorf("notify of a push: %w", err)
	}
	_ = resp.Body.Close() // nothing in it is used
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("notify of a push: %s answered %s", h.url, resp.Status)
	}
	return nil
}

func payload(repoURL string, p push) map[string]any {
	before, after := or(p.Before, noCommit), or(p.After, noCommit)
	commits := []any{}
	for _, c := range p.Commits {
		author := map[string]any{"name": c.Author, "email": c.Email}
		commits = append(commits, map[string]any{
			"id": c.ID, "message": c.Subject, "timestamp": c.When, "author": author, "committer": author,
			"added": list(c.Added), "modified": list(c.Modified), "removed": list(c.Removed),
		})
	}
	var head any
	if len(commits) > 0 {
		head = commits[len(commits)-1]
	}
	return map[string]any{
		"ref": "refs/heads/" + p.Branch, "before": before, "after": after,
		"created": p.Before == "", "deleted": p.After == "", "forced": false,
		"commits": commits, "head_commit": head,
		"repository": map[string]any{
			"name": repoName, "full_name": "demo/" + repoName, "default_branch": integration,
			"html_url": strings.TrimSuffix(repoURL, ".git"), "clone_url": repoURL,
		},
	}
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

// list is never null in JSON.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
