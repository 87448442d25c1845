package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
)

func (c *cli) appSet() *cobra.Command {
	o := &appFlags{}
	spec := &specFlags{}
	var validate bool
	cmd := &cobra.Command{
		Use: "set APPNAME", Short: "Change the spec of an application",
		Example: `  # follow another branch
  belay app set callcenter-ai-staging --revision release-1.4
  # switch automated sync off and on
  belay app set callcenter-ai-dev --sync-policy manual
  belay app set callcenter-ai-dev --sync-policy automated --auto-prune --self-heal
  # another image
  belay app set callcenter-ai-dev --kustomize-image agent-service=callcenter/agent-service:v1.2.0
  # the second of several sources
  belay app set shop-prod --source-position 2 --revision v2.1.0`,
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
			if err := spec.extras.read(cmd.Context(), c); err != nil {
				return err
			}
			word := "unchanged"
			_, err = changeApp(cmd.Context(), conn, key, func(app *v1alpha1.Application) (map[string]any, error) {
				want := app.DeepCopy()
				if err := spec.apply(want); err != nil {
					return nil, err
				}
				if d := want.Spec.Destination; (d.Server == "") == (d.Name == "") {
					return nil, usageError("application %s needs exactly one of --dest-server and --dest-name", key)
				}
				patch, err := replaceSpec(app, want)
				if patch != nil {
					word = "updated"
				}
				return patch, err
			})
			if err != nil {
				return fmt.Errorf("set application %s: %w", key, err)
			}
			_, err = fmt.Fprintf(c.Err, "application '%s' %s\n", key.Name, word)
			return err
		},
	}
	o.bind(cmd.Flags())
	spec.bind(cmd.Flags())
	cmd.Flags().BoolVar(&validate, "validate", true, "accepted for compatibility; the controller validates and reports in conditions")
	return cmd
}
