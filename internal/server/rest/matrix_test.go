package rest_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/server/rest"
)

// want are the statuses for: nobody, a reader of everything, a role of the application's project, an administrator.
type want [4]int

func users() [4]string { return [4]string{"", "reader", "proj:dev:deployer", "admin"} }

// probe is one request to a route.
type probe struct {
	params map[string]string
	query  string
	body   any
	want   want
}

type obj = map[string]any

const (
	aDeployment = "group=apps&version=v1&kind=Deployment&resourceName=web"
	aConfigMap  = "version=v1&kind=ConfigMap&resourceName=settings"
)

// probes has a request for every route of the table, by the route's name.
func probes(namespace string) map[string]probe {
	read, admin := want{401, 200, 200, 200}, want{401, 403, 403, 200}
	operate := want{401, 403, 200, 200}
	global := want{401, 200, 403, 200} // what belongs to no project
	tokens := want{401, 403, 403, 400} // nobody makes them here
	role := map[string]string{"project": "dev", "role": "ci", "iat": "1"}
	in := "&namespace=" + namespace
	spec := obj{"project": "dev", "source": obj{"repoURL": "https://git.example.com/deploy.git", "path": "app", "targetRevision": "main"},
		"destination": obj{"server": "https://kubernetes.default.svc", "namespace": namespace}}
	app := obj{"metadata": obj{"name": "shop"}, "spec": spec}
	return map[string]probe{
		"SessionService_Create":      {body: obj{"username": "admin", "password": "wrong"}, want: want{401, 401, 401, 401}},
		"SessionService_Delete":      {want: want{200, 200, 200, 200}},
		"SessionService_GetUserInfo": {want: want{200, 200, 200, 200}},

		"ApplicationService_List":                      {want: read},
		"ApplicationService_Create":                    {body: app, query: "upsert=true", want: admin},
		"ApplicationService_Get":                       {want: read},
		"ApplicationService_Update":                    {body: app, want: admin},
		"ApplicationService_Patch":                     {body: obj{"patch": `{"metadata":{"labels":{"a":"b"}}}`, "patchType": "merge"}, want: admin},
		"ApplicationService_Delete":                    {query: "cascade=false", want: admin},
		"ApplicationService_UpdateSpec":                {body: spec, want: admin},
		"ApplicationService_Sync":                      {body: obj{}, want: operate},
		"ApplicationService_Rollback":                  {body: obj{"id": 1}, want: operate},
		"ApplicationService_TerminateOperation":        {want: want{401, 403, 400, 400}}, // there is none
		"ApplicationService_GetManifests":              {want: read},
		"ApplicationService_GetApplicationSyncWindows": {want: read},
		"ApplicationService_RevisionMetadata":          {params: map[string]string{"revision": "main"}, want: read},
		"ApplicationService_ListLinks":                 {want: read},
		"ApplicationService_Watch":                     {want: read},

		"ApplicationService_ResourceTree":        {want: read},
		"ApplicationService_WatchResourceTree":   {want: read},
		"ApplicationService_ManagedResources":    {want: read},
		"ApplicationService_ListResourceEvents":  {want: read},
		"ApplicationService_PodLogs":             {want: read},
		"ApplicationService_PodLogs2":            {params: map[string]string{"podName": "lone"}, want: read},
		"ApplicationService_GetResource":         {query: aConfigMap + in, want: read},
		"ApplicationService_PatchResource":       {query: aConfigMap + in, body: `"{\"data\":{\"x\":\"y\"}}"`, want: admin},
		"ApplicationService_DeleteResource":      {query: aConfigMap + in, want: admin},
		"ApplicationService_ListResourceActions": {query: aDeployment + in, want: read},
		"ApplicationService_RunResourceAction":   {query: aDeployment + in, body: `"restart"`, want: admin},
		"ApplicationService_RunResourceActionV2": {body: obj{"group": "apps", "version": "v1", "kind": "Deployment", "resourceName": "web", "namespace": namespace,
			"action": "scale", "resourceActionParameters": []any{obj{"name": "replicas", "value": "2"}}}, want: admin},
		"ApplicationService_ListResourceLinks": {query: aDeployment + in, want: read},

		"ProjectService_List":                {want: read},
		"ProjectService_Create":              {body: obj{"project": obj{"metadata": obj{"name": "dev"}, "spec": obj{}}, "upsert": true}, want: admin},
		"ProjectService_Get":                 {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_Update":              {body: obj{"project": obj{"metadata": obj{"name": "dev"}, "spec": obj{"sourceRepos": []string{"*"}, "destinations": []any{obj{"server": "*", "namespace": "*"}}}}}, params: map[string]string{"name": "dev"}, want: admin},
		"ProjectService_Delete":              {params: map[string]string{"name": "empty"}, want: admin},
		"ProjectService_GetDetailedProject":  {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_ListEvents":          {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_GetGlobalProjects":   {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_GetSyncWindowsState": {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_ListLinks":           {want: read, params: map[string]string{"name": "dev"}},
		"ProjectService_CreateToken":         {params: role, body: obj{}, want: tokens},
		"ProjectService_DeleteToken":         {params: role, want: tokens},

		"ClusterService_List":                        {want: read}, // of what may be seen, which is nothing for the role
		"ClusterService_Get":                         {params: map[string]string{"id": "https://kubernetes.default.svc"}, want: global},
		"RepositoryService_ListRepositories":         {want: read},
		"RepositoryService_Get":                      {params: map[string]string{"repo": "https://git.example.com/plain.git"}, want: global},
		"RepoCredsService_ListRepositoryCredentials": {want: read},
		"CertificateService_ListCertificates":        {want: global},
		"GPGKeyService_List":                         {want: global},
		"NotificationService_ListServices":           {want: read},
		"NotificationService_ListTriggers":           {want: read},
		"NotificationService_ListTemplates":          {want: read},
		"AccountService_ListAccounts":                {want: read},
		"AccountService_GetAccount":                  {params: map[string]string{"name": "admin"}, want: global},
		"AccountService_UpdatePassword":              {body: obj{"name": "ci", "currentPassword": "correct horse", "newPassword": "battery staple"}, want: admin},
		"AccountService_CreateToken":                 {params: map[string]string{"name": "ci"}, body: obj{}, want: tokens},
		"AccountService_DeleteToken":                 {params: map[string]string{"name": "ci", "id": "one"}, want: tokens},
		"AccountService_CanI":                        {params: map[string]string{"resource": "applications", "action": "sync", "subresource": "dev/shop"}, want: read},
		"SettingsService_Get":                        {want: want{200, 200, 200, 200}},
		"VersionService_Version":                     {want: want{200, 200, 200, 200}},
		"Badge":                                      {query: "name=shop", want: want{200, 200, 200, 200}},

		"Belay_Me":              {want: want{200, 200, 200, 200}},
		"Belay_Deployments":     {want: read},
		"Belay_DeploymentTable": {want: read},
		"Belay_ResourceTable":   {want: read},
		"Belay_Stream":          {want: read},
		"Belay_Plan":            {want: read},
		// A plan that was not reviewed is refused to those who may sync.
		"Belay_PlanSync":     {body: obj{"digest": "another"}, want: want{401, 403, 409, 409}},
		"Belay_PlanRollback": {body: obj{"id": 1, "digest": "another"}, want: want{401, 403, 409, 409}},
		"Belay_Why":          {want: read},
		"Belay_History":      {want: read},
		"Belay_Activities":   {want: read},
		"Belay_Compare":      {query: "from=shop&to=shop", want: read},
		"Belay_Search":       {query: "q=shop", want: read},
	}
}

// address fills the parameters of a route's path in.
func (p probe) address(route rest.Route) string {
	path := strings.ReplaceAll(route.Path, "...}", "}")
	for name, value := range p.params {
		escaped := url.PathEscape(value)
		if strings.Contains(route.Path, "...}") {
			escaped = value
		}
		path = strings.ReplaceAll(path, "{"+name+"}", escaped)
	}
	path = strings.ReplaceAll(path, "{name}", "shop")
	if p.query != "" {
		path += "?" + p.query
	}
	return path
}

// TestMatrix asks every route as everybody.
func TestMatrix(t *testing.T) {
	b := newBench(t)
	b.fixture("not-a-canary")
	b.credentials("not-a-canary")
	all := probes(b.Namespace)
	for _, route := range rest.Routes(b.server) {
		p, ok := all[route.Name]
		if !ok {
			t.Errorf("%s %s (%s) has no line in the matrix", route.Method, route.Path, route.Name)
			continue
		}
		delete(all, route.Name)
		for i, user := range users() {
			b.fixture("not-a-canary")
			status, body := b.try(user, route, p)
			if status != p.want[i] {
				t.Errorf("%s %s as %q: status %d, want %d: %s", route.Method, p.address(route), user, status, p.want[i], body)
			}
		}
	}
	for name := range all {
		t.Errorf("the matrix has %s, which is no route", name)
	}
}

// try sends the request of a probe. Of a stream it reads what comes within a moment.
func (b *bench) try(user string, route rest.Route, p probe) (int, string) {
	b.t.Helper()
	if !route.Stream {
		r := b.as(user, route.Method, p.address(route), p.body)
		return r.status, string(r.body)
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	r := b.request(ctx, user, route.Method, p.address(route), nil)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatalf("%s: %v", route.Path, err)
	}
	defer resp.Body.Close()
	text := make(chan string, 1)
	go func() {
		var all strings.Builder
		buffer := make([]byte, 64<<10)
		for {
			n, err := resp.Body.Read(buffer)
			all.Write(buffer[:n])
			if err != nil {
				text <- all.String()
				return
			}
		}
	}()
	select {
	case s := <-text:
		return resp.StatusCode, s
	case <-time.After(time.Second):
		cancel()
		return resp.StatusCode, <-text
	}
}
