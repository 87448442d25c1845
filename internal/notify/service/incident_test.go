package service

import (
	"net/http"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

func incidentSubjects() []subject {
	team := func(address, keys string) func(string) string {
		return func(at string) string { return address + ": " + at + "\n" + keys + ": {team: " + canary2 + "}" }
	}
	return []subject{
		{kind: "github", secrets: []string{canary2},
			options: func(address string) string {
				return "enterpriseBaseURL: " + address + "\nappID: 12\ninstallationID: '34'\nprivateKey: " + canary2
			},
			message: message("hello", "github", object{"repoURLPath": "https://github.com/example/shop.git", "revisionPath": "abc123",
				"status":             object{"state": "success", "label": "continuous-delivery/shop"},
				"deployment":         object{"state": "success", "environment": "production"},
				"pullRequestComment": object{"content": "deployed", "commentTag": "shop"},
				"checkRun":           object{"name": "shop", "conclusion": "success"},
				"repositoryDispatch": object{"event_type": "deployed", "client_payload": "{}"}}),
			api: gitHubAnswers},
		{kind: "grafana", secrets: []string{canary2}, recipient: "a|b", message: message("hello", "grafana", object{"tags": "c"}),
			options: func(address string) string { return "apiUrl: " + address + "/api\napiKey: " + canary2 }, api: answer200(`{"id": 1}`)},
		{kind: "alertmanager", secrets: []string{canary1},
			options: func(address string) string {
				return "targets: [" + strings.TrimPrefix(address, "http://") + "]\nbasicAuth: {username: u, password: " + quote(canary1) + "}"
			},
			message: message("hello", "alertmanager", object{"labels": object{"severity": "page"}}), api: answer200("")},
		{kind: "pagerdutyv2", secrets: []string{canary2}, recipient: "team", options: team("apiURL", "serviceKeys"),
			message: message("hello", "pagerdutyv2", object{"summary": "s", "severity": "error", "source": "shop"}),
			api:     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }},
		{kind: "opsgenie", secrets: []string{canary2}, recipient: "team", options: team("apiUrl", "apiKeys"),
			message: message("hello", "opsgenie", object{"description": "d"}), api: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }},
		{kind: "newrelic", secrets: []string{canary2}, recipient: "123", options: func(address string) string { return "apiURL: " + address + "\napiKey: " + canary2 },
			message: message("hello", "newrelic", object{"revision": "abc"}), api: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }},
	}
}

// gitHubAnswers answers as GitHub does for a commit with one pull request.
func gitHubAnswers(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+canary2 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v3/repos/example/shop")
	switch r.Method + " " + path {
	case "GET /deployments", "GET /issues/7/comments":
		_, _ = w.Write([]byte("[]"))
	case "GET /commits/abc123/pulls":
		_, _ = w.Write([]byte(`[{"number": 7}]`))
	case "POST /deployments":
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id": 99}`))
	case "POST /statuses/abc123", "POST /deployments/99/statuses", "POST /issues/7/comments", "POST /check-runs":
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{}`))
	case "POST /dispatches":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestGrafana(t *testing.T) {
	var got recorder
	server := serve(t, got.record(answer200(`{"id": 1}`)))
	s := build(t, "grafana", "", "apiUrl: "+server.URL+"/api/\napiKey: glsa_1\ntags: all")
	sent(t, s, message("hello", "grafana", object{"tags": "c| d"}), "a|b")
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("Authorization")}, []string{"POST /api/annotations", "Bearer glsa_1"})
	same(t, body, object{"text": "hello", "tags": []any{"a", "b", "c", "d", "all"}})
	sent(t, build(t, "grafana", "", "apiUrl: "+server.URL+"/api\napiKey: k"), notify.Message{Text: "x"}, "")
	_, body, _ = got.last(t)
	same(t, body, object{"text": "x", "tags": []any{}})
}

// about is a message with something that the caller knows of the application.
func about(kind string, part object, repository, revision string) notify.Message {
	m := message("hello", kind, part)
	m.Template, m.Repository, m.Revision = "app-degraded", repository, revision
	return m
}

func TestAlertmanager(t *testing.T) {
	var got recorder
	server := serve(t, got.record(answer200("")))
	host := strings.TrimPrefix(server.URL, "http://")
	gone := serve(t, answer200(""))
	gone.Close()
	lost := strings.TrimPrefix(gone.URL, "http://")
	s := build(t, "alertmanager", "", "targets: ["+lost+", "+host+"]\nbearerToken: b\napiPath: /am/api/v2/alerts\ntimeout: '5'")
	sent(t, s, about("alertmanager", object{"labels": object{"priority": 5}, "annotations": object{"a": "b"}}, "git@example.com:shop/deploy.git", ""), "")
	req := got.requests()[0]
	same(t, []string{req.Line, req.Header.Get("Authorization")}, []string{"POST /am/api/v2/alerts", "Bearer b"})
	same(t, decoded(t, req.Body), any([]any{object{"labels": object{"priority": "5", "alertname": "app-degraded"}, "annotations": object{"a": "b"},
		"generatorURL": "https://example.com/shop/deploy.git"}}))

	sent(t, build(t, "alertmanager", "", "targets: ["+host+"]\nbearerToken: b\nbasicAuth: {username: u, password: p}"),
		message("x", "alertmanager", object{"labels": object{"alertname": "Deployed"}, "generatorURL": "https://cd.example.com"}), "")
	req = got.requests()[1]
	same(t, []string{req.Line, req.Header.Get("Authorization")}, []string{"POST /api/v2/alerts", "Basic dTpw"})
	same(t, decoded(t, req.Body), any([]any{object{"labels": object{"alertname": "Deployed"}, "generatorURL": "https://cd.example.com"}}))

	refusing := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) })
	labels := message("x", "alertmanager", object{"labels": object{"a": "b"}})
	s = build(t, "alertmanager", "", "targets: ["+strings.TrimPrefix(refusing.URL, "http://")+", "+lost+"]")
	err := s.Send(t.Context(), labels, "")
	wantFault(t, err, fault.Transient, "no instance took the alert: ")
	for _, part := range []string{"400 Bad Request", lost, "; "} {
		if !contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
	wantFault(t, s.Send(t.Context(), notify.Message{Text: "x"}, ""), fault.Invalid, "has no labels")
	wantFault(t, s.Send(t.Context(), message("", "alertmanager", object{"labels": "a"}), ""), fault.Invalid, "labels is no map")
	for options, want := range map[string]string{"scheme: ftp": "targets is no address", "timeout: 0": "timeout is no number of seconds", "targets: [[canary]]": "targets is no list of texts"} {
		_, err := New("alertmanager", "", []byte(options), env())
		wantFault(t, err, fault.Invalid, want)
	}
}

func TestPagerDuty(t *testing.T) {
	var got recorder
	server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	s := build(t, "pagerdutyv2", "", "apiURL: "+server.URL+"\nserviceKeys: {ops: key1, empty: ''}")
	sent(t, s, message("x", "pagerdutyv2", object{"summary": "S", "severity": "critical", "source": "shop", "component": "web", "group": "g", "class": "c", "url": "https://cd.example.com"}), "ops")
	line, body, _ := got.last(t)
	same(t, line, "POST /v2/enqueue")
	same(t, body, object{"routing_key": "key1", "event_action": "trigger", "client": "ArgoCD", "client_url": "https://cd.example.com",
		"payload": object{"summary": "S", "severity": "critical", "source": "shop", "component": "web", "group": "g", "class": "c"}})
	sent(t, s, message(strings.Repeat("x", 2000), "pagerdutyv2", object{"severity": "info", "source": "shop"}), "ops")
	_, body, _ = got.last(t)
	same(t, len(body["payload"].(object)["summary"].(string)), 1024)
	wantFault(t, s.Send(t.Context(), notify.Message{}, "ops"), fault.Invalid, "has no pagerdutyv2 part")
	wantFault(t, s.Send(t.Context(), message("", "pagerdutyv2", object{}), "ops"), fault.Invalid, "severity is missing; source is missing")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "other"), fault.NotFound, "is not in service.pagerdutyv2 serviceKeys, which has empty, ops")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "empty"), fault.Invalid, "serviceKeys.empty is empty")
	_, err := New("pagerdutyv2", "", nil, env())
	wantFault(t, err, fault.Invalid, "serviceKeys is missing")
	_, err = New("opsgenie", "", []byte(`apiKeys: {a: "x\ny"}`), env())
	wantFault(t, err, fault.Invalid, "apiKeys.a holds line ends")
}

func TestOpsgenie(t *testing.T) {
	var got recorder
	server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	const id = "4513b7ea-3b91-438f-b7e4-e3e54af9147c"
	s := build(t, "opsgenie", "", "apiUrl: "+server.URL+"\napiKeys: {ops: key1, "+id+": key2}")
	sent(t, s, message(strings.Repeat("x", 200)+"\n", "opsgenie", object{"description": "d", "priority": "p1", "alias": "shop", "note": "n"}), "ops")
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("Authorization")}, []string{"POST /v2/alerts", "GenieKey key1"})
	same(t, body, object{"message": strings.Repeat("x", 127) + "...", "description": "d", "priority": "P1", "alias": "shop", "note": "n", "source": "Argo CD",
		"responders": []any{object{"type": "team", "name": "ops"}}})
	sent(t, s, notify.Message{Text: "hello"}, id)
	_, body, _ = got.last(t)
	same(t, body, object{"message": "hello", "source": "Argo CD", "responders": []any{object{"type": "team", "id": id}}})
	wantFault(t, s.Send(t.Context(), message("", "opsgenie", object{"priority": "high"}), "ops"), fault.Invalid, "priority is none of P1 to P5")
	bare, err := New("opsgenie", "", []byte("apiUrl: api.eu.opsgenie.com\napiKeys: {ops: k}"), env())
	if err != nil {
		t.Fatal(err)
	}
	same(t, bare.(*opsgenie).to.base.String(), "https://api.eu.opsgenie.com")
}

func TestNewRelic(t *testing.T) {
	var got recorder
	server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	s := build(t, "newrelic", "", "apiURL: "+server.URL+"/\napiKey: key1")
	sent(t, s, message("hello", "newrelic", object{"revision": "abc", "changelog": "c", "user": "u"}), "12/3")
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("X-Api-Key")}, []string{"POST /v2/applications/12%2F3/deployments.json", "key1"})
	same(t, body, object{"deployment": object{"revision": "abc", "description": "hello", "changelog": "c", "user": "u"}})
	sent(t, s, about("newrelic", object{}, "", "def"), "1")
	_, body, _ = got.last(t)
	same(t, body, object{"deployment": object{"revision": "def", "description": "hello"}})
	wantFault(t, s.Send(t.Context(), message("", "newrelic", object{"revision": ""}), "1"), fault.Invalid, "revision is missing")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "1"), fault.Invalid, "has no newrelic part")
	wantFault(t, s.Send(t.Context(), message("", "newrelic", object{"revision": "a"}), ""), fault.Invalid, "names no application")
}
