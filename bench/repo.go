package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const branch = "main"

// repo is a working copy whose pushes the system under test sees.
type repo struct {
	dir string
	env []string
}

// newRepo makes a working copy in dir with the workload as its first commit and pushes it to remote.
func newRepo(ctx context.Context, dir, remote string, w workload) (*repo, error) {
	r := &repo{dir: dir, env: append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Bench", "GIT_AUTHOR_EMAIL=bench@example.invalid",
		"GIT_COMMITTER_NAME=Bench", "GIT_COMMITTER_EMAIL=bench@example.invalid")}
	if err := w.write(dir); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"init", "-q", "-b", branch}, {"remote", "add", "origin", remote}} {
		if _, err := r.git(ctx, args...); err != nil {
			return nil, err
		}
	}
	if _, err := r.push(ctx, "begin"); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *repo) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// change writes one file, pushes and returns the new commit.
func (r *repo) change(ctx context.Context, path, content string) (string, error) {
	if err := writeFile(filepath.Join(r.dir, path), content); err != nil {
		return "", err
	}
	return r.push(ctx, "change "+path)
}

func (r *repo) push(ctx context.Context, message string) (string, error) {
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", message}, {"push", "-q", "-f", "origin", branch}} {
		if _, err := r.git(ctx, args...); err != nil {
			return "", err
		}
	}
	return r.git(ctx, "rev-parse", "HEAD")
}
