package project

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// account is an entry of spec.destinationServiceAccounts.
type account struct {
	server, namespace pattern
	text              string
}

func accountsOf(list []v1alpha1.ApplicationDestinationServiceAccount) []account {
	var out []account
	for _, a := range list {
		out = append(out, account{server: plain(a.Server), namespace: plain(a.Namespace), text: a.DefaultServiceAccount})
	}
	return out
}

// NamesServiceAccounts reports whether the project says which service accounts its applications are synced as.
func (p *Project) NamesServiceAccounts() bool { return len(p.accounts) > 0 }

// ServiceAccount returns the user as whom an application is synced: system:serviceaccount:<namespace>:<name>, of the first entry
// of spec.destinationServiceAccounts that matches the address of the cluster and the namespace of the destination. An account
// without a namespace is one of the destination's namespace, or of the Application's where the destination has none. The error is
// of kind NotFound when no entry matches, and Invalid when the one that counts cannot be used.
// https://argo-cd.readthedocs.io/en/stable/operator-manual/app-sync-using-impersonation/
func (p *Project) ServiceAccount(server, namespace, appNamespace string) (user string, err error) {
	hint := ""
	for i, a := range p.accounts {
		at := fmt.Sprintf("spec.destinationServiceAccounts[%d] of AppProject %s", i, p.name)
		// One that cannot be read could be the one that counts: those after it must not be taken in its place.
		if err := cmp.Or(a.server.err, a.namespace.err); err != nil {
			return "", fault.New(fault.Invalid, "%s cannot be read: %w; correct it", at, err)
		}
		if !a.server.matches(server) {
			continue
		}
		if !a.namespace.matches(namespace) {
			if a.namespace.text == "" {
				hint = fmt.Sprintf(" (%s has no namespace, which matches only applications without spec.destination.namespace)", at)
			}
			continue
		}
		user, err := userOf(a.text, cmp.Or(namespace, appNamespace))
		if err != nil {
			return "", fault.New(fault.Invalid, "%s: defaultServiceAccount %q %w; write the name of a service account, or namespace:name", at, clip(a.text), err)
		}
		return user, nil
	}
	return "", fault.New(fault.NotFound, "no entry of spec.destinationServiceAccounts of AppProject %s matches the destination, server %s and namespace %q%s; "+
		"add {server: %s, namespace: %q, defaultServiceAccount: NAME} there", p.name, server, namespace, hint, server, namespace)
}

// userOf makes a user of "name" or "namespace:name".
func userOf(text, namespace string) (string, error) {
	name := text
	if ns, rest, ok := strings.Cut(text, ":"); ok {
		namespace, name = ns, rest
	}
	if errs := validation.IsDNS1123Label(namespace); len(errs) > 0 {
		return "", fmt.Errorf("names no namespace (%s)", errs[0])
	}
	if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
		return "", fmt.Errorf("names no service account (%s)", errs[0])
	}
	return "system:serviceaccount:" + namespace + ":" + name, nil
}

// CheckServiceAccounts returns why spec.destinationServiceAccounts cannot be used, nil when it can.
func CheckServiceAccounts(list []v1alpha1.ApplicationDestinationServiceAccount) error {
	for i, a := range accountsOf(list) {
		err := cmp.Or(a.server.err, a.namespace.err)
		if err == nil {
			_, err = userOf(a.text, "any")
		}
		if err == nil && strings.Contains(a.server.text+a.namespace.text, "!") {
			err = fmt.Errorf("%q: nothing can be denied here, the first entry that matches counts", "!")
		}
		if err != nil {
			return fmt.Errorf("spec.destinationServiceAccounts[%d]: %w", i, err)
		}
	}
	return nil
}
