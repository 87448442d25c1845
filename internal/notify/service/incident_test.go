package service

import (
	"net/http"
	"strings"
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
			message: message("hello", "github", object{"repoURL": "https://github.com/example/shop.git", "revision": "abc123",
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
