package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/audit"
)

// AuditFunc opens the record of activities on the cluster of conn.
type AuditFunc func(conn *Connection) audit.Log

type auditOptions struct {
	query  audit.Query
	output string
}

func (c *cli) auditCommand() *cobra.Command {
	o := &auditOptions{}
	cmd := &cobra.Command{
		Use: "audit", Short: "List who did what, when, from where and why, the latest first",
		Long: `List who did what, when, from where and why, and what happened to applications: syncs and each of their attempts, drift,
changes of health. The record is kept in ConfigMaps of the control plane, which bound it in size and age.`,
		Example: `  belay audit
  # what happened to one application
  belay audit --app callcenter-ai-prod
  # what somebody did, with addresses and reasons
  belay audit --actor admin -o json
  # syncs that failed
  belay audit --kind sync-failed --limit 20
  # all that is on record, for another system
  belay audit --all -o jsonl`,
		Args: argCount(0, 0, "no argument"),
	}
	fs := cmd.Flags()
	fs.StringVar(&o.query.Application, "app", "", "only of this application")
	fs.StringVarP(&o.query.Namespace, "app-namespace", "N", "", "only of applications in this namespace")
	fs.StringVar(&o.query.Project, "project", "", "only of this project")
	fs.StringVar(&o.query.Actor, "actor", "", "only what this user did; automated is what nobody asked for")
	fs.StringVar(&o.query.Kind, "kind", "", "only of this kind: sync, synced, sync-failed, retry, rollback, drift, healed, health, settings, delete, login, denied, ...")
	fs.StringVar(&o.query.Text, "search", "", "only with this text, whatever the case of its letters")
	fs.IntVar(&o.query.Limit, "limit", 100, "how many at most (1000)")
	fs.StringVar(&o.query.Before, "before", "", "go on where a list ended")
	all := fs.Bool("all", false, "all that is on record")
	c.outputFlag(cmd, &o.output, "wide", "json", "jsonl")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.query.Limit < 1 || o.query.Limit > 1000 {
			return usageError("--limit is between 1 and 1000")
		}
		conn, err := c.connect(cmd.Context())
		if err != nil {
			return err
		}
		return c.listActivities(cmd.Context(), conn, o, *all)
	}
	return cmd
}

func (c *cli) listActivities(ctx context.Context, conn ControlPlane, o *auditOptions, all bool) error {
	page := &audit.Page{Items: []audit.Activity{}}
	for q := o.query; ; {
		next, err := conn.Activities(ctx, q)
		if err != nil {
			return fmt.Errorf("read the record of activities: %w", err)
		}
		page.Items, page.Next = append(page.Items, next.Items...), next.Next
		if q.Before = next.Next; !all || next.Next == "" {
			break
		}
	}
	switch o.output {
	case "json":
		return printJSON(c.Out, page)
	case "jsonl":
		enc := json.NewEncoder(c.Out)
		enc.SetEscapeHTML(false)
		for i := range page.Items {
			if err := enc.Encode(&page.Items[i]); err != nil {
				return err
			}
		}
	default:
		if err := writeActivities(c.Out, page.Items, c.Now().Location()); err != nil {
			return err
		}
	}
	if page.Next != "" {
		fmt.Fprintf(c.Err, "there is more: --before %s\n", page.Next)
	}
	return nil
}

func writeActivities(out io.Writer, items []audit.Activity, zone *time.Location) error {
	rows := make([][]string, len(items))
	for i, a := range items {
		app := a.Application
		if a.Namespace != "" {
			app = a.Namespace + "/" + app
		}
		rows[i] = []string{a.Time.In(zone).Format(time.RFC3339), a.Kind, app, a.Actor, a.Address, a.Outcome, a.Text, a.Reason}
	}
	return table(out, []string{"TIME", "KIND", "APPLICATION", "ACTOR", "FROM", "OUTCOME", "WHAT", "WHY"}, rows)
}
