package project

import (
	"strings"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

func TestServiceAccount(t *testing.T) {
	const own, user = "https://kubernetes.default.svc", "system:serviceaccount:"
	for _, c := range []struct {
		name, spec, server, namespace, app string
		want                               string     // the user
		kind                               fault.Kind // of the refusal otherwise
		text                               string
	}{
		{name: "exact", spec: `{server: "https://kubernetes.default.svc", namespace: a, defaultServiceAccount: deployer}`, server: own, namespace: "a", want: user + "a:deployer"},
		{name: "globs", spec: `{server: "https://*", namespace: "team-*", defaultServiceAccount: deployer}`, server: own, namespace: "team-b", want: user + "team-b:deployer"},
		{name: "its own namespace", spec: `{server: "*", namespace: "*", defaultServiceAccount: "ops:deployer"}`, server: own, namespace: "a", want: user + "ops:deployer"},
		{name: "the first match counts", spec: `{server: "*", namespace: a, defaultServiceAccount: first}, {server: "*", namespace: "*", defaultServiceAccount: second}`,
			server: own, namespace: "a", want: user + "a:first"},
		{name: "the first match counts, even if it is the wide one", spec: `{server: "*", namespace: "*", defaultServiceAccount: wide}, {server: "*", namespace: a, defaultServiceAccount: narrow}`,
			server: own, namespace: "a", want: user + "a:wide"},
		{name: "what does not match is passed over", spec: `{server: "https://other", namespace: "*", defaultServiceAccount: other}, {server: "*", namespace: b, defaultServiceAccount: b}, {server: "*", namespace: "*", defaultServiceAccount: rest}`,
			server: own, namespace: "a", want: user + "a:rest"},
		{name: "a destination without a namespace", spec: `{server: "*", defaultServiceAccount: deployer}`, server: own, app: "argocd", want: user + "argocd:deployer"},
		{name: "star matches no namespace too", spec: `{server: "*", namespace: "*", defaultServiceAccount: deployer}`, server: own, app: "argocd", want: user + "argocd:deployer"},
		{name: "names with dots", spec: `{server: "*", namespace: "*", defaultServiceAccount: "ops:deployer.v1"}`, server: own, namespace: "a", want: user + "ops:deployer.v1"},

		{name: "none", spec: ``, server: own, namespace: "a", kind: fault.NotFound, text: `matches the destination, server https://kubernetes.default.svc and namespace "a"; add {server: https://kubernetes.default.svc, namespace: "a", defaultServiceAccount: NAME} there`},
		{name: "no match", spec: `{server: "*", namespace: b, defaultServiceAccount: deployer}`, server: own, namespace: "a", kind: fault.NotFound, text: "AppProject shop"},
		{name: "an entry without namespace", spec: `{server: "*", defaultServiceAccount: deployer}`, server: own, namespace: "a", kind: fault.NotFound,
			text: "spec.destinationServiceAccounts[0] of AppProject shop has no namespace"},
		{name: "no account", spec: `{server: "*", namespace: "*"}`, server: own, namespace: "a", kind: fault.Invalid, text: "names no service account"},
		{name: "a blank account is not passed over", spec: `{server: "*", namespace: "*", defaultServiceAccount: " "}, {server: "*", namespace: "*", defaultServiceAccount: admin}`,
			server: own, namespace: "a", kind: fault.Invalid, text: "spec.destinationServiceAccounts[0]"},
		{name: "a pattern in the account", spec: `{server: "*", namespace: "*", defaultServiceAccount: "dep*"}`, server: own, namespace: "a", kind: fault.Invalid, text: `"dep*" names no service account`},
		{name: "a user that is no service account", spec: `{server: "*", namespace: "*", defaultServiceAccount: "a:b:c"}`, server: own, namespace: "a", kind: fault.Invalid, text: "names no service account"},
		{name: "no namespace before the colon", spec: `{server: "*", namespace: "*", defaultServiceAccount: ":b"}`, server: own, namespace: "a", kind: fault.Invalid, text: "names no namespace"},
		{name: "an unreadable server is not passed over", spec: `{server: "[", namespace: "*", defaultServiceAccount: a}, {server: "*", namespace: "*", defaultServiceAccount: admin}`,
			server: own, namespace: "a", kind: fault.Invalid, text: "spec.destinationServiceAccounts[0] of AppProject shop cannot be read"},
		{name: "an unreadable namespace is not passed over", spec: `{server: "*", namespace: "[", defaultServiceAccount: a}, {server: "*", namespace: "*", defaultServiceAccount: admin}`,
			server: own, namespace: "a", kind: fault.Invalid, text: "cannot be read"},
		{name: "what comes after the match is not read", spec: `{server: "*", namespace: a, defaultServiceAccount: x}, {server: "[", namespace: "*", defaultServiceAccount: y}`,
			server: own, namespace: "a", want: user + "a:x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(t, `{destinationServiceAccounts: [`+c.spec+`]}`)
			got, err := p.ServiceAccount(c.server, c.namespace, c.app)
			if c.want != "" {
				if got != c.want || err != nil {
					t.Errorf("got %q, %v; want %q", got, err, c.want)
				}
				return
			}
			if got != "" || !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, %v; want kind %v with %q", got, err, c.kind, c.text)
			}
		})
	}
}

func TestCheckServiceAccounts(t *testing.T) {
	for _, c := range []struct {
		account v1alpha1.ApplicationDestinationServiceAccount
		want    string
	}{
		{v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "team-*", DefaultServiceAccount: "ops:deployer"}, ""},
		{v1alpha1.ApplicationDestinationServiceAccount{Server: "[", Namespace: "a", DefaultServiceAccount: "b"}, "spec.destinationServiceAccounts[0]"},
		{v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "!a", DefaultServiceAccount: "b"}, "nothing can be denied"},
		{v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "a"}, "names no service account"},
	} {
		err := CheckServiceAccounts([]v1alpha1.ApplicationDestinationServiceAccount{c.account})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.account, err, c.want)
		}
	}
}
