package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/preview"
)

// PreviewOptions say what is rendered.
type PreviewOptions struct {
	// Root is the root of the repository in the file system.
	Root string
	// Base is the revision to compare with; empty for a comparison with clusters, which needs none.
	Base string
	// KubeVersion is what charts are rendered for.
	KubeVersion string
}

// PreviewFunc renders a repository in a local directory, and the base revision of it.
type PreviewFunc func(ctx context.Context, opts PreviewOptions) (preview.Input, error)

type previewFlags struct {
	PreviewOptions
	out      outputs
	live     bool
	exitCode bool
	maxBytes int
	link     string
}

func (c *cli) previewCommand() *cobra.Command {
	o := &previewFlags{}
	cmd := &cobra.Command{
		Use:   "preview [PATH]",
		Short: "Show what merging the working copy would change in every application",
		Long: `Show what merging the working copy would change in every application: what would be made, changed, deleted and restarted, with what
is dangerous first. The working copy and the base, which is where it left the revision that --base names, are rendered by the renderer that
deploys them, and compared. No cluster and no network is needed; with --live the comparison is with the clusters, by the kubeconfig.

Exit code 0 says that nothing would change, or that --exit-code was not given, 1 that something would, 2 that something could not be judged.`,
		Example: `  # what would a merge into main do?
  belay preview --base main

  # in a pipeline: a comment, and the whole as a file
  belay preview --base origin/main -o markdown=comment.md -o json=preview.json

  # against what runs now
  belay preview --live`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.Base == "") != o.live {
				return usageError("give --base REV or --live, one of them")
			}
			if len(args) == 1 {
				o.Root = args[0]
			}
			return c.preview(cmd.Context(), o)
		},
	}
	c.outputsFlag(cmd, &o.out, preview.Formats()...)
	f := cmd.Flags()
	f.StringVar(&o.Base, "base", "", "revision that the working copy is to be merged into")
	f.BoolVar(&o.live, "live", false, "compare with the clusters, by the kubeconfig, and not with a revision")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit with 1 when something would change")
	f.StringVar(&o.KubeVersion, "kube-version", "", "version of Kubernetes that charts are rendered for, such as 1.37.2")
	f.IntVar(&o.maxBytes, "max-bytes", preview.MarkdownLimit, "length that Markdown may have")
	f.StringVar(&o.link, "link", "", "address of the whole preview, for the end of the Markdown")
	return cmd
}

func (c *cli) preview(ctx context.Context, o *previewFlags) error {
	unjudged := func(code string, err error) error { return &Failure{Exit: exitUnjudged, Code: code, Err: err} }
	if c.Previewer == nil {
		return unjudged("NoEngine", errors.New("this program was built without the engine that renders and compares"))
	}
	in, err := c.Previewer(ctx, o.PreviewOptions)
	if err != nil {
		return unjudged("NotPreviewed", fmt.Errorf("preview %s: %w", cmp.Or(o.Root, "."), err))
	}
	if o.live {
		if in.Live, err = c.liveplans(ctx, in.Head, cmp.Or(o.Root, ".")); err != nil {
			return unjudged("NotPreviewed", err)
		}
		in.BaseName = "live"
	}
	p, err := preview.New(in)
	if err != nil {
		return unjudged("NotPreviewed", err)
	}
	err = o.out.write(c.Out, func(w io.Writer, format string) error {
		return preview.Write(w, format, p, preview.Options{Colour: c.colour(w), MaxBytes: o.maxBytes, Link: o.link})
	})
	if err != nil {
		return unjudged("NotWritten", err)
	}
	if failed := p.Failures(); len(failed) > 0 {
		return unjudged("NotPreviewed", fmt.Errorf("%d of the applications and directories could not be rendered: %s", len(failed), joinWords(failed[:min(len(failed), 5)])))
	}
	if o.exitCode && p.Changes() {
		return different()
	}
	return nil
}

// liveplans compares the applications of a repository in root with their clusters.
func (c *cli) liveplans(ctx context.Context, head *check.Repository, root string) (plans map[string]preview.Live, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	planner, err := conn.Planner(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	plans = map[string]preview.Live{}
	for _, u := range head.Units {
		if u.App == nil || u.Skipped != "" || u.Err != nil {
			continue
		}
		app := u.App.DeepCopy()
		app.Namespace = cmp.Or(app.Namespace, conn.Home())
		found, err := planner.Compare(ctx, app, PlanOptions{LocalRoot: root, LocalDir: filepath.Join(root, filepath.FromSlash(u.Path))})
		if err != nil {
			plans[u.Name] = preview.Live{Err: fmt.Errorf("compare application %s: %w", u.Name, err)}
			continue
		}
		plans[u.Name] = preview.Live{Plan: found.Plan, Masked: found.Masked}
	}
	return plans, nil
}
