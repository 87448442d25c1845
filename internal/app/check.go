package app

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/configfile"
	"github.com/belaycd/belay/internal/check/convention"
	"github.com/belaycd/belay/internal/check/discover"
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
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

// checkers are all that judge a repository.
func checkers() []check.Checker {
	return []check.Checker{
		discover.Checker{},
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
	judges := checkers()
	config, err := checkConfig(snapshot.FS(), opts, append(judges, optionalCheckers()...))
	if err != nil {
		return nil, err
	}
	given, err := openInputs(ctx, opts, snapshot.FS(), config)
	if err != nil {
		return nil, err
	}
	repo, err := discover.Load(ctx, snapshot.FS(), nil, discover.Options{
		Renderer: newRenderer(runtime.GOMAXPROCS(0), nil, nil), Revision: snapshot.Revision(), Paths: opts.Paths, Config: config,
	})
	if err != nil {
		return nil, err
	}
	report, err := check.Judge(ctx, repo, locate.New(snapshot.FS()), given.with(judges)...)
	if err != nil {
		return nil, err
	}
	return report, writeBaseline(opts.WriteBaseline, report, repo)
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
