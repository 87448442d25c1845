package git

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/belaycd/belay/internal/fault"
)

const (
	adviceNoCredentials = "the server asks for credentials and none are configured for this repository, or it does not exist"
	adviceRefused       = "the server refused the credentials of this repository"
)

// rule maps what git and its helpers say (LC_ALL=C) to a kind of error and, where their words do not tell a reader what
// to do, to better words.
type rule struct {
	pattern string
	kind    fault.Kind
	advice  string
}

// rules are tried in order; the first that matches decides. More particular texts stand before more general ones.
func rules() []rule {
	return []rule{
		{`Host key verification failed|No \S+ host key is known`, fault.Denied,
			"the SSH host key of the server is not known or has changed; add it to argocd-ssh-known-hosts-cm"},
		{`SSL certificate problem|server certificate verification failed|certificate verify failed|unable to get local issuer`, fault.Denied,
			"the server's certificate is not trusted; add its CA to argocd-tls-certs-cm"},
		{`could not read Username|terminal prompts disabled`, fault.Denied,
			adviceNoCredentials},
		{`could not read Password|Authentication failed|returned error: 401|HTTP Basic: Access denied|Invalid username or`, fault.Denied,
			adviceRefused},
		{`returned error: 403`, fault.Denied, "the server forbids these credentials to read the repository (403)"},
		{`Permission denied \(|Too many authentication failures|invalid format|error in libcrypto|Load key`, fault.Denied,
			"the server refused the SSH key of this repository"},
		{`dubious ownership`, fault.Denied, "the repository belongs to another user of this machine"},
		{`returned error: 404|[Rr]epository .*not found|does not appear to be a git repository|not a git repository|No such file or directory`, fault.NotFound,
			"the repository does not exist, or these credentials may not see it"},
		{`couldn't find remote ref|not our ref|no such remote ref`, fault.NotFound, noSuchRevision},
		{`transport '\S+' not allowed|protocol '\S+' is not supported|not valid: is this a git repository|URL using bad`, fault.Invalid, ""},
		{`Could not resolve (host|proxy)|Temporary failure in name resolution|Name or service not known`, fault.Transient,
			"the host name does not resolve"},
		{`Connection refused|Failed to connect|Couldn't connect`, fault.Transient, "the server refuses connections"},
		{`timed out|Timeout|too slow`, fault.Transient, "the server did not answer in time"},
		{`returned error: 429`, fault.Transient, "the server limits our requests (429)"},
		{`returned error: 5\d\d`, fault.Transient, ""},
		{`returned error: 3\d\d`, fault.Invalid, "the repository has moved and the server redirects; use its new URL"},
		{lockTaken, fault.Transient, "another git process holds a lock of the mirror; if that was killed, the lock is removed when it is a minute old, in a shallow mirror when a fetch would have ended"},
		{`No space left on device`, fault.Transient, "the cache directory is full"},
	}
}

// corruption is what git says about a damaged object store of ours. A remote's own damage arrives as "remote: ..." and
// does not count: cloning again would not mend it.
const corruption = `(?m)^(error|fatal): .*(is corrupt|corrupted|bad object|is empty|missing (blob|tree|commit)|` +
	`unable to (read|unpack|parse)|could not (read|parse)( commit| object)? [0-9a-f]{40}|inflate|garbage at end|` +
	`not a git repository|bad (index|pack|tree|object)|wrong (index|pack)|is far too short|is too small|` +
	`invalid (object|sha1 pointer|reference)|did not send all necessary objects|Failed to traverse parents|unresolved deltas|` +
	`index file .* is|pack .* (cannot|far)|bad signature|packfile .* (is|cannot|claims|index))`

// lockTaken is what git says when another process holds a lock, or was killed while it did.
const lockTaken = `Unable to create '[^']*\.lock': File exists`

// classifier turns failures of git into errors for people.
type classifier struct {
	rules   []compiledRule
	corrupt *regexp.Regexp
	moved   *regexp.Regexp
	locked  *regexp.Regexp
}

type compiledRule struct {
	rule
	re *regexp.Regexp
}

func newClassifier() *classifier {
	c := &classifier{corrupt: regexp.MustCompile(corruption), moved: regexp.MustCompile(`returned error: 3\d\d`), locked: regexp.MustCompile(lockTaken)}
	for _, r := range rules() {
		c.rules = append(c.rules, compiledRule{rule: r, re: regexp.MustCompile(r.pattern)})
	}
	return c
}

// remoteError classifies err of an attempt to reach a remote. Unknown complaints are Transient: trying again is bounded
// by the backoff, giving up is not.
func (c *classifier) remoteError(action string, rem remote, err error, limit time.Duration) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Transient, "%s %s: no answer within %s: %w", action, rem.shown(), limit, err)
	}
	var failed *commandError
	if !errors.As(err, &failed) {
		return &wrapped{action + " " + rem.shown(), err}
	}
	for _, r := range c.rules {
		if !r.re.MatchString(failed.stderr) {
			continue
		}
		text := r.advice
		if failed.authenticated && text == adviceNoCredentials {
			text = adviceRefused
		}
		if text == "" {
			text = cause(failed.stderr)
		}
		return fault.As(r.kind, &remoteFailure{action + " " + rem.shown() + ": " + text, failed})
	}
	text := cause(failed.stderr)
	if text == "" {
		text = failed.err.Error()
	}
	return fault.As(fault.Transient, &remoteFailure{action + " " + rem.shown() + ": " + text, failed})
}

// remoteFailure is a failed process in words for people; what it said stays at hand for decisions.
type remoteFailure struct {
	text   string
	failed *commandError
}

func (f *remoteFailure) Error() string { return f.text }
func (f *remoteFailure) Unwrap() error { return f.failed }

// wrapped adds the object to an error and keeps its kind.
type wrapped struct {
	context string
	err     error
}

func (w *wrapped) Error() string { return w.context + ": " + w.err.Error() }
func (w *wrapped) Unwrap() error { return w.err }

func (c *classifier) isCorrupt(err error) bool {
	var failed *commandError
	return errors.As(err, &failed) && c.corrupt.MatchString(failed.stderr)
}

func (c *classifier) isLocked(err error) bool {
	var failed *commandError
	return errors.As(err, &failed) && c.locked.MatchString(failed.stderr)
}

func (c *classifier) isRedirect(err error) bool {
	var failed *commandError
	return errors.As(err, &failed) && c.moved.MatchString(failed.stderr)
}

// shown is the address as messages name it.
func (r remote) shown() string { return Redact(r.url) }

// cause picks the line that tells what went wrong: the first fatal or error, else what the server or ssh said last.
func cause(stderr string) string {
	var last string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"fatal: ", "error: "} {
			if text, ok := strings.CutPrefix(line, prefix); ok {
				return shorten(text)
			}
		}
		if line != "" {
			last = line
		}
	}
	return shorten(last)
}

// shorten makes a remote's words fit for one line of a condition.
func shorten(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	const most = 300
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// scrub removes what must not be told from what a process said.
func scrub(said string, secrets []string) string {
	said = Redact(said)
	for _, secret := range secrets {
		if len(secret) > 2 { // shorter ones would only blank out ordinary words
			said = strings.ReplaceAll(said, secret, "***")
		}
	}
	return said
}

// noSuchRevision ends the message about a revision that the remote does not have or does not give.
const noSuchRevision = "the remote has no such revision"
