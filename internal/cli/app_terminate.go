package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
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
			conn, err := c.connect()
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Namespace)
			if err != nil {
				return err
			}
			_, err = conn.changeApp(cmd.Context(), key, terminate)
			if err != nil {
				return fmt.Errorf("terminate operation: %w", err)
			}
			_, err = fmt.Fprintf(c.Out, "Application '%s' operation terminating\n", args[0])
			return err
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

// terminate marks the running operation; the controller then ends it. One that no controller has taken up yet is
// taken back.
func terminate(app *v1alpha1.Application) (map[string]any, error) {
	switch {
	case app.Operation == nil:
		return nil, &Failure{Exit: ExitAPI, Code: "NoOperation",
			Err: fmt.Errorf("unable to terminate operation of application %s: no operation is in progress", qualified(app))}
	case app.Status.OperationState == nil:
		return map[string]any{"operation": nil}, nil
	case app.Status.OperationState.Phase == v1alpha1.OperationTerminating:
		return nil, nil
	}
	return map[string]any{"status": map[string]any{"operationState": map[string]any{"phase": string(v1alpha1.OperationTerminating)}}}, nil
}
