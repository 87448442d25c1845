package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/preview"
)

// Preview implements cli.PreviewFunc.
func Preview(ctx context.Context, opts cli.PreviewOptions) (preview.Input, error) {
	var in preview.Input
	root := cmp.Or(opts.Root, ".")
	w, err := openWork(ctx, root, nil)
	if err != nil {
		return in, err
	}
	defer w.close()
	files, err := w.files(ctx)
	if err != nil {
		return in, err
	}
	var base *discover.Base
	if opts.Base != "" {
		if base, err = w.base(ctx, opts.Base, files); err != nil {
			return in, err
		}
		in.BaseName = fmt.Sprintf("%s (%s)", opts.Base, base.Revision.Short())
	}
	var judged cli.CheckOptions
	if opts.KubeVersion != "" {
		judged.KubeVersions = []string{opts.KubeVersion}
	}
	load := func() (*check.Repository, error) { return w.load(ctx, files, base, judged, check.Config{}) }
	if in.Head, err = load(); err != nil {
		return in, err
	}
	in.HeadName = headName(ctx, root)
	in.Key = make([]byte, 32)
	if _, err := rand.Read(in.Key); err != nil {
		return in, fmt.Errorf("make the key that masks secrets: %w", err)
	}
	if base == nil {
		return in, nil
	}
	if varies(in.Head, in.Head.Base) {
		// Once more, to find out what is another value in every render.
		if in.Again, err = load(); err != nil {
			return in, err
		}
	}
	in.Refused, err = refusals(ctx, in.Head)
	return in, err
}

// varies reports whether a unit of head may be another one in every render, though its files are the same: a chart whose objects
// are not as in base, since templates alone can make random values.
func varies(head, base *check.Repository) bool {
	return slices.ContainsFunc(head.Units, func(u *check.Unit) bool {
		chart := u.Values != nil || slices.ContainsFunc(u.Reads, func(name string) bool { return path.Base(name) == "Chart.yaml" })
		return chart && !u.Unchanged && differs(u, base.Unit(u.Name))
	})
}

// differs reports whether a unit is not as it was.
func differs(u, old *check.Unit) bool {
	return old == nil || len(old.Objects) != len(u.Objects) || slices.ContainsFunc(u.Objects, func(o *check.Object) bool {
		b := old.Find(o.Ref)
		return b == nil || !reflect.DeepEqual(b.Object, o.Object)
	})
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
