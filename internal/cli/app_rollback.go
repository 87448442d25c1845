package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/operation"
)

type rollbackOptions struct {
	appFlags
	prune   bool
	dryRun  bool
	timeout seconds
	output  string
}

func (c *cli) appRollback() *cobra.Command {
	o := &rollbackOptions{}
	cmd := &cobra.Command{
		Use: "rollback APPNAME [ID]", Short: "Go back to an earlier deployment",
		Long: `Go back to an earlier deployment: the one with the ID of "app history", or the one before the present without it.
An application that syncs by itself is refused, because it would return to its target at once.`,
		Example: `  belay app history callcenter-ai-prod
  belay app rollback callcenter-ai-prod 42
  # the deployment before the present one
  belay app rollback callcenter-ai-prod
  # and delete what that deployment did not have
  belay app rollback callcenter-ai-prod 42 --prune`,
		Args: argCount(1, 2, "the name of an application and perhaps an ID"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return c.completeHistory(cmd, args[0], o.appFlags)
			}
			return c.completeApps(1)(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			id := int64(operation.Previous)
			if len(args) == 2 {
				var err error
				if id, err = strconv.ParseInt(args[1], 10, 64); err != nil || id < 0 {
					return usageError("%q is no deployment id: belay app history %s lists them", args[1], args[0])
				}
			}
			return c.rollback(cmd.Context(), args[0], id, *o)
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml", "jsonl")
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete objects that the earlier deployment did not have")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "let the controller try it without effect")
	cmd.Flags().Var(&o.timeout, "timeout", "give up waiting after this time; the operation goes on (0: never)")
	return cmd
}

func (c *cli) rollback(ctx context.Context, arg string, id int64, o rollbackOptions) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	key, err := o.key(arg, conn.Home())
	if err != nil {
		return err
	}
	bounded, cancel := withTimeout(ctx, o.timeout.duration())
	defer cancel()
	var chosen *v1alpha1.RevisionHistory
	app, err := conn.Start(bounded, key, func(app *v1alpha1.Application) (Start, error) {
		if chosen, err = operation.Deployment(app, id); err != nil {
			return Start{}, err
		}
		if err := refuseWindow(bounded, conn, app, c.Now()); err != nil && !o.dryRun {
			return Start{}, err
		}
		op, err := operation.Rollback(app, chosen, operation.RollbackOptions{Prune: o.prune, DryRun: o.dryRun})
		return Start{Operation: op, Deployment: chosen}, err
	}, c.Now())
	if err != nil {
		return fmt.Errorf("roll back application %s: %w", key, explained(ctx, conn, key, err))
	}
	fmt.Fprintf(c.Err, "rolling %s back to deployment %d of %s: %s\n", key, chosen.ID,
		chosen.DeployedAt.In(c.Now().Location()).Format(time.RFC3339), clean(revisionOf(chosen)))
	err = c.finish(ctx, bounded, conn, app, finishOptions{what: "rollback", output: o.output, timeout: o.timeout.duration()})
	if err == nil && !o.dryRun {
		fmt.Fprintf(c.Err, "hint: Git still holds the newer state, and the next sync returns to it; revert the change there to stay\n")
	}
	return err
}

func revisionOf(h *v1alpha1.RevisionHistory) string {
	if len(h.Sources) == 0 {
		return revisionWords(h.Source.TargetRevision, h.Revision)
	}
	words := make([]string, len(h.Revisions))
	for i, r := range h.Revisions {
		words[i] = shortRevision(r)
	}
	return joinWords(words)
}

// completeHistory completes deployment ids, newest first.
func (c *cli) completeHistory(cmd *cobra.Command, arg string, f appFlags) ([]string, cobra.ShellCompDirective) {
	conn, err := c.connect(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	key, err := f.key(arg, conn.Home())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for i := len(app.Status.History) - 1; i >= 0; i-- {
		h := &app.Status.History[i]
		ids = append(ids, fmt.Sprintf("%d\t%s %s", h.ID, h.DeployedAt.Format(time.RFC3339), clean(revisionOf(h))))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
