package permission

import "github.com/belaycd/belay/internal/check"

// IDs of the rules on the grants of roles.
const (
	clusterAdmin = "rbac-cluster-admin"
	wildcard     = "rbac-wildcard"
	escalate     = "rbac-escalate"
	secrets      = "rbac-secrets"
	ownSecrets   = "rbac-secrets-namespace"
	podCreate    = "rbac-pod-create"
	exec         = "rbac-exec"
	sensitive    = "rbac-sensitive"
	anonymous    = "rbac-anonymous"
	defaultSA    = "rbac-default-sa"
	widened      = "rbac-widened"
)

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	return []check.Rule{
		{ID: clusterAdmin, Title: "binding to cluster-admin", Severity: check.Error,
			Why:       "cluster-admin may do everything, and the group system:masters may even when every rule is taken away. One stolen token of such an account is the cluster.",
			Fix:       "Bind a ClusterRole that lists what is needed, in a namespace if it can be.",
			Standards: []string{"CIS 5.1.1", "CIS 5.1.7", "NSA C-0035", "KSV-0111"}},
		{ID: wildcard, Title: "grant by wildcard", Severity: check.Error,
			Why: "A wildcard grants what does not exist yet: new kinds, new subresources, new verbs. Among the built-in kinds it includes Secrets, roles and escalation. " +
				"A wildcard in one namespace or over a few kinds weighs less; one among the kinds of a single extension is a matter of its authors and not reported here.",
			Fix:       "List the groups, resources and verbs that the program uses.",
			Standards: []string{"CIS 5.1.3", "NSA C-0187", "KSV-0046"}},
		{ID: escalate, Title: "right to take more rights", Severity: check.Error,
			Why:       "escalate and bind let an account write roles with more rights than its own and give them to itself; impersonate lets it act as anyone.",
			Fix:       "Remove the verb, or limit it to names: resourceNames of the roles that may be bound, or of the accounts that may be acted for.",
			Standards: []string{"CIS 5.1.8", "NSA C-0065"}},
		{ID: secrets, Title: "right to read Secrets anywhere", Severity: check.Warning,
			Why:       "Secrets hold the tokens and passwords of everybody. Who reads all of a cluster has the rights of every account: that is an error where the repository binds the role in all namespaces, and a warning where it does not show what the role is bound to.",
			Fix:       "Name the Secrets in resourceNames with the verb get, or grant it by a Role in the namespaces where it is needed.",
			Standards: []string{"CIS 5.1.2", "NSA C-0015", "KSV-0041"}},
		{ID: ownSecrets, Title: "right to read the Secrets of a namespace", Severity: check.Off,
			Profiles:  map[check.Profile]check.Severity{check.Restricted: check.Warning, check.CIS: check.Warning, check.NSA: check.Warning},
			Why:       "A program that needs one Secret and may read all of its namespace has those of its neighbours too.",
			Fix:       "Name the Secrets in resourceNames with the verb get.",
			Standards: []string{"CIS 5.1.2", "NSA C-0015", "KSV-0113"}},
		{ID: podCreate, Title: "right to create pods anywhere", Severity: check.Warning,
			Why:       "Who creates pods in a namespace can use every ServiceAccount and mount every Secret of it; in all namespaces, those of the system too. Grants in one namespace are not reported.",
			Fix:       "Grant it by a Role in the namespaces where it is needed.",
			Standards: []string{"CIS 5.1.4", "NSA C-0188"}},
		{ID: exec, Title: "right to enter containers", Severity: check.Warning,
			Why:       "exec, attach and portforward reach into running programs, past every review: the token and the memory of the program are theirs.",
			Fix:       "Remove the resource; give it to people for the time of an incident, not to programs.",
			Standards: []string{"NSA C-0002", "NSA C-0063", "KSV-0053"}},
		{ID: sensitive, Title: "right that leads to others", Severity: check.Warning,
			Why: "nodes/proxy speaks to kubelets past admission and audit; approving certificates makes any user; a webhook sees and changes every object; a token of an account is the account; " +
				"a PersistentVolume with hostPath is the node.",
			Fix:       "Remove the grant, or limit it by resourceNames.",
			Standards: []string{"CIS 5.1.9", "CIS 5.1.10", "CIS 5.1.11", "CIS 5.1.12", "CIS 5.1.13"}},
		{ID: anonymous, Title: "grant to everybody without a name", Severity: check.Error,
			Why:       "system:anonymous and system:unauthenticated are whoever reaches the API server, with no password at all.",
			Fix:       "Remove the subject, and name the accounts that need the role.",
			Standards: []string{"CIS 4.2.1", "NSA C-0262"}},
		{ID: defaultSA, Title: "grant to the default ServiceAccount", Severity: check.Warning,
			Why:       "Every pod that names no account runs as default: the grant is to all of them, those of next year too.",
			Fix:       "Make a ServiceAccount for the program, name it in serviceAccountName of its pods, and bind that.",
			Standards: []string{"CIS 5.1.5", "NSA C-0189"}},
		{ID: widened, Title: "change that grants more than before", Severity: check.Warning,
			Why: "Rights are easily added and hardly ever taken back. This is the moment at which somebody should ask what for. It is looked for when a base revision is named.",
			Fix: "Say in the change what needs the right. If nothing does, take it out."},
	}
}
