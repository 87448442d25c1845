package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
)

// TestMainJob is what a scripted client does: sign in, list, get, sync, sign out.
func TestMainJob(t *testing.T) {
	b := newBench(t)
	b.App("shop", nil)
	b.as("", "POST", "/api/v1/session", map[string]string{"username": "admin", "password": "wrong"}).is(t, http.StatusUnauthorized)
	in := b.as("", "POST", "/api/v1/session", map[string]string{"username": "admin", "password": "correct horse"}).is(t, http.StatusOK)
	var session server.SessionResponse
	in.into(t, &session)
	cookie := in.header.Get("Set-Cookie")
	for _, part := range []string{"argocd.token=" + session.Token, "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q lacks %s", cookie, part)
		}
	}
	var list v1alpha1.ApplicationList
	b.as("admin", "GET", "/api/v1/applications", nil).is(t, http.StatusOK).into(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "shop" {
		t.Fatalf("list is %+v", list.Items)
	}
	var app v1alpha1.Application
	b.as("admin", "GET", "/api/v1/applications/shop", nil).is(t, http.StatusOK).into(t, &app)
	if app.Spec.Source.Path != "app" || app.ManagedFields != nil {
		t.Errorf("application is %+v", app)
	}
	b.as("admin", "POST", "/api/v1/applications/shop/sync", map[string]any{"prune": true, "infos": []any{map[string]string{"name": "why", "value": "release"}}}).
		is(t, http.StatusOK)
	op := b.Read("shop").Operation
	if op == nil || op.Sync == nil || !op.Sync.Prune || op.InitiatedBy.Username != "admin" || len(op.Info) != 1 || op.Info[0].Value != "release" {
		t.Fatalf("operation is %+v", op)
	}
	var refused struct {
		Error, Message string
		Code           int
	}
	b.as("admin", "POST", "/api/v1/applications/shop/sync", map[string]any{}).is(t, http.StatusBadRequest).into(t, &refused)
	if refused.Code != 9 || !strings.Contains(refused.Error, "another operation is already in progress") || refused.Error != refused.Message {
		t.Errorf("refusal is %+v", refused)
	}
	b.as("reader", "POST", "/api/v1/applications/shop/sync", map[string]any{}).is(t, http.StatusForbidden)
	b.as("admin", "DELETE", "/api/v1/applications/shop/operation", nil).is(t, http.StatusOK)
	if b.Read("shop").Operation != nil {
		t.Error("the operation that nobody took up is still there")
	}
	b.as("", "GET", "/api/v1/applications", nil).is(t, http.StatusUnauthorized)
	b.as("admin", "DELETE", "/api/v1/session", nil).is(t, http.StatusOK)
	if log := b.log.String(); strings.Contains(log, session.Token) || strings.Contains(log, "correct horse") {
		t.Error("the log holds a token or a password")
	}
}
