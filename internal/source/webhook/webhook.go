// Package webhook reads the notifications that Git hosts send after a push: request headers and a body go in; which
// repository moved, and how, comes out, once the sender has proved that it knows the secret.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

// DefaultMaxBody is the largest body that is read, Argo CD's webhook.maxPayloadSizeMB.
const DefaultMaxBody = 50 << 20

// maxList bounds what one event can make us remember of each kind.
const maxList = 10_000

// Secrets are what senders prove themselves with, from argocd-secret. Where one is empty that host's events are taken
// from anybody, as in Argo CD: all that an event can do is to have a repository looked at.
type Secrets struct {
	GitHub          string // webhook.github.secret
	GitLab          string // webhook.gitlab.secret
	Gogs            string // webhook.gogs.secret, for Gitea and Forgejo too
	BitbucketUUID   string // webhook.bitbucket.uuid
	BitbucketServer string // webhook.bitbucketserver.secret
	AzureUsername   string // webhook.azuredevops.username
	AzurePassword   string // webhook.azuredevops.password
}

// String keeps secrets out of logs and errors, whatever verb prints them.
func (Secrets) String() string { return "***" }

// GoString is String for %#v.
func (Secrets) GoString() string { return "***" }

// Event is a push. The zero Event is a notification that needs no action, such as a ping.
type Event struct {
	// Provider names the kind of host: github, gitlab, gogs, bitbucket, bitbucket-server, azure-devops.
	Provider string
	// RepoURLs are the addresses of the repository, web and clone ones; Matches compares with all of them.
	RepoURLs []string
	// DefaultBranch is where HEAD points, as far as the host tells.
	DefaultBranch string
	// Changes are the refs that moved.
	Changes []Change
	// Files are the paths that the push touched; nil when the host does not tell all of them.
	Files []string
}

// Change is one ref that moved. Before or After is empty for a ref that is new or gone.
type Change struct {
	Ref           string // full: refs/heads/main
	Before, After string
}

// Empty reports whether there is nothing to do.
func (e Event) Empty() bool { return len(e.RepoURLs) == 0 }

// ReadBody reads a request's body of at most limit bytes; 0 means DefaultMaxBody.
func ReadBody(body io.Reader, limit int64) ([]byte, error) {
	if limit <= 0 {
		limit = DefaultMaxBody
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fault.New(fault.Transient, "read webhook body: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Invalid, "webhook body is larger than %d bytes; see webhook.maxPayloadSizeMB", limit)
	}
	return data, nil
}

// provider is one kind of host.
type provider struct {
	name string
	// header tells its requests from others.
	header string
	// verify returns nil when the sender has proved to know the secret.
	verify func(h http.Header, body []byte, s Secrets) error
	// parse reads the event; kind is the value of header.
	parse func(kind string, h http.Header, body []byte) (Event, error)
}

// providers are told apart in this order: Gitea and Gogs send the headers of GitHub too, and Bitbucket Cloud those of
// Bitbucket Server.
func providers() []provider {
	return []provider{
		{"azure-devops", "X-Vss-Activityid", verifyAzure, parseAzure},
		{"gogs", "X-Gitea-Event", verifyGogs, parseGitHub},
		{"gogs", "X-Gogs-Event", verifyGogs, parseGitHub},
		{"github", "X-Github-Event", verifyGitHub, parseGitHub},
		{"gitlab", "X-Gitlab-Event", verifyGitLab, parseGitLab},
		{"bitbucket", "X-Hook-Uuid", verifyBitbucket, parseBitbucket},
		{"bitbucket-server", "X-Event-Key", verifyBitbucketServer, parseBitbucketServer},
	}
}

// Parse verifies and reads one request. Errors: Denied when the sender does not know the secret, Invalid for a body that
// is none of the known hosts'. An event of a kind that concerns no ref is empty, without an error.
func Parse(h http.Header, body []byte, secrets Secrets) (Event, error) {
	for _, p := range providers() {
		kind := h.Get(p.header)
		if kind == "" {
			continue
		}
		if err := p.verify(h, body, secrets); err != nil {
			return Event{}, fault.New(fault.Denied, "webhook from %s: %w", p.name, err)
		}
		body, err := unwrapForm(h, body)
		if err != nil {
			return Event{}, fault.New(fault.Invalid, "webhook from %s: %w", p.name, err)
		}
		e, err := p.parse(kind, h, body)
		if err != nil {
			return Event{}, fault.New(fault.Invalid, "webhook from %s: body is not the JSON that it should be: %w", p.name, err)
		}
		if e.Empty() {
			return Event{}, nil
		}
		e.Provider = p.name
		return e.bounded(), nil
	}
	return Event{}, fault.New(fault.Invalid, "webhook from an unknown kind of host: no header of GitHub, GitLab, Gitea, Gogs, Bitbucket or Azure DevOps")
}

// unwrapForm returns the JSON of a body that was sent as a form, GitHub's default.
func unwrapForm(h http.Header, body []byte) ([]byte, error) {
	if !strings.HasPrefix(h.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return body, nil
	}
	text, ok := strings.CutPrefix(string(body), "payload=")
	if !ok {
		return nil, errors.New("form has no payload; set the content type to application/json")
	}
	text, _, _ = strings.Cut(text, "&")
	text, err := url.QueryUnescape(text)
	return []byte(text), err
}

// bounded cuts lists that are longer than any real push.
func (e Event) bounded() Event {
	if len(e.Changes) > maxList {
		e.Changes = nil // unknown, so everything may have moved
	}
	if len(e.Files) > maxList {
		e.Files = nil
	}
	return e
}

var (
	errNoSignature = errors.New("the request carries no signature, and a secret is configured")
	errSignature   = errors.New("the signature does not match the configured secret")
)

// verifyMAC compares a hexadecimal HMAC of body.
func verifyMAC(newHash func() hash.Hash, body []byte, secret, got string) error {
	if secret == "" {
		return nil
	}
	if got == "" {
		return errNoSignature
	}
	sum, err := hex.DecodeString(got)
	mac := hmac.New(newHash, []byte(secret))
	mac.Write(body)
	if err != nil || !hmac.Equal(sum, mac.Sum(nil)) {
		return errSignature
	}
	return nil
}

// verifyToken compares a secret that is sent as it is. Hashing first makes the time independent of its length.
func verifyToken(secret, got string) error {
	if secret == "" {
		return nil
	}
	if got == "" {
		return errNoSignature
	}
	a, b := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(got))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return errSignature
	}
	return nil
}

func verifyGitHub(h http.Header, body []byte, s Secrets) error {
	return verifyMAC(sha256.New, body, s.GitHub, strings.TrimPrefix(h.Get("X-Hub-Signature-256"), "sha256="))
}

func verifyGogs(h http.Header, body []byte, s Secrets) error {
	got := h.Get("X-Gogs-Signature")
	if got == "" {
		got = h.Get("X-Gitea-Signature")
	}
	return verifyMAC(sha256.New, body, s.Gogs, got)
}

func verifyGitLab(h http.Header, _ []byte, s Secrets) error {
	return verifyToken(s.GitLab, h.Get("X-Gitlab-Token"))
}

func verifyBitbucket(h http.Header, _ []byte, s Secrets) error {
	return verifyToken(s.BitbucketUUID, h.Get("X-Hook-Uuid"))
}

func verifyBitbucketServer(h http.Header, body []byte, s Secrets) error {
	if h.Get("X-Event-Key") == "diagnostics:ping" {
		return nil // its connection test is not signed, and empty
	}
	return verifyMAC(sha256.New, body, s.BitbucketServer, strings.TrimPrefix(h.Get("X-Hub-Signature"), "sha256="))
}

func verifyAzure(h http.Header, _ []byte, s Secrets) error {
	if s.AzureUsername == "" && s.AzurePassword == "" {
		return nil
	}
	got, ok := strings.CutPrefix(h.Get("Authorization"), "Basic ")
	if !ok {
		return errNoSignature
	}
	return verifyToken(base64.StdEncoding.EncodeToString([]byte(s.AzureUsername+":"+s.AzurePassword)), got)
}
