package app

import (
	"context"
	"runtime"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/check/locate"
	"github.com/belaycd/belay/internal/check/workload"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

// checkers are all that judge a repository.
func checkers() []check.Checker {
	return []check.Checker{discover.Checker{}, workload.New()}
}

// Rules are the rules of all of them, for the documentation.
func Rules() (out []check.Rule) {
	for _, c := range checkers() {
		out = append(out, c.Rules()...)
	}
	return out
}

// Check implements cli.CheckFunc.
func Check(ctx context.Context, opts cli.CheckOptions) (*check.Report, error) {
	if opts.Root == "" {
		opts.Root = "."
	}
	dir, err := local.Open(opts.Root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	snapshot, err := dir.Snapshot(ctx, source.Request{}, local.Revision)
	if err != nil {
		return nil, err
	}
	repo, err := discover.Load(ctx, snapshot.FS(), discover.Options{
		Renderer: newRenderer(runtime.GOMAXPROCS(0), nil, nil), Revision: snapshot.Revision(), Paths: opts.Paths, Config: check.Config{Profile: opts.Profile},
	})
	if err != nil {
		return nil, err
	}
	return check.Judge(ctx, repo, locate.New(snapshot.FS()), checkers()...)
}
