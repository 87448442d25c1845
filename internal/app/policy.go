package app

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/configfile"
	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/policy"
	"github.com/belaycd/belay/internal/cli"
)

// Policies implements cli.PolicyEngine.
type Policies struct{}

// Test implements cli.PolicyEngine.
func (Policies) Test(ctx context.Context, opts cli.PolicyOptions) (*cli.PolicyTests, error) {
	in, err := policyOptions(opts)
	if err != nil {
		return nil, err
	}
	tests, err := policy.Test(ctx, admit.Server{}, in)
	if err != nil {
		return nil, err
	}
	out := &cli.PolicyTests{Flaws: policyFlaws(tests.Flaws), Untested: tests.Untested}
	for _, o := range tests.Outcomes {
		out.Outcomes = append(out.Outcomes, cli.PolicyOutcome(o))
	}
	return out, nil
}

// Lint implements cli.PolicyEngine.
func (Policies) Lint(ctx context.Context, opts cli.PolicyOptions) ([]cli.PolicyFlaw, error) {
	in, err := policyOptions(opts)
	if err != nil {
		return nil, err
	}
	flaws, err := policy.Lint(ctx, admit.Server{}, in)
	return policyFlaws(flaws), err
}

func policyFlaws(flaws []policy.Flaw) (out []cli.PolicyFlaw) {
	for _, f := range flaws {
		out = append(out, cli.PolicyFlaw(f))
	}
	return out
}

// policyOptions finds the policies: those that the settings of a repository name, else its directory of policies, else the path.
func policyOptions(opts cli.PolicyOptions) (policy.Options, error) {
	root := opts.Path
	if root == "" {
		root = "."
	}
	out := policy.Options{KubeVersion: opts.KubeVersion}
	info, err := os.Stat(root)
	if err != nil {
		return out, fmt.Errorf("read policies: %w", err)
	}
	if !info.IsDir() {
		out.Files, out.Paths = os.DirFS(filepath.Dir(root)), []string{filepath.Base(root)}
		return out, nil
	}
	out.Files = os.DirFS(root)
	var rules []check.Rule
	for _, c := range checkers() {
		rules = append(rules, c.Rules()...)
	}
	settings, err := configfile.Read(out.Files, rules)
	if err != nil {
		return out, fmt.Errorf("read the settings: %w", err)
	}
	if out.KubeVersion == "" && len(settings.KubeVersions) > 0 {
		out.KubeVersion = settings.KubeVersions[0]
	}
	out.Paths = settings.Policies
	if _, err := fs.Stat(out.Files, policy.Dir); len(out.Paths) == 0 && err != nil {
		out.Paths = []string{"."}
	}
	return out, nil
}
