package e2e

import (
	"net/http"
	"net/url"
	"strings"
)

// row says what a procedure of the API asks of its caller, and how the test asks for it.
type row struct {
	// rights are what the caller needs, as lines of argocd-rbac-cm say it: "resource, action, object", several with " & ".
	// public needs no caller, known a caller of any kind.
	rights string
	// params fill the path in besides {name}, query and body go with it.
	name, query string
	params      map[string]string
	body        any
	// answers are what a caller who may can get; 200 where it is empty.
	answers []int
	// before makes what the request needs, each time.
	before func()
}

const (
	public = "public"
	known  = "known"
)

// place is what the rows are about: an application till of project dev, and what is around it.
type place struct {
	namespace, pod, revision, repo, password string
	history                                  int64
	app, spec, project                       obj
	doomedApp, doomedProject                 func()
}

const clusterAddress = "https://kubernetes.default.svc"

// rows has every procedure, by its name in the table of routes.
func (p place) rows() map[string]row {
	all := map[string]row{}
	for _, some := range []map[string]row{p.sessionRows(), p.applicationRows(), p.resourceRows(), p.projectRows(), p.settingsRows(), p.belayRows()} {
		for name, r := range some {
			all[name] = r
		}
	}
	return all
}

func (p place) sessionRows() map[string]row {
	return map[string]row{
		"SessionService_Create":      {rights: public, body: obj{"username": "admin", "password": p.password}},
		"SessionService_Delete":      {rights: public},
		"SessionService_GetUserInfo": {rights: public},
	}
}

const (
	getTill    = "applications, get, dev/till"
	updateTill = "applications, get, dev/till & applications, update, dev/till"
	syncTill   = "applications, get, dev/till & applications, sync, dev/till"
	logsOfTill = "applications, get, dev/till & logs, get, dev/till"
)

func (p place) applicationRows() map[string]row {
	started := []int{http.StatusOK, http.StatusBadRequest} // another operation may be running, or there is none to go back to
	return map[string]row{
		"ApplicationService_List": {rights: known},
		"ApplicationService_Create": {rights: "applications, create, dev/new", query: "upsert=true",
			body: obj{"metadata": obj{"name": "new"}, "spec": p.spec}},
		"ApplicationService_Get":        {rights: getTill},
		"ApplicationService_Update":     {rights: updateTill, body: p.app},
		"ApplicationService_Patch":      {rights: updateTill, body: obj{"patch": `{"metadata":{"labels":{"a":"b"}}}`, "patchType": "merge"}},
		"ApplicationService_UpdateSpec": {rights: updateTill, body: p.spec},
		"ApplicationService_Delete": {rights: "applications, get, dev/doomed & applications, delete, dev/doomed", name: "doomed", query: "cascade=false",
			before: p.doomedApp},
		"ApplicationService_Sync":                      {rights: syncTill, body: obj{}, answers: started},
		"ApplicationService_Rollback":                  {rights: syncTill, body: obj{"id": p.history}, answers: started},
		"ApplicationService_TerminateOperation":        {rights: syncTill, answers: started},
		"ApplicationService_GetManifests":              {rights: getTill},
		"ApplicationService_GetApplicationSyncWindows": {rights: getTill},
		"ApplicationService_RevisionMetadata":          {rights: getTill, params: map[string]string{"revision": p.revision}},
		"ApplicationService_ListLinks":                 {rights: getTill},
		"ApplicationService_Watch":                     {rights: known},
	}
}

func (p place) resourceRows() map[string]row {
	in := "&namespace=" + p.namespace
	deployment := "group=apps&version=v1&kind=Deployment&resourceName=web" + in
	return map[string]row{
		"ApplicationService_ResourceTree":        {rights: getTill},
		"ApplicationService_WatchResourceTree":   {rights: getTill},
		"ApplicationService_ManagedResources":    {rights: getTill},
		"ApplicationService_ListResourceEvents":  {rights: getTill},
		"ApplicationService_PodLogs":             {rights: logsOfTill, query: "tailLines=1"},
		"ApplicationService_PodLogs2":            {rights: logsOfTill, query: "tailLines=1&namespace=" + p.namespace, params: map[string]string{"podName": p.pod}},
		"ApplicationService_GetResource":         {rights: getTill, query: deployment},
		"ApplicationService_ListResourceActions": {rights: getTill, query: deployment},
		"ApplicationService_ListResourceLinks":   {rights: getTill, query: deployment},
		"ApplicationService_PatchResource": {rights: getTill + " & applications, update//ConfigMap/" + p.namespace + "/settings, dev/till",
			query: "version=v1&kind=ConfigMap&resourceName=settings" + in, body: `{"data":{"x":"y"}}`},
		"ApplicationService_DeleteResource": {rights: getTill + " & applications, delete//ConfigMap/" + p.namespace + "/spare, dev/till",
			query: "version=v1&kind=ConfigMap&resourceName=spare" + in},
		"ApplicationService_RunResourceAction": {rights: getTill + " & applications, action/apps/Deployment/restart, dev/till", query: deployment, body: "restart"},
		"ApplicationService_RunResourceActionV2": {rights: getTill + " & applications, action/apps/Deployment/scale, dev/till", body: obj{
			"group": "apps", "version": "v1", "kind": "Deployment", "resourceName": "web", "namespace": p.namespace, "action": "scale",
			"resourceActionParameters": []obj{{"name": "replicas", "value": "1"}}}},
	}
}

func (p place) projectRows() map[string]row {
	const get = "projects, get, dev"
	read, nothing := row{rights: get, name: "dev"}, []int{http.StatusNotFound} // there is no such token
	role := map[string]string{"project": "dev", "role": "deployer", "iat": "1"}
	return map[string]row{
		"ProjectService_List":                {rights: known},
		"ProjectService_Create":              {rights: "projects, create, fresh", body: obj{"project": obj{"metadata": obj{"name": "fresh"}}, "upsert": true}},
		"ProjectService_Get":                 read,
		"ProjectService_Update":              {rights: "projects, update, dev", name: "dev", body: obj{"project": p.project}},
		"ProjectService_Delete":              {rights: "projects, delete, doomed", name: "doomed", before: p.doomedProject},
		"ProjectService_GetDetailedProject":  read,
		"ProjectService_ListEvents":          read,
		"ProjectService_GetGlobalProjects":   read,
		"ProjectService_GetSyncWindowsState": read,
		"ProjectService_ListLinks":           read,
		"ProjectService_CreateToken":         {rights: "projects, update, dev", params: role, body: obj{"expiresIn": 3600}},
		"ProjectService_DeleteToken":         {rights: "projects, update, dev", params: role, answers: nothing},
	}
}

func (p place) settingsRows() map[string]row {
	return map[string]row{
		"ClusterService_List":                        {rights: known},
		"ClusterService_Get":                         {rights: "clusters, get, " + clusterAddress, params: map[string]string{"id": clusterAddress}},
		"RepositoryService_ListRepositories":         {rights: known},
		"RepositoryService_Get":                      {rights: "repositories, get, " + p.repo, params: map[string]string{"repo": p.repo}},
		"RepoCredsService_ListRepositoryCredentials": {rights: known},
		"CertificateService_ListCertificates":        {rights: "certificates, get, "},
		"GPGKeyService_List":                         {rights: "gpgkeys, get, "},
		"NotificationService_ListServices":           {rights: known},
		"NotificationService_ListTriggers":           {rights: known},
		"NotificationService_ListTemplates":          {rights: known},
		"AccountService_ListAccounts":                {rights: known},
		"AccountService_GetAccount":                  {rights: "accounts, get, clerk", name: "clerk"},
		"AccountService_UpdatePassword": {rights: "accounts, update, clerk", name: "clerk",
			body: obj{"name": "clerk", "currentPassword": p.password, "newPassword": "battery staple"}},
		"AccountService_CreateToken": {rights: "accounts, update, robot", name: "robot", body: obj{"expiresIn": "3600"}},
		"AccountService_DeleteToken": {rights: "accounts, update, robot", name: "robot", params: map[string]string{"id": "none"}, answers: []int{http.StatusNotFound}},
		"AccountService_CanI":        {rights: known, params: map[string]string{"resource": "applications", "action": "sync", "subresource": "dev/till"}},
		"SettingsService_Get":        {rights: public}, "VersionService_Version": {rights: public}, "Badge": {rights: public, query: "name=till"},
	}
}

func (p place) belayRows() map[string]row {
	another := []int{http.StatusConflict} // a plan that was not reviewed
	return map[string]row{
		"Belay_Me": {rights: public}, "Belay_Deployments": {rights: known}, "Belay_DeploymentTable": {rights: known}, "Belay_ResourceTable": {rights: getTill}, "Belay_Stream": {rights: known},
		"Belay_Activities": {rights: known}, "Belay_Search": {rights: known, query: "q=till"},
		"Belay_Plan": {rights: getTill}, "Belay_Why": {rights: getTill}, "Belay_History": {rights: getTill},
		"Belay_Compare":      {rights: getTill, query: "from=till&to=till"},
		"Belay_PlanSync":     {rights: syncTill, body: obj{"digest": "another"}, answers: another},
		"Belay_PlanRollback": {rights: syncTill, body: obj{"id": p.history, "digest": "another"}, answers: another},
	}
}

// address fills a route's path in.
func (r row) address(path string) string {
	name := r.name
	if name == "" {
		name = "till"
	}
	path = strings.ReplaceAll(path, "{name}", name)
	for key, value := range r.params {
		path = strings.ReplaceAll(path, "{"+key+"...}", value)
		path = strings.ReplaceAll(path, "{"+key+"}", url.PathEscape(value))
	}
	if r.query != "" {
		path += "?" + r.query
	}
	return path
}

// person is a caller, and what the policy of the test gives it: written down here a second time, in other words.
type person struct {
	name, token string
	may         func(resource, action, object string) bool
}

// persons are the callers; tokens are to be filled in.
func persons() []*person {
	in := func(project, resource, object string) bool {
		return strings.HasPrefix(object, project+"/") || resource == "projects" && object == project
	}
	return []*person{
		{name: "nobody", may: func(string, string, string) bool { return false }},
		{name: "stranger", may: func(string, string, string) bool { return false }},
		{name: "reader", may: func(_, action, _ string) bool { return action == "get" }},
		{name: "role of the project", may: func(resource, action, object string) bool {
			switch resource + " " + action {
			case "projects get", "applications get", "applications sync", "logs get":
				return in("dev", resource, object)
			}
			return false
		}},
		{name: "role of another project", may: func(resource, action, object string) bool {
			return in("other", resource, object) && (resource != "projects" || action == "get") // that of a role to see its project comes by itself
		}},
		{name: "admin", may: func(string, string, string) bool { return true }},
	}
}

// expects is the refusal that a caller gets, 0 where it gets none.
func (r row) expects(who *person) int {
	switch {
	case r.rights == public:
		return 0
	case who.name == "nobody":
		return http.StatusUnauthorized
	case r.rights == known:
		return 0
	}
	for right := range strings.SplitSeq(r.rights, " & ") {
		fields := strings.SplitN(right, ", ", 3)
		if !who.may(fields[0], fields[1], fields[2]) {
			return http.StatusForbidden
		}
	}
	return 0
}
