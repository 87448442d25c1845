package git

import (
	"context"
	"path"
	"strings"
	"sync"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// maxNesting bounds submodules in submodules. A ring of them cannot be: no commit contains its own name.
	maxNesting = 8
	// maxModules bounds the submodules that are read for one snapshot.
	maxModules = 200
)

// module is one commit in its place: that of the snapshot itself, or that of a submodule in it.
type module struct {
	repo   *repo
	root   oid
	depth  int
	lfs    bool // pointers of Git LFS are followed
	listed sync.Once
	urls   map[string]string // of submodules, by path
	err    error
}

// submodules returns the addresses of .gitmodules.
func (m *module) submodules() (map[string]string, error) {
	m.listed.Do(func() {
		t, err := m.repo.tree(m.root)
		if err != nil {
			m.err = err
			return
		}
		e, ok := t.find(gitmodulesName)
		if !ok || !e.mode.is(fileMode) {
			return
		}
		b, err := m.repo.blob(e.id)
		switch {
		case err != nil:
			m.err = err
		case b.size > maxGitmodules:
			m.err = fault.New(fault.Invalid, "%s is larger than %d bytes", gitmodulesName, maxGitmodules)
		default:
			m.urls, m.err = parseGitmodules(b.data)
		}
	})
	return m.urls, m.err
}

// gitlink is where a submodule stands.
type gitlink struct {
	in   *module
	path string // from the root of in
}

// enter returns the root directory of the submodule e; another directory is returned as it is. The remote of a submodule is
// asked only here, when something below it is read.
func (f *fsys) enter(e entry) (entry, error) {
	if !e.mode.is(gitlinkMode) {
		return e, nil
	}
	at := gitlink{e.in, e.path}
	f.mu.Lock()
	m, n := f.modules[at], len(f.modules)
	f.mu.Unlock()
	if m == nil {
		var err error
		if n >= maxModules {
			err = fault.New(fault.Invalid, "the repository has more than %d submodules", maxModules)
		} else {
			m, err = f.open(e)
		}
		if err != nil {
			kind := fault.KindOf(err)
			if kind == fault.NotFound {
				kind = fault.Invalid // who may leave out a file that does not exist must not leave out this one
			}
			return entry{}, fault.New(kind, "submodule %s: %w", e.path, err)
		}
		f.mu.Lock()
		if f.modules == nil {
			f.modules = map[gitlink]*module{}
		}
		f.modules[at] = m
		f.mu.Unlock()
	}
	return entry{mode: dirMode, id: m.root, in: m}, nil
}

// open gets the commit that e names from the repository that .gitmodules names.
func (f *fsys) open(e entry) (*module, error) {
	parent := e.in
	if parent.depth >= maxNesting {
		return nil, fault.New(fault.Invalid, "submodules are nested more than %d deep", maxNesting)
	}
	urls, err := parent.submodules()
	if err != nil {
		return nil, err
	}
	url, ok := urls[e.path]
	if !ok {
		return nil, fault.New(fault.Invalid, "%s says nothing of it; add its url there or remove it", gitmodulesName)
	}
	r, err := parent.repo.submodule(url, f.project)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.src.life.Context(), r.src.cfg.FetchTimeout)
	defer cancel()
	c, err := r.ensure(ctx, e.id)
	if err != nil {
		return nil, err
	}
	creds, err := r.credentials()
	return &module{repo: r, root: c.tree, depth: parent.depth + 1, lfs: creds.LFS}, err
}

// submodule returns the repository at url, as .gitmodules in a commit of r has it, for applications of project.
//
// Who may commit to r decides about url, so that it must give them nothing of what others may read: credentials are
// those that are configured for url, and only if they are also those of r or limited to the project.
func (r *repo) submodule(url, project string) (*repo, error) {
	url, err := relativeTo(r.remote.url, strings.TrimSpace(url))
	if err != nil {
		return nil, err
	}
	rem, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if rem.scheme == "file" && r.remote.scheme != "file" {
		return nil, fault.New(fault.Denied, "%s is on the local machine; that is refused for a submodule of %s", rem.shown(), r.remote.shown())
	}
	creds, err := r.src.credentials(rem, url, project)
	if err != nil {
		return nil, err
	}
	own, err := r.credentials()
	if err != nil {
		return nil, err
	}
	if !creds.public() && !creds.sameLogin(own) && creds.Scope == "" {
		return nil, fault.New(fault.Denied, "the Secret for %s is another one than that for %s; use one of type repo-creds for both, or set the key "+
			"project in that of the submodule", rem.shown(), r.remote.shown())
	}
	return r.src.repo(url, project)
}

// relativeTo resolves url, if it begins with ./ or ../, against the address of the repository that it stands in.
func relativeTo(base, url string) (string, error) {
	if !strings.HasPrefix(url, "./") && !strings.HasPrefix(url, "../") {
		return url, nil
	}
	prefix, at := "", base
	if i := strings.Index(base, "://"); i >= 0 {
		slash := strings.IndexByte(base[i+3:], '/')
		if slash < 0 {
			return "", fault.New(fault.Invalid, "%s has no path that %s could be relative to", Redact(base), url)
		}
		prefix, at = base[:i+3+slash], base[i+3+slash:]
	} else if host, p, ok := splitSCP(base); ok {
		prefix, at = host+":", p
	}
	lead := ""
	if strings.HasPrefix(at, "/") {
		lead = "/"
	}
	joined := path.Join(strings.Trim(at, "/"), url)
	if joined == "." || joined == ".." || strings.HasPrefix(joined, "../") {
		return "", fault.New(fault.Invalid, "%s leads out of %s", url, Redact(base))
	}
	return prefix + lead + joined, nil
}

// public reports whether there is nothing to authenticate with.
func (c Credentials) public() bool { return c.sameLogin(Credentials{}) }

// sameLogin reports whether two credentials authenticate as the same.
func (c Credentials) sameLogin(o Credentials) bool {
	return c.Username == o.Username && c.Password == o.Password && c.BearerToken == o.BearerToken && c.loginID() == o.loginID() &&
		string(c.SSHPrivateKey) == string(o.SSHPrivateKey) && string(c.TLSClientKey) == string(o.TLSClientKey)
}
