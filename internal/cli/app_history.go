package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

type historyOptions struct {
	appFlags
	output string
}

func (c *cli) appHistory() *cobra.Command {
	o := &historyOptions{}
	cmd := &cobra.Command{
		Use: "history APPNAME", Short: "List the deployments of an application",
		Example: `  belay app history callcenter-ai-prod
  # go back to one of them
  belay app rollback callcenter-ai-prod 42
  # the ids alone
  belay app history callcenter-ai-prod -o id`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			app, err := getApp(cmd.Context(), conn, key)
			if err != nil {
				return err
			}
			return printHistory(c.Out, app.Status.History, o.output, c.Now().Location())
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "id", "json", "yaml")
	return cmd
}

// printHistory prints the deployments, oldest first, a table for each repository.
func printHistory(out io.Writer, history v1alpha1.RevisionHistories, format string, zone *time.Location) error {
	switch format {
	case "json", "yaml":
		if history == nil {
			history = v1alpha1.RevisionHistories{}
		}
		return printAs(out, format, history)
	case "id":
		for _, h := range history {
			if _, err := fmt.Fprintln(out, h.ID); err != nil {
				return err
			}
		}
		return nil
	}
	type deployment struct{ id, date, revision string }
	var order []string
	bySource := map[string][]deployment{}
	add := func(h v1alpha1.RevisionHistory, s v1alpha1.ApplicationSource, revision string) {
		url := mask.Text(s.RepoURL)
		if _, ok := bySource[url]; !ok {
			order = append(order, url)
		}
		bySource[url] = append(bySource[url], deployment{
			strconv.FormatInt(h.ID, 10), h.DeployedAt.In(zone).String(), revisionWords(s.TargetRevision, revision)})
	}
	for _, h := range history {
		if len(h.Sources) == 0 {
			add(h, h.Source, h.Revision)
			continue
		}
		for i, s := range h.Sources {
			revision := ""
			if i < len(h.Revisions) {
				revision = h.Revisions[i]
			}
			add(h, s, revision)
		}
	}
	for i, url := range order {
		if i > 0 {
			if _, err := fmt.Fprintln(out); err != nil {
				return err
			}
		}
		rows := [][]string{{"ID", "DATE", "REVISION"}}
		for _, d := range bySource[url] {
			rows = append(rows, []string{d.id, d.date, d.revision})
		}
		if err := table(out, []string{"SOURCE", clean(url)}, rows); err != nil {
			return err
		}
	}
	return nil
}

// revisionWords is a target and what it resolved to: main (abc1234).
func revisionWords(target, revision string) string {
	if isSHA(revision) {
		revision = revision[:7]
	}
	switch {
	case revision == "" || revision == target:
		return target
	case target == "":
		return revision
	}
	return fmt.Sprintf("%s (%s)", target, revision)
}

// isSHA reports whether s is a full Git commit id.
func isSHA(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
