package access

import (
	"slices"
	"strings"
)

// Resources of a policy.
const (
	Applications      = "applications"
	ApplicationSets   = "applicationsets"
	Clusters          = "clusters"
	Projects          = "projects"
	Repositories      = "repositories"
	WriteRepositories = "write-repositories"
	Certificates      = "certificates"
	Accounts          = "accounts"
	GPGKeys           = "gpgkeys"
	Logs              = "logs"
	Exec              = "exec"
	Extensions        = "extensions"
)

// Actions of a policy. Update and Delete alone concern an application, ResourceAction and CustomAction an object of it.
const (
	Get      = "get"
	Create   = "create"
	Update   = "update"
	Delete   = "delete"
	Sync     = "sync"
	Rollback = "rollback"
	Override = "override"
	Action   = "action"
	Invoke   = "invoke"
	Debug    = "debug"
)

// ResourceAction is the action for updating or deleting one object of an application: update/<group>/<kind>/<namespace>/<name>.
func ResourceAction(verb, group, kind, namespace, name string) string {
	return strings.Join([]string{verb, group, kind, namespace, name}, "/")
}

// CustomAction is the action for running a resource action: action/<group>/<kind>/<name of the action>.
func CustomAction(group, kind, name string) string {
	return strings.Join([]string{Action, group, kind, name}, "/")
}

// Object is the object of an application: <project>/<name>, with its namespace between them where that is not the control
// plane's.
func Object(project, namespace, name, controlPlane string) string {
	if namespace == "" || namespace == controlPlane {
		return project + "/" + name
	}
	return project + "/" + namespace + "/" + name
}

// vocabulary gives the actions of each resource; those that end with a slash have more words behind them.
func vocabulary() map[string][]string {
	crud := []string{Get, Create, Update, Delete}
	return map[string][]string{
		Applications:      {Get, Create, Update, Update + "/", Delete, Delete + "/", Sync, Rollback, Override, Action + "/"},
		ApplicationSets:   crud,
		Clusters:          crud,
		Projects:          crud,
		Repositories:      crud,
		WriteRepositories: crud,
		Certificates:      {Get, Create, Update, Delete},
		Accounts:          {Get, Create, Update},
		GPGKeys:           {Get, Create, Delete},
		Logs:              {Get},
		Exec:              {Create, Debug},
		Extensions:        {Invoke},
	}
}

// Resources returns the names of all resources.
func Resources() []string {
	var names []string
	for name := range vocabulary() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Actions returns the actions that a resource has, nil where there is no such resource. An action that ends with a slash has
// more words behind it.
func Actions(resource string) []string { return vocabulary()[resource] }

// HasAction reports whether there is such an action on such a resource.
func HasAction(resource, action string) bool {
	for _, known := range vocabulary()[resource] {
		if known == action || strings.HasSuffix(known, "/") && (strings.HasPrefix(action, known) || action+"/" == known) {
			return true
		}
	}
	return false
}

// ProjectScoped reports whether the objects of a resource begin with a project.
func ProjectScoped(resource string) bool {
	return slices.Contains([]string{Applications, ApplicationSets, Logs, Exec, Clusters, Repositories}, resource)
}

// builtin returns role:readonly, role:admin, and the account admin. Argo CD has the same.
func builtin() []*line {
	everything := map[bool]string{true: "*/*", false: "*"}
	var lines []*line
	grant := func(role, resource string, actions ...string) {
		inProject := ProjectScoped(resource) && resource != Clusters && resource != Repositories
		for _, action := range actions {
			fields := []string{"p", role, resource, action, everything[inProject], "allow"}
			l := &line{text: strings.Join(fields, ", "), place: "built-in", subject: role, fields: [3]string(fields[2:5])}
			// These patterns are constants that every test compiles.
			l.resource, _ = compile(modeGlob, resource)
			l.action, _ = compile(modeGlob, action)
			l.object, _ = compile(modeGlob, everything[inProject])
			lines = append(lines, l)
		}
	}
	for _, resource := range []string{Applications, ApplicationSets, Certificates, Clusters, Repositories, WriteRepositories, Projects, Accounts, GPGKeys, Logs} {
		grant("role:readonly", resource, Get)
	}
	grant("role:admin", Applications, Create, Update, Update+"/*", Delete, Delete+"/*", Sync, Rollback, Override, Action+"/*")
	grant("role:admin", ApplicationSets, Get, Create, Update, Delete)
	for _, resource := range []string{Certificates, Clusters, Repositories, WriteRepositories, Projects} {
		grant("role:admin", resource, Create, Update, Delete)
	}
	grant("role:admin", Accounts, Update)
	grant("role:admin", GPGKeys, Create, Delete)
	grant("role:admin", Exec, Create, Debug)
	for _, g := range [][2]string{{"role:admin", "role:readonly"}, {admin, "role:admin"}} {
		lines = append(lines, &line{text: "g, " + g[0] + ", " + g[1], place: "built-in", member: g[0], role: g[1]})
	}
	return lines
}
