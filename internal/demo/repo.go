package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/examples/callcenter"
	"github.com/belaycd/belay/internal/gitserver"
)

const (
	repoName = "callcenter"
	// integration is the branch that a clone checks out: work begins there and travels to staging and main.
	integration = "develop"
	gitTimeout  = 30 * time.Second
)

func branches() []string { return []string{"develop", "staging", "main"} }

// repository is the example's Git repository behind a server on loopback, which tells hook of every push.
type repository struct {
	url    string
	git    git
	server *http.Server

	mu   sync.Mutex
	refs map[string]string // branch -> commit, as announced last
	hook *hook
	told func(push, error)
}

// push is one branch that moved.
type push struct {
	Branch, Before, After string
	Commits               []commit
	At                    time.Time
}

type commit struct {
	ID, Author, Email, When, Subject string
	Added, Modified, Removed         []string
}

// git runs the git program in a bare repository.
type git struct {
	dir string
	env []string
}

// publish creates the repository below dir and serves it.
func publish(ctx context.Context, dir string, env []string) (*repository, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the repository: %w", err)
	}
	r := &repository{
		url: fmt.Sprintf("http://%s/%s.git", ln.Addr(), repoName),
		git: git{dir: filepath.Join(dir, repoName+".git"), env: env},
	}
	if err := r.fill(ctx, filepath.Join(dir, "seed")); err != nil {
		_ = ln.Close() // nothing was accepted
		return nil, fmt.Errorf("publish the example repository: %w", err)
	}
	r.server = &http.Server{
		Handler:           gitserver.New(gitserver.Config{Dir: dir, Env: env, PostReceive: func(string) { go r.received() }}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = r.server.Serve(ln) }() // it ends with close
	return r, nil
}

// fill writes the example, with the repository's address in it, to every branch.
func (r *repository) fill(ctx context.Context, seed string) error {
	if err := os.MkdirAll(r.git.dir, 0o755); err != nil {
		return err
	}
	work := git{dir: seed, env: r.git.env}
	if err := writeExample(seed, r.url); err != nil {
		return err
	}
	if _, err := r.git.run(ctx, "init", "--quiet", "--bare", "."); err != nil {
		return err
	}
	if _, err := r.git.run(ctx, "symbolic-ref", "HEAD", "refs/heads/"+integration); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "."}, {"add", "--all"},
		{"-c", "user.name=CallCenter AI", "-c", "user.email=team@example.com", "commit", "--quiet", "--message", "feat: platform in three environments"},
	} {
		if _, err := work.run(ctx, args...); err != nil {
			return err
		}
	}
	for _, b := range branches() {
		if _, err := work.run(ctx, "push", "--quiet", r.git.dir, "HEAD:refs/heads/"+b); err != nil {
			return err
		}
	}
	var err error
	if r.refs, err = r.git.heads(ctx); err != nil {
		return err
	}
	return os.RemoveAll(seed)
}

// writeExample writes the example's files below dir.
func writeExample(dir, url string) error {
	return fs.WalkDir(callcenter.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := callcenter.Files.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, "argocd/") {
			data = bytes.ReplaceAll(data, []byte(callcenter.RepoURL), []byte(url))
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// announce makes every push from now on reach h, and told be called with the outcome.
func (r *repository) announce(h *hook, told func(push, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook, r.told = h, told
}

// received finds the branches that moved since the last push and tells of each.
func (r *repository) received() {
	at := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), gitTimeout)
	defer cancel()
	now, err := r.git.heads(ctx)
	if err != nil || r.hook == nil {
		return // the next push finds what this one missed, and the poll finds all
	}
	before := r.refs
	r.refs = now
	names := slices.Sorted(maps.Keys(now))
	for b := range before {
		if _, ok := now[b]; !ok {
			names = append(names, b)
		}
	}
	for _, b := range names {
		if before[b] == now[b] {
			continue
		}
		p := push{Branch: b, Before: before[b], After: now[b], At: at}
		p.Commits = r.git.between(ctx, p.Before, p.After)
		r.told(p, r.hook.send(ctx, r.url, p))
	}
}

func (r *repository) close() error {
	if err := r.server.Close(); err != nil {
		return fmt.Errorf("stop the Git server: %w", err)
	}
	return nil
}

func (g git) run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	// The user's own settings (hooks, signing, line ends) do not belong into the example.
	cmd.Env = slices.Concat(g.env, []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"})
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (g git) heads(ctx context.Context) (map[string]string, error) {
	out, err := g.run(ctx, "for-each-ref", "--format=%(objectname) %(refname:strip=2)", "refs/heads")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		if id, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			refs[name] = id
		}
	}
	return refs, nil
}

// maxCommits is how many commits a notification lists, as GitHub has it.
const maxCommits = 20

// between lists the commits of a push, oldest first. A branch that is new or was forced lists its last one.
func (g git) between(ctx context.Context, before, after string) []commit {
	if after == "" {
		return nil
	}
	revisions := []string{"--max-count=1", after}
	if before != "" {
		revisions = []string{fmt.Sprintf("--max-count=%d", maxCommits), before + ".." + after}
	}
	args := append([]string{"log", "--reverse", "--no-renames", "--name-status", "--format=%x00%H%x01%an%x01%ae%x01%aI%x01%s"}, revisions...)
	out, err := g.run(ctx, args...)
	if err != nil {
		return nil // a notification without commits is complete enough
	}
	var list []commit
	for entry := range strings.SplitSeq(out, "\x00") {
		if c, ok := parseCommit(entry); ok {
			list = append(list, c)
		}
	}
	return list
}

func parseCommit(entry string) (commit, bool) {
	head, files, _ := strings.Cut(strings.TrimSpace(entry), "\n")
	parts := strings.Split(head, "\x01")
	if len(parts) != 5 {
		return commit{}, false
	}
	c := commit{ID: parts[0], Author: parts[1], Email: parts[2], When: parts[3], Subject: parts[4]}
	for line := range strings.Lines(files) {
		kind, name, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok {
			continue
		}
		switch kind {
		case "A":
			c.Added = append(c.Added, name)
		case "D":
			c.Removed = append(c.Removed, name)
		default:
			c.Modified = append(c.Modified, name)
		}
	}
	return c, true
}

// checkGit says in time that git is missing or too old.
func checkGit(ctx context.Context, env []string) (version string, err error) {
	out, err := git{env: env}.run(ctx, "version")
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("git is not installed: install git 2.31 or newer and run this again")
		}
		return "", err
	}
	version = strings.TrimPrefix(out, "git version ")
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return "", fmt.Errorf("read the version of git: %q", out)
	}
	// GIT_CONFIG_COUNT, which the repository's server and Belay set git up with, is younger than many installed gits.
	if major < 2 || major == 2 && minor < 31 {
		return "", fmt.Errorf("git %s is too old: install git 2.31 or newer and run this again", version)
	}
	return version, nil
}
