package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (c *cli) appTerminate() *cobra.Command {
	o := &appFlags{}
	cmd := &cobra.Command{
		Use: "terminate-op APPNAME", Short: "End the running operation of an application",
		Example: `  belay app terminate-op callcenter-ai-prod
  # and wait until it has ended
  belay app terminate-op callcenter-ai-prod && belay app wait callcenter-ai-prod --operation`,
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
			if err := conn.Terminate(cmd.Context(), key); err != nil {
				return fmt.Errorf("terminate operation: %w", explained(cmd.Context(), conn, key, err))
			}
			_, err = fmt.Fprintf(c.Out, "Application '%s' operation terminating\n", args[0])
			return err
		},
	}
	o.bind(cmd.Flags())
	return cmd
}
