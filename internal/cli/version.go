package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) versionCommand() *cobra.Command {
	var output string
	var client, short bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version",
		Example: "  belay version\n  belay version -o json",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, map[string]any{"client": c.Build})
			}
			fmt.Fprintf(c.Out, "belay: %s\n", c.Build.Version)
			if short {
				return nil
			}
			for _, line := range [][2]string{{"Commit", c.Build.Commit}, {"BuildDate", c.Build.Date}, {"GoVersion", c.Build.Go}} {
				if line[1] != "" {
					fmt.Fprintf(c.Out, "  %s: %s\n", line[0], line[1])
				}
			}
			return nil
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml", "short")
	cmd.Flags().BoolVar(&client, "client", false, "client version only, as always")
	cmd.Flags().BoolVar(&short, "short", false, "the version alone")
	return cmd
}

func (c *cli) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print the completion script of a shell",
		Example: `  source <(belay completion bash)
  # for every shell from now on
  belay completion zsh > "${fpath[1]}/_belay"`,
		Args:      argCount(1, 1, "the name of a shell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(c.Out, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(c.Out)
			case "fish":
				return cmd.Root().GenFishCompletion(c.Out, true)
			case "powershell":
				return cmd.Root().GenPowerShellCompletionWithDesc(c.Out)
			}
			return usageError("unknown shell %q: it is bash, zsh, fish or powershell", args[0])
		},
	}
}
