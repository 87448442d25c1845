package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
)

func (c *cli) appResources() *cobra.Command {
	o := &appFlags{}
	var output string
	cmd := &cobra.Command{
		Use: "resources APPNAME", Short: "List the objects of an application and, as a tree, what they own",
		Example: `  belay app resources callcenter-ai-prod
  belay app resources callcenter-ai-prod -o tree=detailed`,
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
			return c.resources(cmd.Context(), conn, key, output)
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &output, "wide", "json", "yaml", "tree", "tree=detailed")
	return cmd
}

func (c *cli) resources(ctx context.Context, conn ControlPlane, key appKey, output string) error {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(output, "tree"):
		return c.printTree(ctx, conn, app, output == "tree=detailed")
	case output == "wide":
		return printResources(c.Out, app.Status.Resources)
	}
	resources := app.Status.Resources
	if resources == nil {
		resources = []v1alpha1.ResourceStatus{}
	}
	return printAs(c.Out, output, resources)
}

// printResources prints the objects of an application; none of them is orphaned.
func printResources(out io.Writer, resources []v1alpha1.ResourceStatus) error {
	rows := make([][]string, len(resources))
	for i, r := range resources {
		rows[i] = []string{r.Group, r.Kind, r.Namespace, r.Name, "No"}
	}
	return table(out, []string{"GROUP", "KIND", "NAMESPACE", "NAME", "ORPHANED"}, rows)
}
