package cli

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/identity"
)

func (c *cli) rbacReview() *cobra.Command {
	var output string
	var options access.ReviewOptions
	cmd := &cobra.Command{
		Use: "review", Short: "List who can do what, where, and through which line",
		Long: `List who can do what, where, and through which line: one row for each line and each subject that has it, by itself or through roles and
groups. Lines are those of ConfigMap argocd-rbac-cm, of the roles of projects, and those that are built in. A line that denies wins over the lines
of the same subject that allow. Who is in a group is known to the identity provider alone.`,
		Example: "  belay rbac review\n  belay rbac review --project callcenter-ai -o csv > review.csv\n  belay rbac review --subject dev --groups platform,oncall",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			data, err := conn.configMap(ctx, access.ConfigMapName)
			if err != nil {
				return err
			}
			projects, err := conn.projectPointers(ctx)
			if err != nil {
				return err
			}
			if options.Project != "" {
				if err := unknownProject(options.Project, projects); err != nil {
					return err
				}
			}
			config, err := conn.configMap(ctx, identity.ConfigMapName)
			if err != nil {
				return err
			}
			accounts, _ := identity.ReadAccounts(config, nil)
			for name := range accounts {
				options.Accounts = append(options.Accounts, name)
			}
			policy, problems := access.New(access.Config{Data: data}, projects)
			c.warnProblems(problems)
			return printGrants(c.Out, policy.Review(options), output)
		},
	}
	cmd.Flags().StringVar(&options.Subject, "subject", "", "only what this account, user, group or project role (proj:<project>:<role>) has")
	cmd.Flags().StringSliceVar(&options.Groups, "groups", nil, "with what these groups have, separated by commas")
	cmd.Flags().StringVar(&options.Project, "project", "", "only lines that can concern objects of this project")
	c.outputFlag(cmd, &output, "wide", "csv", "json", "yaml")
	return cmd
}

func printGrants(out io.Writer, grants []access.Grant, format string) error {
	if grants == nil {
		grants = []access.Grant{}
	}
	switch format {
	case "json", "yaml":
		return printAs(out, format, grants)
	case "csv":
		w := csv.NewWriter(out)
		// An error of one of these is that of Flush.
		_ = w.Write([]string{"subject", "kind", "via", "effect", "resource", "action", "object", "place", "line"})
		for _, g := range grants {
			row := []string{g.Subject, g.Kind, strings.Join(g.Via, " > "), g.Effect, g.Resource, g.Action, g.Object, g.Place, g.Line}
			for i := range row {
				row[i] = noFormula(row[i])
			}
			_ = w.Write(row)
		}
		w.Flush()
		return w.Error()
	}
	rows := make([][]string, len(grants))
	for i, g := range grants {
		rows[i] = []string{g.Subject, g.Kind, strings.Join(g.Via, " > "), g.Effect, g.Resource, g.Action, g.Object, g.Place}
	}
	return table(out, []string{"SUBJECT", "KIND", "VIA", "EFFECT", "RESOURCE", "ACTION", "OBJECT", "PLACE"}, rows)
}

// noFormula keeps a spreadsheet from taking a cell for a formula.
func noFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
