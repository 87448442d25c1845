package settings

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/source"
)

// Listed is a repository or repo-creds Secret as lists show it: nothing of what lets somebody in, but whether there is any.
type Listed struct {
	RepositoryCredentials
	// Secret is what it was read from.
	Secret *corev1.Secret
	// Authenticates says that the Secret holds credentials.
	Authenticates bool
	// Err is why the Secret cannot be used.
	Err error
}

// SSH says that it authenticates with a key of SSH.
func (l Listed) SSH() bool { return !l.SSHPrivateKey.IsEmpty() }

// TLS says that it authenticates with a client certificate.
func (l Listed) TLS() bool { return !l.TLSClientCert.IsEmpty() }

// Is reports whether the Secret is for that URL, which may be written in another way.
func (l Listed) Is(repoURL string) bool {
	return source.NormalizeURL(l.url.Reveal()) == source.NormalizeURL(repoURL)
}

// ListRepositories returns the Secrets of type repository, or repo-creds, among secrets, sorted by name.
func ListRepositories(secrets []*corev1.Secret, templates bool) []Listed {
	kind := typeRepository
	if templates {
		kind = typeRepoCreds
	}
	var out []Listed
	for _, s := range byName(secrets) {
		if secretType(s) != kind {
			continue
		}
		c, err := readRepository(s)
		out = append(out, Listed{RepositoryCredentials: c, Secret: s, Authenticates: c.authenticates(), Err: err})
	}
	return out
}
