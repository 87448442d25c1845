package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/operation"
)

type reviewOptions struct {
	appFlags
	planFlags
	output  string
	refresh bool
	history int64
}

// noHistory says that no deployment of the history was asked for.
const noHistory = -1

func (c *cli) appPlan() *cobra.Command {
	o := &reviewOptions{}
	cmd := &cobra.Command{
		Use: "plan APPNAME", Short: "Show what a sync would do, with what a reviewer should know",
		Long: `Show what a sync would do: the objects that it would create, change and delete, the pods that it would restart, the hooks
that it would run, and warnings of what cannot be undone. The digest stands for the whole plan: as long as it stays the same,
a sync would do the same. The values of fields are shown by "app diff".`,
		Example: `  belay app plan callcenter-ai-prod
  # what going back to a deployment of the history would do
  belay app plan callcenter-ai-prod --history 42
  # does anything that cannot be undone happen?
  belay app plan callcenter-ai-prod -o json | jq -e '[.warnings[] | select(.severity == "danger")] | length == 0'`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.history != noHistory && (o.revision != "" || len(o.revisions) > 0 || o.local != "") {
				return usageError("--history names its own revisions: it goes with neither --revision nor --local")
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			return c.review(cmd.Context(), conn, key, o)
		},
	}
	o.appFlags.bind(cmd.Flags())
	o.planFlags.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml")
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "look at the repository again first")
	cmd.Flags().Int64Var(&o.history, "history", noHistory, "plan going back to the deployment of this id")
	return cmd
}

func (c *cli) review(ctx context.Context, conn ControlPlane, key appKey, o *reviewOptions) error {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	opts, err := o.options(app)
	if err != nil {
		return err
	}
	opts.Fresh = o.refresh
	r := ReviewOptions{PlanOptions: opts}
	if o.history != noHistory {
		if r.Deployment, err = operation.Deployment(app, o.history); err != nil {
			return err
		}
	}
	plan, err := conn.Review(ctx, app, r)
	if err != nil {
		return fmt.Errorf("plan application %s: %w", key, err)
	}
	if o.output == "json" || o.output == "yaml" {
		return printAs(c.Out, o.output, plan)
	}
	return writePlan(c.Out, plan)
}

// writePlan prints a plan as tables: what happens, what runs, what to know.
func writePlan(out io.Writer, p *insight.Plan) error {
	words := make([]string, len(p.Revisions))
	for i, r := range p.Revisions {
		words[i] = insight.Short(r)
	}
	err := fields(out, [][2]string{
		{"Application:", p.Namespace + "/" + p.Application}, {"Revision:", joinWords(words)}, {"Digest:", p.Digest},
		{"Changes:", fmt.Sprintf("%d to create, %d to update, %d to delete, %d unchanged", p.Counts.Create, p.Counts.Update, p.Counts.Delete, p.Unchanged)},
	})
	if err != nil {
		return err
	}
	if len(p.Objects) > 0 {
		rows := make([][]string, len(p.Objects))
		for i, o := range p.Objects {
			restarts := ""
			if o.Restarts {
				restarts = "restarts"
			}
			rows[i] = []string{o.Action, strconv.Itoa(o.Wave), o.Group, o.Kind, o.Namespace, o.Name, restarts, o.Reason}
		}
		if err := section(out, []string{"ACTION", "WAVE", "GROUP", "KIND", "NAMESPACE", "NAME", "PODS", "REASON"}, rows); err != nil {
			return err
		}
	}
	if len(p.Hooks) > 0 {
		rows := make([][]string, len(p.Hooks))
		for i, h := range p.Hooks {
			rows[i] = []string{h.Phase, strconv.Itoa(h.Wave), h.Group, h.Kind, h.Namespace, h.Name}
		}
		if err := section(out, []string{"HOOK", "WAVE", "GROUP", "KIND", "NAMESPACE", "NAME"}, rows); err != nil {
			return err
		}
	}
	if len(p.Warnings) == 0 {
		return nil
	}
	rows := make([][]string, len(p.Warnings))
	for i, w := range p.Warnings {
		rows[i] = []string{w.Severity, w.Code, w.Message}
	}
	return section(out, []string{"SEVERITY", "CODE", "MESSAGE"}, rows)
}

// section prints a table after an empty line.
func section(out io.Writer, header []string, rows [][]string) error {
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return table(out, header, rows)
}
