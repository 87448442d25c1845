package app

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/configfile"
	"github.com/belaycd/belay/internal/check/convention"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/check/gitops"
	"github.com/belaycd/belay/internal/check/locate"
	"github.com/belaycd/belay/internal/check/native"
	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/network"
	"github.com/belaycd/belay/internal/check/permission"
	"github.com/belaycd/belay/internal/check/policy"
	"github.com/belaycd/belay/internal/check/schema"
	"github.com/belaycd/belay/internal/check/secret"
	"github.com/belaycd/belay/internal/check/workload"
	"github.com/belaycd/belay/internal/cli"
)

// checkers are all that judge a repository.
func checkers() []check.Checker {
	return []check.Checker{
		discover.Checker{},
		gitops.New(),
		native.New(),
		schema.New(),
		workload.New(),
		permission.Checker{},
		network.Checker{},
		convention.Checker{},
		secret.New(),
		policy.New(admit.Server{}),
	}
}

// Rules are the rules of all of them and of what is judged when it is given, for the documentation.
func Rules() (out []check.Rule) {
	for _, c := range append(checkers(), optionalCheckers()...) {
		out = append(out, c.Rules()...)
	}
	return out
}

// Check implements cli.CheckFunc.
func Check(ctx context.Context, opts cli.CheckOptions) (*check.Report, error) {
	w, err := openWork(ctx, cmp.Or(opts.Root, "."), opts.Paths)
	if err != nil {
		return nil, err
	}
	defer w.close()
	files, err := w.files(ctx)
	if err != nil {
		return nil, err
	}
	judges := checkers()
	config, err := checkConfig(files, opts, append(judges, optionalCheckers()...))
	if err != nil {
		return nil, err
	}
	given, err := openInputs(ctx, w, opts, files, config)
	if err != nil {
		return nil, err
	}
	var base *discover.Base
	if opts.Base != "" {
		if base, err = w.base(ctx, opts.Base, files); err != nil {
			return nil, err
		}
		base.Config = baseConfig(w.root, base.Files, opts, config)
	}
	repo, err := w.load(ctx, files, base, opts, config)
	if err != nil {
		return nil, err
	}
	report, err := judgeNew(ctx, repo, given, judges)
	if err != nil {
		return nil, err
	}
	report.Root = w.place()
	return report, writeBaseline(opts.WriteBaseline, report, repo)
}

// judgeNew judges a repository; with a base, what is new against it.
func judgeNew(ctx context.Context, repo *check.Repository, given *checkInputs, judges []check.Checker) (*check.Report, error) {
	report, err := check.Judge(ctx, repo, locate.New(repo.Files), given.with(judges)...)
	if err != nil || repo.Base == nil {
		return report, err
	}
	before, err := check.Judge(ctx, repo.Base, nil, given.base(judges)...)
	if err != nil {
		return nil, err
	}
	return report.NewAgainst(before), nil
}

// checkConfig reads the settings: a file that was named, or that of the repository. Flags count more.
func checkConfig(files fs.FS, opts cli.CheckOptions, judges []check.Checker) (config check.Config, err error) {
	rules := []check.Rule{}
	for _, c := range judges {
		rules = append(rules, c.Rules()...)
	}
	if opts.Config == "" {
		config, err = configfile.Read(files, rules)
	} else {
		var data []byte
		if data, err = os.ReadFile(opts.Config); err == nil {
			config, err = configfile.Parse(opts.Config, data, rules)
		}
	}
	if err != nil {
		return config, fmt.Errorf("read the settings: %w", err)
	}
	config.Profile = cmp.Or(opts.Profile, config.Profile)
	if len(opts.KubeVersions) > 0 {
		config.KubeVersions = opts.KubeVersions
	}
	return config, nil
}
