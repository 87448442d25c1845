package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/insight"
)

func (c *cli) appWhy() *cobra.Command {
	var flags appFlags
	var output string
	cmd := &cobra.Command{
		Use: "why APPNAME", Short: "Say why an application is not as it should be, and what to do",
		Long: `Say why an application is not Synced and Healthy: the first cause, down to the pod or the field, where that was seen, and
what to do next.`,
		Example: `  belay app why callcenter-ai-prod
  # the sentence alone
  belay app why callcenter-ai-prod -o json | jq -r .sentence`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := flags.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			app, err := getApp(cmd.Context(), conn, key)
			if err != nil {
				return err
			}
			why, left, err := conn.Why(cmd.Context(), app)
			if err != nil {
				return err
			}
			c.warn(left)
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, why)
			}
			return writeWhy(c.Out, why, c.Now().Location())
		},
	}
	flags.bind(cmd.Flags())
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

// writeWhy prints an explanation.
func writeWhy(out io.Writer, w *insight.Why, zone *time.Location) error {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if w.Status != "" {
		add("%s: %s", w.Status, w.Sentence)
	} else {
		add("%s", w.Sentence)
	}
	for i, c := range w.Causes {
		if i == 0 {
			add("")
			add("CAUSES")
		}
		add("  %d. %s", i+1, c.Message)
		for _, e := range c.Evidence {
			at := ""
			if e.Time != nil {
				at = " (" + e.Time.In(zone).Format(time.RFC3339) + ")"
			}
			add("     %-9s  %s%s", e.Kind, e.Text, at)
		}
	}
	for i, n := range w.Next {
		if i == 0 {
			add("")
			add("NEXT")
		}
		add("  %s", n.Text)
		if n.Command != "" {
			add("    %s", n.Command)
		}
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(out, clean(l)); err != nil {
			return err
		}
	}
	return nil
}
