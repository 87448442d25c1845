package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"reflect"
	"runtime"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/preview"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

// Preview implements cli.PreviewFunc.
func Preview(ctx context.Context, opts cli.PreviewOptions) (preview.Input, error) {
	var in preview.Input
	root := cmp.Or(opts.Root, ".")
	dir, err := local.Open(root)
	if err != nil {
		return in, err
	}
	defer dir.Close()
	snapshot, err := dir.Snapshot(ctx, source.Request{}, local.Revision)
	if err != nil {
		return in, err
	}
	// Each with a renderer of its own: one that answers from what it kept reads no files, and what is not read would count as a unit.
	load := func(files source.FS) (*check.Repository, error) {
		return discover.Load(ctx, files, nil, discover.Options{Renderer: newRenderer(runtime.GOMAXPROCS(0), nil, nil), Revision: local.Revision, KubeVersion: opts.KubeVersion})
	}
	if in.Head, err = load(snapshot.FS()); err != nil {
		return in, err
	}
	in.HeadName = headName(ctx, root)
	in.Key = make([]byte, 32)
	if _, err := rand.Read(in.Key); err != nil {
		return in, fmt.Errorf("make the key that masks secrets: %w", err)
	}
	if opts.Base == "" {
		return in, nil
	}
	files, revision, err := baseTree(ctx, root, opts.Base)
	if err != nil {
		return in, err
	}
	in.BaseName = fmt.Sprintf("%s (%s)", opts.Base, source.Revision(revision).Short())
	if in.Head.Base, err = load(files); err != nil {
		return in, err
	}
	if differs(in.Head, in.Head.Base) {
		// Once more, to find out what is another value in every render.
		if in.Again, err = load(snapshot.FS()); err != nil {
			return in, err
		}
	}
	in.Refused, err = refusals(ctx, in.Head)
	return in, err
}

// differs reports whether any unit of head is not as in base.
func differs(head, base *check.Repository) bool {
	for _, u := range head.Units {
		old := base.Unit(u.Name)
		if old == nil || len(old.Objects) != len(u.Objects) {
			return true
		}
		for _, o := range u.Objects {
			if b := old.Find(o.Ref); b == nil || !reflect.DeepEqual(b.Object, o.Object) {
				return true
			}
		}
	}
	return len(head.Units) != len(base.Units)
}

// ruleImmutable is the rule of the checker that asks what the API server would say to an update.
const ruleImmutable = "update-immutable"

// refusals asks that checker; nil if this program has none.
func refusals(ctx context.Context, repo *check.Repository) (func(*check.Object) []string, error) {
	said := map[*check.Object][]string{}
	asked := false
	for _, c := range checkers() {
		knows := false
		for _, r := range c.Rules() {
			knows = knows || r.ID == ruleImmutable
		}
		if !knows {
			continue
		}
		asked = true
		findings, err := check.Findings(ctx, repo, c)
		if err != nil {
			return nil, err
		}
		for _, f := range findings {
			if f.Rule == ruleImmutable && f.Object != nil {
				said[f.Object] = append(said[f.Object], f.Message)
			}
		}
	}
	if !asked {
		return nil, nil
	}
	return func(o *check.Object) []string { return said[o] }, nil
}

// baseLimits bound a repository in memory.
func baseLimits() source.ArchiveLimits { return source.ArchiveLimits{Bytes: 1 << 30, Files: 500_000} }

// baseTree reads the files below the directory root as they were where HEAD left the revision base, or in base itself where both
// have no history in common here.
func baseTree(ctx context.Context, root, base string) (source.FS, string, error) {
	if strings.HasPrefix(base, "-") {
		return nil, "", fault.New(fault.Invalid, "%q is no revision", base)
	}
	commit, err := gitOutput(ctx, root, "rev-parse", "--verify", "--quiet", "--end-of-options", base+"^{commit}")
	if err != nil {
		return nil, "", fault.New(fault.NotFound, "revision %s is not in this clone (%w): fetch it, in a pipeline with the whole history (fetch-depth: 0)", base, err)
	}
	revision := strings.TrimSpace(string(commit))
	if fork, err := gitOutput(ctx, root, "merge-base", revision, "HEAD"); err == nil {
		revision = strings.TrimSpace(string(fork))
	}
	data, err := gitOutput(ctx, root, "archive", "--format=tar", revision)
	if err != nil {
		return nil, "", fmt.Errorf("read revision %s: %w", base, err)
	}
	tree, err := source.ReadArchive(bytes.NewReader(data), baseLimits())
	if err != nil {
		return nil, "", fmt.Errorf("read revision %s: %w", base, err)
	}
	return tree, revision, nil
}

// headName is the commit of the working copy, for people.
func headName(ctx context.Context, root string) string {
	commit, err := gitOutput(ctx, root, "rev-parse", "--short", "HEAD")
	if err != nil {
		return "working copy"
	}
	name := strings.TrimSpace(string(commit))
	if changed, err := gitOutput(ctx, root, "status", "--porcelain", "--", "."); err != nil || len(changed) > 0 {
		name += " and what is not committed"
	}
	return name
}

func gitOutput(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("git %s: %s", args[0], cmp.Or(strings.TrimSpace(errs.String()), err.Error()))
	}
	return out.Bytes(), nil
}
