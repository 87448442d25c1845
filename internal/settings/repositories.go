package settings

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Repositories finds the credentials of repositories. It does not change and is safe for concurrent use.
type Repositories struct {
	// exact is by hash of the normalised URL, which may hold a password; sorted by Secret name.
	exact    map[[sha256.Size]byte][]entry
	prefixes []entry // longest first
	trust    Trust
}

// entry is one Secret. One that cannot be read is kept: a repository that it is for fails with its error, and
// does not appear as a public one.
type entry struct {
	credentials RepositoryCredentials
	prefix      Secret // the normalised URL of repo-creds
	err         error
}

// NewRepositories reads the Secrets of types repository and repo-creds among secrets; the others are passed over.
func NewRepositories(secrets []*corev1.Secret, trust Trust) (*Repositories, []Problem) {
	r := &Repositories{exact: map[[sha256.Size]byte][]entry{}, trust: trust}
	var problems []Problem
	for _, s := range byName(secrets) {
		kind := secretType(s)
		if kind != typeRepository && kind != typeRepoCreds {
			continue
		}
		c, err := readRepository(s)
		if p, ok := err.(Problem); ok {
			problems = append(problems, p)
		}
		raw := c.url.Reveal()
		key := source.NormalizeURL(raw)
		if key == "" {
			if raw != "" {
				problems = append(problems, Problem{Object: "Secret/" + s.Name, Key: "url", Reason: "the value is no repository URL"})
			}
			continue
		}
		e := entry{credentials: c, err: err}
		if kind == typeRepoCreds {
			if strings.HasSuffix(strings.TrimSpace(raw), "/") {
				key += "/"
			}
			e.prefix = NewSecret(key)
			r.prefixes = append(r.prefixes, e)
			continue
		}
		id := sha256.Sum256([]byte(key))
		for _, other := range r.exact[id] {
			if other.credentials.Project == c.Project {
				problems = append(problems, Problem{Object: "Secret/" + s.Name, Key: "url",
					Reason: fmt.Sprintf("Secret/%s is for the same repository and comes first", other.credentials.SecretName)})
			}
		}
		r.exact[id] = append(r.exact[id], e)
	}
	slices.SortStableFunc(r.prefixes, func(a, b entry) int { return cmp.Compare(len(b.prefix.Reveal()), len(a.prefix.Reveal())) })
	return r, sorted(problems)
}

// byName returns the Secrets sorted by name, so that no result depends on the order in which a watch gave them.
func byName(secrets []*corev1.Secret) []*corev1.Secret {
	out := make([]*corev1.Secret, 0, len(secrets))
	for _, s := range secrets {
		if s != nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Secret) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// For returns what the applications of project reach repoURL with: the repository's own Secret, filled up from the
// repo-creds with the longest matching prefix, and what is trusted. Nothing configured is no error.
// Secrets that are limited to another project do not count. An error is of kind Invalid and names the Secret.
func (r *Repositories) For(repoURL, project string) (RepositoryCredentials, error) {
	key := source.NormalizeURL(repoURL)
	own, found := r.own(key, project)
	if found && own.err != nil {
		return RepositoryCredentials{}, fault.As(fault.Invalid, own.err)
	}
	c := own.credentials
	if t, ok := r.template(key, project); ok && (!found || !c.authenticates()) {
		if t.err != nil {
			return RepositoryCredentials{}, fault.As(fault.Invalid, t.err)
		}
		if !found {
			c = t.credentials
		} else {
			c.borrow(&t.credentials)
		}
	}
	c.KnownHosts, c.CA = r.trust.KnownHosts, r.trust.CA(hostOf(repoURL))
	return c, nil
}

// CA returns the authorities, in PEM, that are trusted for a host; empty means the system's.
func (r *Repositories) CA(host string) string { return r.trust.CA(host) }

// own finds the repository's own Secret: the project's, or else one for every project.
func (r *Repositories) own(key, project string) (entry, bool) {
	entries := r.exact[sha256.Sum256([]byte(key))]
	for _, want := range []string{project, ""} {
		for _, e := range entries {
			if e.credentials.Project == want {
				return e, true
			}
		}
	}
	return entry{}, false
}

// Named returns the address of the repository whose Secret has that display name, for applications of project; "" when
// there is none.
func (r *Repositories) Named(name, project string) string {
	found := ""
	for _, entries := range r.exact {
		for _, e := range entries {
			c := e.credentials
			if c.Name != name || c.Project != "" && c.Project != project || e.err != nil {
				continue
			}
			if u := c.url.Reveal(); found == "" || u < found {
				found = u
			}
		}
	}
	return found
}

func (r *Repositories) template(key, project string) (entry, bool) {
	for _, e := range r.prefixes {
		if p := e.credentials.Project; (p == "" || p == project) && covers(e.prefix.Reveal(), key) {
			return e, true
		}
	}
	return entry{}, false
}

// covers reports whether key begins with prefix. A prefix that ends within the host covers no longer host name:
// credentials for git.example.com are not for git.example.com.evil.test.
func covers(prefix, key string) bool {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return false
	}
	_, afterScheme, found := strings.Cut(prefix, "://")
	if !found {
		afterScheme = prefix // SSH addresses are normalised to user@host/path
	}
	return strings.Contains(afterScheme, "/") || rest == "" || rest[0] == '/'
}

// hostOf returns the host name of a repository URL, in either form, without port.
func hostOf(repoURL string) string {
	if u, err := url.Parse(strings.TrimSpace(repoURL)); err == nil && u.Host != "" {
		return strings.ToLower(u.Hostname())
	}
	host, _, _ := strings.Cut(strings.TrimSpace(repoURL), ":")
	host, _, _ = strings.Cut(host, "/") // an OCI registry without a scheme
	if _, after, ok := strings.Cut(host, "@"); ok {
		host = after
	}
	return strings.ToLower(host)
}
