package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/check"
)

// PolicyOptions say which policies are tested or linted.
type PolicyOptions struct {
	// Path is the root of a repository, a directory with policies, or a file with cases.
	Path string
	// KubeVersion is the version of the cluster; empty means that of the repository's settings, or the newest.
	KubeVersion string
}

// PolicyOutcome is what came of a case.
type PolicyOutcome struct {
	File, Case string
	// Want and Got are allow, deny, warn, audit, or why that could not be told.
	Want, Got string
	Passed    bool
	// Said are the messages of the policies.
	Said []string
}

// PolicyFlaw is something wrong with a policy.
type PolicyFlaw struct {
	Place    check.Place
	Severity check.Severity
	Text     string
}

// PolicyTests is the result of all cases.
type PolicyTests struct {
	Outcomes []PolicyOutcome
	Flaws    []PolicyFlaw
	// Untested are policies that no case is about.
	Untested []string
}

// PolicyEngine tests and lints policies.
type PolicyEngine interface {
	Test(ctx context.Context, opts PolicyOptions) (*PolicyTests, error)
	Lint(ctx context.Context, opts PolicyOptions) ([]PolicyFlaw, error)
}

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Test and lint the team's own policies, without a cluster",
		Long: `Test and lint the team's own policies, without a cluster. Policies are Kubernetes' ValidatingAdmissionPolicy objects. "belay check"
judges a repository by those in .belay/policies and by those that the repository deploys.`,
		Example: `  # run the cases that stand beside the policies of this repository
  belay policy test

  # find what does not compile, or does not fit the schemas
  belay policy lint`,
		Args: c.noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.policyTestCommand(), c.policyLintCommand())
	return cmd
}

func (c *cli) policyTestCommand() *cobra.Command {
	var opts PolicyOptions
	cmd := &cobra.Command{
		Use:   "test [PATH]",
		Short: "Run the cases that stand beside policies",
		Long: `Run the cases that stand beside policies, in files whose names end in _test.yaml. PATH is the root of a repository, a directory with
policies, or one file with cases. Policies are evaluated by the API server's own code.

Exit code 0 says that all cases passed, 1 that one failed or a policy does not work, 2 that there was nothing to run or that it could not
be read.`,
		Example: `  # the policies of this repository
  belay policy test

  # one file of cases, as a cluster of version 1.34 would judge them
  belay policy test .belay/policies/team-label_test.yaml --kube-version 1.34

  # a file of cases
  cases:
  - name: a Deployment without the label team is refused
    object:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: web}
    expect: deny
    message: carry the label team`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				opts.Path = args[0]
			}
			return c.policyTest(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.KubeVersion, "kube-version", "", "version of Kubernetes to judge for, such as 1.37")
	return cmd
}

func (c *cli) policyLintCommand() *cobra.Command {
	var opts PolicyOptions
	cmd := &cobra.Command{
		Use:   "lint [PATH]",
		Short: "Find what is wrong with policies",
		Long: `Find what is wrong with policies: what the API server would not take, expressions that do not compile for the version of the cluster, and
expressions that do not fit the schemas of the kinds that the policy is about (built-in kinds, and CustomResourceDefinitions beside the
policies). PATH is the root of a repository or a directory with policies.

Exit code 0 says that nothing was found, 1 that something was, 2 that the policies could not be read.`,
		Example: `  # the policies of this repository
  belay policy lint

  # those that a directory deploys, for a cluster of version 1.34
  belay policy lint infrastructure/policies --kube-version 1.34`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				opts.Path = args[0]
			}
			return c.policyLint(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.KubeVersion, "kube-version", "", "version of Kubernetes to judge for, such as 1.37")
	return cmd
}

// unread is the failure of policies that could not be read.
func (c *cli) unread(err error) error {
	if c.Policies == nil {
		err = errors.New("this program was built without the engine that judges")
	}
	return &Failure{Exit: exitUnjudged, Code: "NotJudged", Err: err}
}

func (c *cli) policyTest(ctx context.Context, opts PolicyOptions) error {
	if c.Policies == nil {
		return c.unread(nil)
	}
	tests, err := c.Policies.Test(ctx, opts)
	if err != nil {
		return c.unread(err)
	}
	var rows [][]string
	failed := 0
	for _, o := range tests.Outcomes {
		result := "ok"
		if !o.Passed {
			result = "FAIL"
			failed++
		}
		rows = append(rows, []string{result, o.File, o.Case, o.Want, o.Got})
	}
	if err := table(c.Out, []string{"RESULT", "FILE", "CASE", "WANT", "GOT"}, rows); err != nil {
		return err
	}
	for _, o := range tests.Outcomes {
		if o.Passed {
			continue
		}
		fmt.Fprintf(c.Out, "\nFAIL %s: %s: want %s, got %s\n", o.File, o.Case, o.Want, o.Got)
		for _, said := range o.Said {
			fmt.Fprintf(c.Out, "    %s\n", said)
		}
	}
	fmt.Fprintln(c.Out)
	c.flaws(tests.Flaws)
	if len(tests.Untested) > 0 {
		fmt.Fprintf(c.Out, "without a case: %s\n", strings.Join(tests.Untested, ", "))
	}
	fmt.Fprintf(c.Out, "%d cases, %d failed\n", len(tests.Outcomes), failed)
	if failed+len(tests.Flaws) > 0 {
		return &Failure{Exit: exitFindings, Code: "Findings"}
	}
	return nil
}

func (c *cli) flaws(flaws []PolicyFlaw) {
	for _, f := range flaws {
		fmt.Fprintf(c.Out, "%s: %s: %s\n", f.Place, f.Severity, f.Text)
	}
}

func (c *cli) policyLint(ctx context.Context, opts PolicyOptions) error {
	if c.Policies == nil {
		return c.unread(nil)
	}
	flaws, err := c.Policies.Lint(ctx, opts)
	if err != nil {
		return c.unread(err)
	}
	c.flaws(flaws)
	if len(flaws) > 0 {
		return &Failure{Exit: exitFindings, Code: "Findings"}
	}
	fmt.Fprintf(c.Out, "nothing is wrong with the policies of %s\n", cmp.Or(opts.Path, "this repository"))
	return nil
}
