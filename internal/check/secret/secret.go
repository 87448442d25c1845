// Package secret finds credentials that stand in a repository in the clear: rendered objects and files go in; findings that name the
// key and never the value come out.
package secret

import (
	"context"

	"github.com/belaycd/belay/internal/check"
)

// Checker implements check.Checker.
type Checker struct{ scanner *scanner }

// New returns the Checker of all rules on secrets.
func New() Checker { return Checker{scanner: newScanner()} }

// IDs of the rules.
const (
	plaintext   = "secret-plaintext"
	inEnv       = "secret-in-env"
	inConfigMap = "secret-in-configmap"
	byPattern   = "secret-pattern"
	unsearched  = "secret-unsearched"
)

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	const rotate = " What was committed is known: replace the credential itself too, its removal from the files does not take it out of the history."
	return []check.Rule{{
		ID: plaintext, Sensitive: true, Title: "Secret whose values stand in the repository", Severity: check.Error,
		Why:       "Base64 is no encryption: whoever can read the repository, a clone or a backup of it has the credential, for as long as it is valid.",
		Fix:       "Keep the value outside and refer to it: an ExternalSecret, a SealedSecret, SOPS, or a placeholder that is filled in at sync." + rotate,
		Standards: []string{"CIS 5.4.2", "NSA C-0012"},
	}, {
		ID: inEnv, Sensitive: true, Title: "credential in the environment or the arguments of a container", Severity: check.Error,
		Why:       "A literal in a pod is shown to everyone who may read pods, and stands in the repository, in events and in crash reports.",
		Fix:       "Read it from a Secret: valueFrom.secretKeyRef, or better a file of a mounted Secret." + rotate,
		Standards: []string{"NSA C-0012", "kube-linter env-var-secret", "polaris sensitiveContainerEnvVar"},
	}, {
		ID: inConfigMap, Sensitive: true, Title: "credential in a ConfigMap", Severity: check.Error,
		Why:       "ConfigMaps are read by far more people and programs than Secrets, are not encrypted at rest, and stand in the repository.",
		Fix:       "Move the value to a Secret that is filled from outside the repository." + rotate,
		Standards: []string{"NSA C-0012", "polaris sensitiveConfigmapContent"},
	}, {
		ID: byPattern, Sensitive: true, Title: "credential in a file", Severity: check.Error,
		Why: "The text has the form of a credential that is of use to whoever reads it.",
		Fix: "Take it out of the file." + rotate + " Where it is none, an exception for the file says why.",
	}, {
		ID: unsearched, Title: "file that was not searched for credentials", Severity: check.Note,
		Why: "A file that is too large to be searched, or cannot be read, may hold a credential.",
		Fix: "Keep large data elsewhere, or search the file with a tool for that.",
	}}
}

// Check implements check.Checker. Objects come first: what they hold is not told again for the files that it is from.
func (c Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	known := newKnown()
	gens := newGenerators(repo)
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			tell := func(f check.Finding, values ...string) {
				f.Object = o
				known.add(u, values...)
				report(f)
			}
			switch {
			case isSecret(o):
				c.scanner.secretObject(o, gens, repo, tell)
			case isConfigMap(o):
				c.scanner.configMap(o, gens, tell)
			default:
				if p := check.PodOf(o.Unstructured); p != nil {
					c.scanner.pod(p, tell)
				}
			}
		}
	}
	return searchFiles(ctx, repo, c.scanner, known, report)
}

// teller reports a finding on an object, and takes the values that it is about, which are shown nowhere.
type teller func(f check.Finding, values ...string)

func isSecret(o *check.Object) bool { return o.GetKind() == "Secret" && o.GetAPIVersion() == "v1" }
func isConfigMap(o *check.Object) bool {
	return o.GetKind() == "ConfigMap" && o.GetAPIVersion() == "v1"
}

// known are values that findings on objects are about, by the files that these were made from.
type known struct{ byFile map[string][]string }

func newKnown() *known { return &known{byFile: map[string][]string{}} }

func (k *known) add(u *check.Unit, values ...string) {
	for _, name := range u.Reads {
		k.byFile[name] = append(k.byFile[name], values...)
	}
}
