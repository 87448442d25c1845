package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/report"
)

// CheckOptions say what is judged, and by what.
type CheckOptions struct {
	// Root is the root of the repository; Paths are what is judged in it, relative to Root, empty for all.
	Root  string
	Paths []string
	// Base is the revision to compare with; empty for none.
	Base string
	// Config is the file of settings; empty for the one of the repository.
	Config string
	// Profile replaces that of the repository's settings.
	Profile check.Profile
	// KubeVersions replace those of the repository's settings.
	KubeVersions []string
	CheckInputs
}

// CheckFunc renders and judges a repository in a local directory.
type CheckFunc func(ctx context.Context, opts CheckOptions) (*check.Report, error)

// Exit codes of check, preview and policy.
const (
	exitFindings = 1
	exitUnjudged = 2
)

func (c *cli) checkCommand() *cobra.Command {
	var opts CheckOptions
	var failOn string
	var out outputs
	var mend fixFlags
	cmd := &cobra.Command{
		Use:   "check [PATH]",
		Short: "Judge the manifests of a repository before they are merged",
		Long: `Judge the manifests of a repository before they are merged. Applications, kustomizations, charts and plain directories are found,
rendered by the renderer that deploys them, and judged. No cluster and no network is needed.

Exit code 0 says that nothing was found at or above --fail-on, 1 that something was, 2 that it could not be judged.`,
		Example: `  # the repository that this directory is in
  belay check

  # one overlay
  belay check infrastructure/k8s/overlays/prod

  # in a pipeline: annotations on the lines, and files for code scanning and for the summary
  belay check -o github -o sarif=belay.sarif -o markdown=summary.md

  # mend what is mechanical: look first, then do it
  belay check --fix --dry-run
  belay check --fix`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var limit check.Severity
			if err := limit.UnmarshalText([]byte(failOn)); err != nil || limit == check.Off {
				return usageError("--fail-on %s: one of note, warning, error", failOn)
			}
			if opts.Profile != "" {
				if err := opts.Profile.UnmarshalText([]byte(opts.Profile)); err != nil {
					return usageError("--profile: %v", err)
				}
			}
			if len(args) == 1 {
				opts.Root = args[0]
			}
			if !mend.fix && (mend.dryRun || mend.sortKeys) {
				return usageError("--dry-run and --sort-keys belong to --fix")
			}
			return c.check(cmd.Context(), opts, limit, mend, &out)
		},
	}
	c.outputsFlag(cmd, &out, report.Formats()...)
	f := cmd.Flags()
	f.StringVar(&failOn, "fail-on", "error", "least severity that fails: note, warning or error")
	f.StringVar(&opts.Config, "config", "", "file of settings, in place of the repository's "+check.ConfigFile)
	f.StringVar((*string)(&opts.Profile), "profile", "", "rules that count: default, restricted, cis or nsa")
	f.StringSliceVar(&opts.KubeVersions, "kube-version", nil, "versions of Kubernetes to judge for, such as 1.37")
	opts.flags(f)
	f.StringVar(&opts.Base, "base", "", "report only what is new against this revision")
	f.BoolVar(&mend.fix, "fix", false, "mend what is mechanical first: API versions that have a successor with the same fields, labels with the name")
	f.BoolVar(&mend.dryRun, "dry-run", false, "with --fix, show the changes and write nothing")
	f.BoolVar(&mend.sortKeys, "sort-keys", false, "with --fix, sort labels, annotations and data too")
	return cmd
}

func (c *cli) check(ctx context.Context, opts CheckOptions, limit check.Severity, mend fixFlags, out *outputs) error {
	if c.Checker == nil {
		return &Failure{Exit: exitUnjudged, Code: "NoEngine", Err: errors.New("this program was built without the engine that renders and judges")}
	}
	opts.Now = c.Now()
	r, err := c.Checker(ctx, opts)
	if err != nil {
		return &Failure{Exit: exitUnjudged, Code: "NotJudged", Err: fmt.Errorf("judge %s: %w", opts.Root, err)}
	}
	if mend.fix {
		written, err := c.fix(cmp.Or(r.Root, opts.Root), r, mend)
		if err != nil {
			return &Failure{Exit: exitUnjudged, Code: "NotMended", Err: err}
		}
		if written {
			if r, err = c.Checker(ctx, opts); err != nil {
				return &Failure{Exit: exitUnjudged, Code: "NotJudged", Err: fmt.Errorf("judge %s: %w", opts.Root, err)}
			}
		}
	}
	var files fs.FS // without it there are no excerpts
	if root, rerr := os.OpenRoot(cmp.Or(r.Root, opts.Root, ".")); rerr == nil {
		defer root.Close()
		files = root.FS()
	}
	err = out.write(c.Out, func(w io.Writer, format string) error {
		return report.Write(w, format, r, report.Options{
			Version: c.Build.Version, Prefix: prefixOf(cmp.Or(r.Root, opts.Root)), Files: files, Colour: format == "text" && c.colour(w), FailOn: limit,
		})
	})
	if err != nil {
		return &Failure{Exit: exitUnjudged, Code: "NotWritten", Err: err}
	}
	if opts.WriteBaseline == "" && r.Worst() >= limit {
		return &Failure{Exit: exitFindings, Code: "Findings"}
	}
	return nil
}
