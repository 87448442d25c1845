package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
	"github.com/belaycd/belay/test/e2e/harness"
)

const permissionsManifests = clientsManifests + `
-- app/spare.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: spare}
`

// newProject makes a project that permits everything; lines are the policies of its role deployer.
func newProject(t *testing.T, plane *harness.Plane, name string, lines ...string) *v1alpha1.AppProject {
	t.Helper()
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Namespace: plane.Namespace, Name: name}, Spec: v1alpha1.AppProjectSpec{
		SourceRepos: []string{"*"}, Destinations: []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "*"}},
		Roles: []v1alpha1.ProjectRole{{Name: "deployer", Policies: lines}},
	}}
	if err := client.IgnoreAlreadyExists(plane.WithWatch.Create(t.Context(), p)); err != nil {
		t.Fatal(err)
	}
	return p
}

// token is what a command that makes one prints.
func (w *ways) token(args ...string) string {
	w.t.Helper()
	got := w.cluster(args...)
	if got.code != 0 {
		w.t.Fatalf("belay %s: %s", strings.Join(args, " "), got)
	}
	return strings.TrimSpace(got.stdout)
}

// governed is a control plane with an application, its projects, accounts and roles.
func governed(t *testing.T) (*ways, place, []*person) {
	t.Helper()
	w := serveBothWays(t)
	newProject(t, w.plane, "other", "p, proj:other:deployer, *, *, other/*, allow")
	newProject(t, w.plane, "dev", "p, proj:dev:deployer, applications, get, dev/*, allow",
		"p, proj:dev:deployer, applications, sync, dev/*, allow", "p, proj:dev:deployer, logs, get, dev/*, allow")
	configure(t, w.plane, "argocd-cm", map[string]string{"accounts.reader": "apiKey", "accounts.stranger": "apiKey", "accounts.half": "apiKey", "accounts.clerk": "login", "accounts.robot": "apiKey"})
	configure(t, w.plane, "argocd-rbac-cm", map[string]string{"policy.csv": "g, reader, role:readonly\n" +
		"p, half, applications, *, */*, allow\np, half, applications, *, dev/*, deny\n"})
	repo := harness.NewRepo(t, harness.Txtar(permissionsManifests))
	credentials(t, w.plane, map[string]string{"type": "git", "url": repo.URL})
	p := place{namespace: w.plane.Cluster.Namespace(t), repo: repo.URL, password: w.password()}
	a := w.plane.App(t, "till", p.namespace, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) { app.Spec.Project = "dev" })
	app := a.Wait(t, harness.Healthy(""))
	a.Change(t, func(app *harness.Application) { app.Spec.SyncPolicy = nil })
	p.revision, p.history = app.Status.Sync.Revision, app.Status.History[0].ID

	who := persons()
	admin := w.signIn()
	for _, person := range who {
		switch person.name {
		case "stranger", "reader":
			person.token = w.token("account", "generate-token", "--account", person.name)
		case "role of the project":
			person.token = w.token("proj", "role", "create-token", "dev", "deployer", "--token-only")
		case "role of another project":
			person.token = w.token("proj", "role", "create-token", "other", "deployer", "--token-only")
		case "admin":
			person.token = admin.token
		}
		if person.token != "" {
			admin.untilKnown(person.token, person.may("projects", "get", "dev"))
		}
	}
	p.fill(t, w, admin)
	return w, p, who
}

// untilKnown waits until the server accepts a token and knows the policy.
func (c *restClient) untilKnown(token string, mayGet bool) {
	c.t.Helper()
	who := &restClient{t: c.t, address: c.address, token: token}
	want := map[bool]string{true: `"yes"`, false: `"no"`}[mayGet]
	harness.Eventually(c.t, "the token is known", func(context.Context) error {
		if status, body := who.ask("GET", "/api/v1/account/can-i/projects/get/dev", nil); status != http.StatusOK || !strings.Contains(string(body), want) {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// fill reads what the requests need of what is there.
func (p *place) fill(t *testing.T, w *ways, admin *restClient) {
	t.Helper()
	read := func(path string) (out obj) {
		status, data := admin.ask("GET", path, nil)
		if err := json.Unmarshal(data, &out); err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %v %s", path, status, err, data)
		}
		return out
	}
	app := read("/api/v1/applications/till")
	p.spec, _ = app["spec"].(obj)
	p.app = obj{"metadata": obj{"name": "till"}, "spec": p.spec}
	project := read("/api/v1/projects/dev")
	p.project = obj{"metadata": obj{"name": "dev"}, "spec": project["spec"]}
	nodes, _ := read("/api/v1/applications/till/resource-tree")["nodes"].([]any)
	for _, node := range nodes {
		if n, _ := node.(obj); n["kind"] == "Pod" {
			p.pod, _ = n["name"].(string)
		}
	}
	if p.pod == "" || p.spec == nil || p.project["spec"] == nil {
		t.Fatalf("there is no pod, specification or project: %+v", p)
	}
	p.doomedApp = func() {
		app := &harness.Application{ObjectMeta: metav1.ObjectMeta{Namespace: w.plane.Namespace, Name: "doomed"}, Spec: v1alpha1.ApplicationSpec{
			Project: "dev", Source: &v1alpha1.ApplicationSource{RepoURL: p.repo, Path: "app"},
			Destination: v1alpha1.ApplicationDestination{Server: clusterAddress, Namespace: p.namespace},
		}}
		if err := client.IgnoreAlreadyExists(w.plane.WithWatch.Create(t.Context(), app)); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, "the application that is to go is there", func(context.Context) error {
			if status, data := admin.ask("GET", "/api/v1/applications/doomed", nil); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, data)
			}
			return nil
		})
	}
	p.doomedProject = func() { newProject(t, w.plane, "doomed") }
}

// visit sends a request and returns how it was answered. The end of a stream is not waited for.
func (c *restClient) visit(method, path string, body any, stream bool) (int, string) {
	c.t.Helper()
	if !stream {
		status, data := c.ask(method, path, body)
		return status, string(data)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), harness.Limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, ""
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestPermissions asks the real program, with the real policy and real tokens, for everything as everybody.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w, p, who := governed(t)
	t.Run("existence is not told", func(t *testing.T) { w.in(t).tellsNoExistence(p, who) })
	t.Run("lists hold what the caller may see", func(t *testing.T) { w.in(t).listsHold(who) })
	t.Run("tokens", func(t *testing.T) { w.in(t).givesTokens() })
	t.Run("every procedure", func(t *testing.T) { w.in(t).everyProcedure(p, who) })
}

// everyProcedure compares the answer to everybody with what the table of rights says.
func (w *ways) everyProcedure(p place, who []*person) {
	t, rows := w.t, p.rows()
	var last []func() // ends the sessions of the others
	for _, route := range rest.Routes(server.New(server.Options{})) {
		r, ok := rows[route.Name]
		if !ok {
			t.Errorf("%s %s (%s) has no row", route.Method, route.Path, route.Name)
			continue
		}
		delete(rows, route.Name)
		for _, person := range who {
			cell := func() {
				if r.before != nil {
					r.before()
				}
				path := r.address(route.Path)
				status, body := (&restClient{t: t, address: w.address, token: person.token}).visit(route.Method, path, r.body, route.Stream)
				if want := r.expects(person); !r.fits(want, status) {
					t.Errorf("%s %s as %s: %d, want %s: %.300s", route.Method, path, person.name, status, r.describe(want), body)
				}
			}
			if route.Name == "SessionService_Delete" {
				last = append(last, cell)
				continue
			}
			cell()
		}
	}
	for name := range rows {
		t.Errorf("the table has %s, which is no procedure", name)
	}
	for _, cell := range last {
		cell()
	}
	for _, person := range who {
		c := &restClient{t: t, address: w.address, token: person.token}
		if status, body := c.ask("GET", "/api/v1/applications", nil); status != http.StatusUnauthorized {
			t.Errorf("%s after signing out: %d %.200s", person.name, status, body)
		}
	}
}

func (r row) fits(refusal, status int) bool {
	if refusal != 0 {
		return status == refusal
	}
	if len(r.answers) == 0 {
		return status == http.StatusOK
	}
	return slices.Contains(r.answers, status)
}

func (r row) describe(refusal int) string {
	if refusal != 0 {
		return fmt.Sprint(refusal)
	}
	if len(r.answers) == 0 {
		return "200"
	}
	return fmt.Sprint(r.answers)
}

// listsHold looks at what lists hold, for each caller.
func (w *ways) listsHold(who []*person) {
	t := w.t
	for path, right := range map[string][2]string{
		"/api/v1/applications": {"applications", "dev/till"}, "/api/belay/v1/deployments": {"applications", "dev/till"},
		"/api/belay/v1/search?q=till": {"applications", "dev/till"}, "/api/belay/v1/activities?application=till": {"applications", "dev/till"},
		"/api/v1/projects?name=dev": {"projects", "dev"}, "/api/v1/clusters": {"clusters", clusterAddress},
		"/api/v1/repositories": {"repositories", "x"},
	} {
		for _, person := range who[1:] {
			status, data := (&restClient{t: t, address: w.address, token: person.token}).ask("GET", path, nil)
			var list struct{ Items []json.RawMessage }
			if err := json.Unmarshal(data, &list); err != nil || status != http.StatusOK {
				t.Fatalf("%s as %s: %d %v %.200s", path, person.name, status, err, data)
			}
			if want := person.may(right[0], "get", right[1]); (len(list.Items) > 0) != want {
				t.Errorf("%s as %s: %d entries, may see some: %v: %.300s", path, person.name, len(list.Items), want, data)
			}
		}
	}
}

// tellsNoExistence: for whoever may not see something, it is as if it were not there, in every word of the answer.
func (w *ways) tellsNoExistence(p place, who []*person) {
	t := w.t
	// Half sees all applications but those of the project.
	half := &person{name: "half", token: w.token("account", "generate-token", "--account", "half"), may: func(resource, _, object string) bool {
		return resource == "applications" && !strings.HasPrefix(object, "dev/")
	}}
	w.signIn().untilKnown(half.token, false)
	names := map[string]string{"till": "absent", "dev": "gone", "clerk": "never", "doomed": "departed", "robot": "golem"}
	rows, compared := p.rows(), 0
	p.doomedApp()
	p.doomedProject()
	for _, route := range rest.Routes(server.New(server.Options{})) {
		r := rows[route.Name]
		if r.rights == public || r.rights == known || route.Name == "ApplicationService_Create" || route.Name == "ProjectService_Create" {
			continue // it names nothing that exists, or makes it
		}
		twin, ok := r.absent(names)
		if !ok {
			continue
		}
		for _, person := range append(slices.Clone(who[1:]), half) {
			if r.expects(person) == 0 {
				continue
			}
			c := &restClient{t: t, address: w.address, token: person.token}
			path, other := r.address(route.Path), twin.address(route.Path)
			if path == other && r.body == nil {
				continue // certificates and keys have no names
			}
			status, body := c.visit(route.Method, path, r.body, route.Stream)
			there, nothing := c.visit(route.Method, other, twin.body, route.Stream)
			compared++
			if seen(r, person) {
				continue // who may see it and not change it may know that it exists
			}
			if status != there || neutral(body, r, twin) != neutral(nothing, r, twin) {
				t.Errorf("%s as %s tells of existence: %s: %d %.300s\n%s: %d %.300s", route.Name, person.name, path, status, body, other, there, nothing)
			}
		}
	}
	if compared < 100 {
		t.Errorf("%d comparisons prove little", compared)
	}
	t.Logf("%d comparisons", compared)
}

// seen reports whether the caller has the first of the rights, which is to see the thing.
func seen(r row, who *person) bool {
	first, _, _ := strings.Cut(r.rights, " & ")
	fields := strings.SplitN(first, ", ", 3)
	return who.may(fields[0], "get", fields[2])
}

// absent is the request for something of another name that does not exist.
func (r row) absent(names map[string]string) (row, bool) {
	out := r
	name := r.name
	if name == "" {
		name = "till"
	}
	other, ok := names[name]
	out.name = other
	out.query = strings.NewReplacer("=till&to=till", "="+names["till"]+"&to="+names["till"]).Replace(r.query)
	out.params = map[string]string{}
	for key, value := range r.params {
		if key == "id" || key == "repo" {
			value += "-absent"
		}
		if key == "project" {
			value = names[value]
		}
		out.params[key] = value
	}
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return out, false
		}
		data = bytes.ReplaceAll(data, []byte(`"name":"`+name+`"`), []byte(`"name":"`+other+`"`))
		if err := json.Unmarshal(data, &out.body); err != nil {
			return out, false
		}
	}
	return out, ok
}

// neutral is an answer without the names that were asked for.
func neutral(body string, r, twin row) string {
	var words []string
	for _, pair := range [][2]string{{r.params["id"], twin.params["id"]}, {r.params["repo"], twin.params["repo"]}, {r.params["project"], twin.params["project"]}, {twin.name, r.name}, {"absent", "till"}} {
		for i := len(pair) - 1; i >= 0; i-- { // the longer one first
			if pair[i] != "" {
				words = append(words, pair[i], "it", url.PathEscape(pair[i]), "it")
			}
		}
	}
	return strings.NewReplacer(words...).Replace(body)
}

// givesTokens makes tokens over the API, uses them and takes them away again.
func (w *ways) givesTokens() {
	t, admin := w.t, w.signIn()
	for _, c := range []struct{ path, is, list string }{
		{"/api/v1/account/robot/token", "robot", "/api/v1/account/robot"},
		{"/api/v1/projects/dev/roles/deployer/token", "proj:dev:deployer", "/api/v1/projects/dev"},
	} {
		status, data := admin.ask("POST", c.path, obj{"id": "nightly", "expiresIn": "3600"})
		var made struct{ Token string }
		if err := json.Unmarshal(data, &made); err != nil || status != http.StatusOK || made.Token == "" {
			t.Fatalf("%s: %d %v", c.path, status, err)
		}
		holder := &restClient{t: t, address: w.address, token: made.Token}
		until := func(what string, status int) {
			t.Helper()
			harness.Eventually(t, what, func(context.Context) error {
				got, data := holder.ask("GET", "/api/v1/applications", nil)
				if got != status {
					return fmt.Errorf("%d %s", got, data)
				}
				return nil
			})
		}
		until("the token is accepted", http.StatusOK)
		if _, data := holder.ask("GET", "/api/v1/session/userinfo", nil); !strings.Contains(string(data), `"username":"`+c.is+`"`) {
			t.Errorf("the token is of %s, not %s", data, c.is)
		}
		if status, data := admin.ask("POST", c.path, obj{"id": "nightly"}); status != http.StatusBadRequest || !strings.Contains(string(data), "nightly already") {
			t.Errorf("a second one of the name: %d %s", status, data)
		}
		if status, data := admin.ask("POST", c.path, obj{"expiresIn": -1}); status != http.StatusBadRequest {
			t.Errorf("a token that has ended: %d %s", status, data)
		}
		harness.Eventually(t, "the token is listed", func(context.Context) error {
			if _, data := admin.ask("GET", c.list, nil); !strings.Contains(string(data), `"id":"nightly"`) || strings.Contains(string(data), made.Token) {
				return fmt.Errorf("%s", data)
			}
			return nil
		})
		remove := c.path + "/nightly"
		if strings.Contains(c.path, "roles") {
			remove = c.path + "/0?id=nightly"
		}
		if status, data := admin.ask("DELETE", remove, nil); status != http.StatusOK {
			t.Errorf("DELETE %s: %d %s", remove, status, data)
		}
		until("the token is refused", http.StatusUnauthorized)
		if strings.Contains(w.plane.Log(), made.Token) {
			t.Error("the log has the token")
		}
	}
}
