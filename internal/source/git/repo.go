package git

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

const (
	// firstBackoff is how long a failure is remembered; it doubles up to the interval. A thousand applications of a
	// dead repository thus cost one process a second at first, and soon one in an interval.
	firstBackoff = time.Second
	// absentFor is how long a SHA that the remote did not have is not asked for again, unless the remote moved.
	absentFor = 30 * time.Second
	// maxAbsent and maxExtra bound what wrong revisions of many applications can make us remember.
	maxAbsent, maxExtra = 1000, 1000
)

// repo is what we know of one remote, and its mirror.
type repo struct {
	src    *Source
	remote remote
	asked  string // the URL as an Application wrote it first; credentials are looked up with it
	scope  string // the project that they are limited to
	dir    string // the mirror

	// readOnly says that dir is not ours: nothing is fetched, mended or removed.
	readOnly bool

	looks   flight.Flight // ls-remote, or a fetch for a caller who wants news
	fetches flight.Flight // everything that changes the mirror
	cutting chan struct{} // held by a fetch that cuts history off: git lets one at a time do so

	mu       sync.Mutex // guards what follows; never held while waiting for anything
	ready    bool       // the mirror exists
	refs     *refTable  // nil before the first look
	seenAt   time.Time  // when the look that gave refs began
	due      time.Time  // refs count as current until then
	told     *refTable  // what Poll has told of; refs before it has told of anything
	polled   bool       // Poll's look is under way
	extra    map[string]bool
	absent   map[oid]time.Time
	singles  map[string]*single   // work on one SHA each
	short    map[string]expansion // of short SHAs
	failed   failure
	mode     authMode
	damaged  bool      // the mirror must be cloned again
	clones   int       // how many times it was cloned, so that late news of damage to an earlier one does not count
	healedAt time.Time // when it was, to do so once
	usedAt   time.Time
	tending  chan struct{} // closed when the maintenance under way has ended; nil without one
}

// failure is a remembered failure to reach the remote.
type failure struct {
	err         error
	at          time.Time
	times       int
	credentials string // with which it failed
}

// place is which repository is meant: its address as written, the project that it is reached for, the name of its mirror.
type place struct{ url, project, key string }

func newRepo(s *Source, rem remote, at place) *repo {
	r := &repo{src: s, remote: rem, cutting: make(chan struct{}, 1), asked: at.url, scope: at.project, dir: filepath.Join(s.cfg.CacheDir, at.key+".git"),
		extra: map[string]bool{}, absent: map[oid]time.Time{}, singles: map[string]*single{}, short: map[string]expansion{}}
	_, err := os.Stat(filepath.Join(r.dir, "HEAD"))
	r.ready = err == nil
	return r
}

func (r *repo) touch() {
	now := r.src.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.usedAt = now
}

func (r *repo) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

// lastSeen returns the refs of the last look, however old, or nil.
func (r *repo) lastSeen() *refTable {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refs
}

// known returns the refs of the remote, as new as fresh demands. A target outside branches and tags is looked for
// from now on.
func (r *repo) known(ctx context.Context, fresh source.Freshness, target string) (*refTable, error) {
	added, err := r.want(target)
	if err != nil {
		return nil, err
	}
	join := fresh == source.Cached && !added
	if join {
		if refs := r.current(); refs != nil {
			return refs, nil
		}
	}
	if err := r.remembered(fresh); err != nil {
		return nil, err
	}
	err = r.looks.Do(ctx, r.src.life, join, func(ctx context.Context) error {
		if !join {
			return r.look(ctx, fresh)
		}
		// Another look may have ended since we saw that one was needed.
		if r.current() != nil {
			return nil
		}
		if err := r.remembered(fresh); err != nil {
			return err
		}
		return r.list(ctx)
	})
	if err != nil {
		return nil, err
	}
	return r.lastSeen(), nil
}

// current returns the refs while they count as current, and nil after that.
func (r *repo) current() *refTable {
	now := r.src.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs == nil || !now.Before(r.due) {
		return nil
	}
	return r.refs
}

// look asks the remote for its refs. A caller who wants news probably wants the new commits as well: with a mirror at
// hand one fetch brings both, where ls-remote and a fetch would be twice the processes and round trips.
func (r *repo) look(ctx context.Context, fresh source.Freshness) error {
	if fresh == source.Fresh && r.isReady() {
		return r.fetches.Do(ctx, r.src.life, false, r.update)
	}
	return r.list(ctx)
}

// list runs ls-remote.
func (r *repo) list(ctx context.Context) error {
	began := r.src.cfg.Now()
	out, err := r.request(ctx, KindLsRemote, r.src.cfg.ListTimeout, "ls-remote", "--quiet", "--", r.remote.url)
	if err != nil {
		return err
	}
	refs, err := parseLsRemote(out, r.extras())
	if err != nil {
		return &wrapped{"list " + r.remote.shown(), err}
	}
	r.saw(refs, began)
	return nil
}

// saw keeps what a look that began at began has found, unless a later one has ended before.
func (r *repo) saw(refs *refTable, began time.Time) {
	due := began.Add(r.src.cfg.Interval + r.src.cfg.Jitter())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refs != nil && began.Before(r.seenAt) {
		return
	}
	if r.refs == nil {
		r.told = refs
	} else if len(movement(r.refs, refs)) > 0 {
		clear(r.absent)
		clear(r.short)
		r.src.wakePoll()
	}
	r.refs, r.seenAt, r.due, r.failed = refs, began, due, failure{}
}

// want remembers that target, a ref outside branches and tags, is to be listed. It reports whether that is new.
func (r *repo) want(target string) (bool, error) {
	if !strings.HasPrefix(target, "refs/") || strings.HasPrefix(target, headsPrefix) || strings.HasPrefix(target, tagsPrefix) {
		return false, nil
	}
	if !isRefName(target) {
		return false, fault.New(fault.Invalid, "revision %q is not the name of a ref", target)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.extra[target] {
		return false, nil
	}
	if len(r.extra) >= maxExtra {
		return false, fault.New(fault.Invalid, "more than %d refs outside branches and tags are wanted of %s", maxExtra, r.remote.shown())
	}
	r.extra[target] = true
	return true, nil
}

func (r *repo) extras() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.extra)
}

// isRefName applies the rules of git-check-ref-format to names that become part of a refspec.
func isRefName(s string) bool {
	if strings.ContainsAny(s, " ~^:?*[\\\x7f") || strings.Contains(s, "..") || strings.Contains(s, "@{") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return false
		}
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' })
}

// remembered returns the failure of the last request while it is too early for another. Someone who asks for news may
// have mended the cause, so for them only the shortest time counts; new credentials end it at once.
func (r *repo) remembered(fresh source.Freshness) error {
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	if failed.err == nil {
		return nil
	}
	wait := r.backoff(failed.times)
	if fresh == source.Fresh {
		wait = firstBackoff
	}
	if r.src.cfg.Now().Sub(failed.at) >= wait {
		return nil
	}
	if c, err := r.credentials(); err != nil || c.fingerprint() != failed.credentials {
		return nil // err is met and reported by the request itself
	}
	return failed.err
}

// backoff is how long to wait after that many failures in a row.
func (r *repo) backoff(times int) time.Duration {
	return min(firstBackoff<<min(max(times, 1)-1, 20), max(r.src.cfg.Interval, firstBackoff))
}

// credentials returns what the remote is reached with now. They never come from a project that the mirror is not for.
func (r *repo) credentials() (Credentials, error) {
	c, err := r.src.credentials(r.remote, r.asked, r.scope)
	if err == nil && c.Scope != r.scope {
		return Credentials{}, fault.New(fault.Denied, "the credentials of %s for project %s are no longer there", r.remote.shown(), r.scope)
	}
	return c, err
}

func (s *Source) credentials(rem remote, repoURL, project string) (Credentials, error) {
	if s.cfg.Credentials == nil {
		return Credentials{}, nil
	}
	c, err := s.cfg.Credentials.Credentials(repoURL, project)
	if err != nil {
		return Credentials{}, &wrapped{"find credentials of " + rem.shown(), err}
	}
	return c, nil
}

// request runs one git command against the remote, and remembers and reports how that went.
func (r *repo) request(ctx context.Context, kind string, limit time.Duration, args ...string) ([]byte, error) {
	s := r.src
	creds, err := r.credentials()
	if err != nil {
		return nil, err
	}
	began := s.cfg.Now()
	out, err := r.attempt(ctx, creds, limit, args)
	if fault.Is(s.errors.remoteError(action(kind), r.remote, err, limit), fault.Denied) && creds.Login != nil && creds.Login.Forget() {
		out, err = r.attempt(ctx, creds, limit, args)
	}
	if errors.Is(err, context.Canceled) || s.life.Ended() {
		return nil, err // nobody waits for it any more; that says nothing about the remote
	}
	ended := s.cfg.Now()
	err = s.errors.remoteError(action(kind), r.remote, err, limit)
	s.cfg.Observe(r.remote.shown(), kind, ended.Sub(began), err)
	if err != nil {
		r.fail(err, ended, creds)
	}
	return out, err
}

// attempt logs in and runs the command, again when locks of a process that was killed were in its way.
func (r *repo) attempt(ctx context.Context, creds Credentials, limit time.Duration, args []string) ([]byte, error) {
	ready, err := creds.loggedIn(ctx, r.remote)
	if err != nil {
		return nil, err
	}
	out, err := r.authorised(ctx, ready, limit, args)
	if r.src.errors.isLocked(err) && r.unlock() {
		out, err = r.authorised(ctx, ready, limit, args)
	}
	return out, err
}

func action(kind string) string {
	if kind == KindLsRemote {
		return "list"
	}
	return "fetch"
}

func (r *repo) fail(err error, at time.Time, creds Credentials) {
	if isAboutRevision(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = failure{err: err, at: at, times: r.failed.times + 1, credentials: creds.fingerprint()}
}

// authorised runs the command, and once more when it met a redirect that needs the other way to give a password.
func (r *repo) authorised(ctx context.Context, creds Credentials, limit time.Duration, args []string) ([]byte, error) {
	r.mu.Lock()
	mode := r.mode
	r.mu.Unlock()
	for {
		acc, err := newAccess(r.src.git.tmp, r.remote, creds, mode)
		if err != nil {
			return nil, err
		}
		out, err := r.src.git.remote(ctx, acc, limit, args...)
		acc.close()
		if err == nil || mode == authHelper || creds.BearerToken != "" || !r.src.errors.isRedirect(err) {
			return out, err
		}
		mode = authHelper
		r.mu.Lock()
		r.mode = mode
		r.mu.Unlock()
	}
}

// Refresh asks the remote of the repository that req names now, whatever is remembered, and reports whether any ref has moved
// since the last look; callers at the same moment share one request. It is the answer to a webhook: afterwards Cached
// resolves of the repository's applications in that project are current, and the new commits are in the mirror.
func (s *Source) Refresh(ctx context.Context, req source.Request) (bool, error) {
	r, err := s.repo(req.RepoURL, req.Project)
	if err != nil {
		return false, err
	}
	before := r.lastSeen()
	after, err := r.known(ctx, source.Fresh, "")
	if err != nil {
		return false, err
	}
	return before == nil || len(movement(before, after)) > 0, nil
}
