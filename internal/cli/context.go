package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) contextCommand() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "context [CONTEXT]", Aliases: []string{"ctx"}, Short: "List the saved contexts, or choose one",
		Example: `  belay context
  belay context belay.example.com
  belay context belay.example.com --delete`,
		Args: argCount(0, 1, "at most the name of a context"), ValidArgsFunction: c.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			saved, err := c.savedConfig()
			switch {
			case err != nil:
				return err
			case remove && len(args) == 0:
				return usageError("--delete needs the name of a context")
			case len(args) == 0:
				return c.printContexts(saved)
			case saved.entry("contexts", "name", args[0]) == nil:
				f := savedError(fmt.Errorf("there is no saved context '%s' in %s", args[0], saved.path), "see belay context")
				if near := nearest(args[0], saved.names()); len(near) > 0 {
					f.Hint = "did you mean " + joinWords(near) + "?"
				}
				return f
			case remove:
				return c.deleteContext(saved, args[0])
			}
			if saved.current() == args[0] {
				_, err := fmt.Fprintf(c.Out, "Already at context '%s'\n", clean(args[0]))
				return err
			}
			saved.doc["current-context"] = args[0]
			if err := saved.save(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Switched to context '%s'\n", clean(args[0]))
			return err
		},
	}
	cmd.Flags().BoolVar(&remove, "delete", false, "remove the context with its token")
	return cmd
}

func (c *cli) printContexts(saved *savedConfig) error {
	var rows [][]string
	for _, name := range saved.names() {
		mark := ""
		if name == saved.current() {
			mark = "*"
		}
		rows = append(rows, []string{mark, name, textIn(saved.entry("contexts", "name", name), "server")})
	}
	if len(rows) == 0 {
		fmt.Fprintln(c.Err, "no context is saved: commands use the cluster of the kubeconfig; belay login SERVER saves one")
	}
	return table(c.Out, []string{"CURRENT", "NAME", "SERVER"}, rows)
}

// deleteContext removes a context, and its server and its user unless another context names them.
func (c *cli) deleteContext(saved *savedConfig, name string) error {
	m := saved.entry("contexts", "name", name)
	server, user := textIn(m, "server"), textIn(m, "user")
	saved.drop("contexts", "name", name)
	if saved.entry("contexts", "server", server) == nil {
		saved.drop("servers", "server", server)
	}
	if saved.entry("contexts", "user", user) == nil {
		saved.drop("users", "name", user)
	}
	if saved.current() == name {
		saved.doc["current-context"] = ""
	}
	if err := saved.save(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.Out, "Context '%s' deleted\n", clean(name))
	return err
}

// completeContexts completes names of saved contexts.
func (c *cli) completeContexts(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	saved, err := c.savedConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return saved.names(), cobra.ShellCompDirectiveNoFileComp
}
