package apply

import (
	"fmt"
	"regexp"
	"strings"
)

// cannot is how the API server's authorizer refuses: user, verb, resource, API group, and the namespace if there is one.
var cannot = regexp.MustCompile(`User "([^"]*)" cannot ([\w-]+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)

// MissingRight continues the message of a request that the API server forbade: in whose name it was made, which right that lacks,
// and how it is given. The user is a service account.
func MissingRight(user, message string) string {
	account := "ServiceAccount " + strings.Replace(strings.TrimPrefix(user, "system:serviceaccount:"), ":", "/", 1)
	m := cannot.FindStringSubmatch(message)
	if m == nil {
		return "; this was asked in the name of " + account
	}
	verb, resource, group, namespace := m[2], m[3], m[4], m[5]
	switch {
	case strings.HasPrefix(verb, "impersonate"):
		return fmt.Sprintf("; Belay must be permitted to act as %s: give its own service account the verb %s on %s in namespace %s", account, verb, resource, namespace)
	case m[1] != user: // what is read between writes is read in Belay's own name
		return ""
	}
	verbs := verb
	if verb == "patch" || verb == "create" {
		verbs = "create, patch" // an apply needs both
	}
	role := "a Role of namespace " + namespace
	if namespace == "" {
		role = "a ClusterRole"
	}
	return fmt.Sprintf("; this was asked in the name of %s: bind it to %s with {apiGroups: [%q], resources: [%s], verbs: [%s]}", account, role, group, resource, verbs)
}
