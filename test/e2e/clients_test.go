package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/itchyny/gojq"

	"github.com/belaycd/belay/test/e2e/harness"
)

const clientsManifests = `
-- app/web.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: registry.example.com/web:1.0, command: [sh, -c, "echo hello from web; sleep 86400"]}
-- app/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
`

// restClient speaks as Argo CD's REST clients do: a token, JSON, nothing of Belay's own.
type restClient struct {
	t       *testing.T
	address string
	token   string
}

// ask sends a request and returns the status and the body.
func (c *restClient) ask(method, path string, body any) (int, []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), harness.Limit)
	defer cancel()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, data
}

// call is a request that must succeed; the answer must make the jq expression true. It returns what the expression gave.
func (c *restClient) call(method, path string, body any, want string) {
	c.t.Helper()
	status, data := c.ask(method, path, body)
	if status != http.StatusOK {
		c.t.Fatalf("%s %s: %d %s", method, path, status, data)
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte("\n")) // of a stream
	var v any
	if err := json.Unmarshal(first, &v); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, data)
	}
	query, err := gojq.Parse(want)
	if err != nil {
		c.t.Fatal(err)
	}
	got, ok := query.Run(v).Next()
	if err, bad := got.(error); bad || !ok || got != true {
		c.t.Fatalf("%s %s: %s is %v (%v) in\n%.2000s", method, path, want, got, err, data)
	}
	c.t.Logf("%-6s %s: 200", method, path)
}

// signIn is what every client begins with.
func (w *ways) signIn() *restClient {
	w.t.Helper()
	c := &restClient{t: w.t, address: w.address}
	status, data := c.ask("POST", "/api/v1/session", obj{"username": "admin", "password": w.password()})
	var answer struct{ Token string }
	if err := json.Unmarshal(data, &answer); err != nil || status != http.StatusOK || answer.Token == "" {
		w.t.Fatalf("sign in: %d %v", status, err)
	}
	c.token = answer.Token
	return c
}

type obj = map[string]any

// TestPublishedClients makes the requests that Backstage's plugin for Argo CD and argocd-mcp make, in their words.
func TestPublishedClients(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	repo := harness.NewRepo(t, harness.Txtar(clientsManifests))
	revision := repo.Commit(t, "main", harness.Txtar(clientsManifests))
	ns := w.plane.Cluster.Namespace(t)
	c := w.signIn()
	spec := obj{
		"project": "voice", "source": obj{"repoURL": repo.URL, "path": "app", "targetRevision": "main"},
		"destination": obj{"server": "https://kubernetes.default.svc", "namespace": ns},
	}
	app := obj{"metadata": obj{"name": "web", "labels": obj{"team": "voice"}}, "spec": spec}
	project := obj{"metadata": obj{"name": "voice"}, "spec": obj{
		"sourceRepos": []string{"*"}, "destinations": []obj{{"server": "*", "namespace": "*"}}, "description": "calls",
	}}
	until := func(what, path, want string) {
		t.Helper()
		query, err := gojq.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, what, func(context.Context) error {
			status, data := c.ask("GET", path, nil)
			var v any
			if err := json.Unmarshal(data, &v); err != nil || status != http.StatusOK {
				return fmt.Errorf("%d %w %.500s", status, err, data)
			}
			if got, _ := query.Run(v).Next(); got != true {
				return fmt.Errorf("%s is %v in %.1500s", want, got, data)
			}
			return nil
		})
	}

	t.Log("Backstage")
	c.call("POST", "/api/v1/projects", obj{"project": project, "upsert": true}, `.metadata.name == "voice"`)
	c.call("GET", "/api/v1/projects/voice", nil, `.spec.description == "calls"`)
	c.call("POST", "/api/v1/applications", app, `.metadata.name == "web"`)
	until("the application is compared", "/api/v1/applications/web", `.status.sync.status == "OutOfSync"`)
	c.call("GET", "/api/v1/applications?selector=team%3Dvoice", nil, `[.items[].metadata.name] == ["web"]`)
	c.call("GET", "/api/v1/applications?selector=team%3Dother", nil, `(.items // []) == []`)
	c.call("POST", "/api/v1/applications/web/sync", obj{}, `.operation.sync != null`)
	until("the application is deployed", "/api/v1/applications/web", `.status.sync.status == "Synced" and .status.health.status == "Healthy" and .operation == null`)
	c.call("GET", "/api/v1/applications/web/revisions/"+revision+"/metadata", nil, `(.author | length > 0) and (.message | length > 0)`)
	if status, data := c.ask("DELETE", "/api/v1/applications/web/operation", nil); status != http.StatusBadRequest || !strings.Contains(string(data), "no operation is in progress") {
		t.Errorf("end an operation that is not there: %d %s", status, data)
	}

	t.Log("argocd-mcp")
	c.call("GET", "/api/v1/applications", nil, `[.items[].metadata.name] == ["web"]`)
	c.call("GET", "/api/v1/applications/web", nil, `.spec.project == "voice"`)
	c.call("GET", "/api/v1/applications/web/resource-tree", nil, `[.nodes[].kind] | contains(["Deployment", "ReplicaSet", "Pod", "ConfigMap"])`)
	c.call("GET", "/api/v1/applications/web/managed-resources", nil, `[.items[] | select(.kind == "ConfigMap") | .liveState | fromjson | .data.colour] == ["blue"]`)
	logs := "?namespace=" + ns + "&kind=Deployment&group=apps&resourceName=web&container=web&tailLines=10&follow=false"
	c.call("GET", "/api/v1/applications/web/logs"+logs, nil, `.result.content == "hello from web"`)
	_, data := c.ask("GET", "/api/v1/applications/web/resource-tree", nil)
	var tree struct{ Nodes []struct{ Kind, Name string } }
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	for _, n := range tree.Nodes {
		if n.Kind == "Pod" {
			c.call("GET", "/api/v1/applications/web/pods/"+n.Name+"/logs?namespace="+ns+"&container=web", nil, `.result.content == "hello from web"`)
		}
	}
	c.call("GET", "/api/v1/applications/web/events", nil, `has("items")`)
	in := "?namespace=" + ns + "&resourceName=web&version=v1&group=apps&kind=Deployment"
	c.call("GET", "/api/v1/applications/web/resource/actions"+in, nil, `[.actions[].name] | contains(["restart"])`)
	c.call("POST", "/api/v1/applications/web/resource/actions"+in, "restart", `. == {}`)
	spec["syncPolicy"] = obj{"automated": obj{"prune": true}}
	c.call("PUT", "/api/v1/applications/web", app, `.spec.syncPolicy.automated.prune == true`)
	c.call("PUT", "/api/v1/projects/voice", obj{"project": obj{"metadata": obj{"name": "voice"}, "spec": project["spec"]}}, `.metadata.name == "voice"`)
	c.call("DELETE", "/api/v1/applications/web?cascade=true", nil, `. == {}`)
	harness.Eventually(t, "the application is gone", func(context.Context) error {
		if status, data := c.ask("GET", "/api/v1/applications/web", nil); status != http.StatusNotFound {
			return fmt.Errorf("%d %.300s", status, data)
		}
		return nil
	})
	c.call("DELETE", "/api/v1/projects/voice", nil, `. == {}`)
}
