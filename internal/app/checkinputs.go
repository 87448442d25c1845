package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/commit"
	"github.com/belaycd/belay/internal/check/configfile"
	"github.com/belaycd/belay/internal/check/evidence"
	"github.com/belaycd/belay/internal/check/waive"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
)

// optionalCheckers are those that judge what is given besides the tree, with nothing given: for the names of their rules.
func optionalCheckers() []check.Checker {
	return []check.Checker{commit.New(nil, nil), evidence.New(nil, time.Time{}), waive.New(waive.Options{})}
}

// checkInputs are what was given besides the tree.
type checkInputs struct {
	commits *commit.Checker
	// images is nil unless there is evidence, or the settings ask for some.
	images *evidence.Checker
	waive  waive.Options
}

// openInputs reads what was given besides the tree.
func openInputs(ctx context.Context, w *work, opts cli.CheckOptions, files fs.FS, config check.Config) (*checkInputs, error) {
	in := &checkInputs{waive: waive.Options{Now: opts.Now, Partial: len(w.paths) > 0 || opts.Base != ""}}
	var commits []commit.Commit
	var err error
	if opts.Commits != "" {
		if commits, err = readCommits(ctx, w.root, opts.Commits); err != nil {
			return nil, err
		}
	}
	in.commits = commit.New(commits, opts.Title)
	if opts.Baseline != "" {
		data, err := os.ReadFile(opts.Baseline)
		if err != nil {
			return nil, fault.New(fault.NotFound, "read the baseline: %w; --write-baseline %s makes one", err, opts.Baseline)
		}
		if in.waive.Baseline, err = waive.ParseBaseline(opts.Baseline, data); err != nil {
			return nil, err
		}
	}
	scans, err := readEvidence(opts.Evidence, files, config.Evidence)
	if err != nil {
		return nil, err
	}
	if len(scans) > 0 || config.Evidence.Required {
		in.images = evidence.New(scans, opts.Now)
	}
	return in, nil
}

// with returns the checkers of a revision that is to be merged: those of its tree, and those of what was given besides.
func (in *checkInputs) with(judges []check.Checker) []check.Checker {
	return append(in.base(judges), in.commits)
}

// base returns the checkers of the base revision: messages of commits are no part of it.
func (in *checkInputs) base(judges []check.Checker) []check.Checker {
	out := slices.Clone(judges)
	if in.images != nil {
		out = append(out, in.images)
	}
	options := in.waive
	for _, c := range slices.Concat(judges, optionalCheckers()) {
		options.Rules = append(options.Rules, c.Rules()...)
	}
	return append(out, waive.New(options))
}

// baseConfig reads the settings that the base revision has: exceptions from rules that cannot be waived are only those that count
// there already. A file from outside of the repository is not of the change, and holds for both. Settings that cannot be read are none:
// the change may be what mends them, and it gets no exception that way.
func baseConfig(root string, files fs.FS, opts cli.CheckOptions, head check.Config) check.Config {
	name := check.ConfigFile
	if opts.Config != "" {
		at, err := filepath.Abs(opts.Config)
		if real, lerr := filepath.EvalSymlinks(at); lerr == nil {
			at = real
		}
		rel, rerr := filepath.Rel(root, at)
		if err != nil || rerr != nil || !filepath.IsLocal(rel) {
			return head
		}
		name = filepath.ToSlash(rel)
	}
	var config check.Config
	if data, err := fs.ReadFile(files, name); err == nil {
		if config, err = configfile.Parse(name, data, nil); err != nil {
			config = check.Config{}
		}
	}
	config.Profile = cmp.Or(opts.Profile, config.Profile)
	if len(opts.KubeVersions) > 0 {
		config.KubeVersions = opts.KubeVersions
	}
	return config
}

// readEvidence reads the reports that were named, and those of the repository that the settings name.
func readEvidence(named []string, files fs.FS, config check.EvidenceConfig) (scans []evidence.Scan, err error) {
	add := func(name string, data []byte, err error) error {
		if err != nil {
			return fault.New(fault.NotFound, "read evidence: %w", err)
		}
		more, err := evidence.Read(name, data)
		scans = append(scans, more...)
		return err
	}
	for _, name := range named {
		data, err := os.ReadFile(name)
		if err := add(name, data, err); err != nil {
			return nil, err
		}
	}
	if len(config.Files) == 0 {
		return scans, nil
	}
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if d.IsDir() || !slices.ContainsFunc(config.Files, func(g check.Glob) bool { return g.Match(name) }) {
			return nil
		}
		data, err := fs.ReadFile(files, name)
		return add(name, data, err)
	})
	return scans, err
}

// Bounds of a question to git.
const (
	commitsTime = time.Minute
	maxCommits  = 10000
)

// readCommits asks git for the messages of a range.
func readCommits(ctx context.Context, dir, revisions string) ([]commit.Commit, error) {
	if strings.HasPrefix(revisions, "-") {
		return nil, fault.New(fault.Invalid, "read commits: %q is no range of commits such as origin/main..HEAD", revisions)
	}
	ctx, cancel := context.WithTimeout(ctx, commitsTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "-C", dir, "-c", "log.showSignature=false", "log", "-z", "--no-color", "--no-decorate", "--encoding=UTF-8",
		"--format=%h%x1f%P%x1f%B", fmt.Sprintf("--max-count=%d", maxCommits+1), "--end-of-options", revisions, "--")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fault.New(fault.Invalid, "read commits: the program git is not installed")
	case err != nil:
		line, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return nil, fault.New(fault.Invalid, "read the commits %s: %s; a shallow clone may lack them", revisions, line)
	}
	var commits []commit.Commit
	for record := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if record == "" {
			continue
		}
		parts := strings.SplitN(record, "\x1f", 3)
		if len(parts) != 3 {
			return nil, fault.New(fault.Internal, "read the commits %s: git wrote %d fields", revisions, len(parts))
		}
		commits = append(commits, commit.Commit{ID: parts[0], Merge: strings.Contains(parts[1], " "), Message: parts[2]})
	}
	if len(commits) > maxCommits {
		return nil, fault.New(fault.Invalid, "read the commits %s: there are more than %d; name a shorter range", revisions, maxCommits)
	}
	return commits, nil
}

// writeBaseline writes what was found to a file that --baseline reads; an empty name is none.
func writeBaseline(name string, report *check.Report, repo *check.Repository) error {
	if name == "" {
		return nil
	}
	data, err := waive.WriteBaseline(report, repo)
	if err == nil {
		err = os.WriteFile(name, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}
