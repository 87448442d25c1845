package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
)

func (c *cli) appAddSource() *cobra.Command {
	o, spec := &appFlags{}, &specFlags{}
	cmd := &cobra.Command{
		Use: "add-source APPNAME", Short: "Add a source to an application that has a list of them",
		Example: `  # value files of another repository, for the charts of the other sources
  belay app add-source shop-prod --repo https://git.example.com/values.git --revision main --ref values
  # more manifests
  belay app add-source shop-prod --repo https://git.example.com/deploy.git --path extras --source-name extras`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeSources(cmd.Context(), o, args[0], "add source to", func(app *v1alpha1.Application) error {
				if len(app.Spec.Sources) == 0 {
					return &Failure{Exit: ExitAPI, Code: "SingleSource",
						Err:  fmt.Errorf("cannot add source: application %s does not have spec.sources defined", qualified(app)),
						Hint: "move spec.source into the list spec.sources in the manifest of the application first"}
				}
				added := v1alpha1.ApplicationSource{Name: spec.sourceName}
				if err := spec.applyTo(&added); err != nil {
					return err
				}
				if added.RepoURL == "" || added.Path == "" && added.Chart == "" && added.Ref == "" {
					return usageError("a source needs --repo and one of --path, --helm-chart and --ref")
				}
				app.Spec.Sources = append(app.Spec.Sources, added)
				return nil
			})
		},
	}
	o.bind(cmd.Flags())
	spec.bind(cmd.Flags())
	return cmd
}

func (c *cli) appRemoveSource() *cobra.Command {
	o, spec := &appFlags{}, &specFlags{}
	cmd := &cobra.Command{
		Use: "remove-source APPNAME", Short: "Remove a source from an application that has several",
		Example: `  belay app remove-source shop-prod --source-position 2
  belay app remove-source shop-prod --source-name extras`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !spec.given("source-position", "source-name") {
				return usageError("choose the source with --source-position or --source-name")
			}
			return c.changeSources(cmd.Context(), o, args[0], "remove source from", func(app *v1alpha1.Application) error {
				if len(app.Spec.GetSources()) == 1 {
					return &Failure{Exit: ExitAPI, Code: "OnlySource", Err: fmt.Errorf("cannot remove the only source remaining in application %s", qualified(app))}
				}
				at, err := spec.sourceIndex(app.Spec.Sources)
				if err != nil {
					return err
				}
				app.Spec.Sources = slices.Delete(app.Spec.Sources, at, at+1)
				return nil
			})
		},
	}
	o.bind(cmd.Flags())
	spec.fs = cmd.Flags()
	cmd.Flags().IntVar(&spec.sourcePosition, "source-position", -1, "position of the source, from 1")
	cmd.Flags().StringVar(&spec.sourceName, "source-name", "", "name of the source")
	return cmd
}

// changeSources changes the sources of an application as change does.
func (c *cli) changeSources(ctx context.Context, o *appFlags, arg, action string, change func(*v1alpha1.Application) error) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	key, err := o.key(arg, conn.Home())
	if err != nil {
		return err
	}
	_, err = changeApp(ctx, conn, key, func(app *v1alpha1.Application) (map[string]any, error) {
		want := app.DeepCopy()
		if err := change(want); err != nil {
			return nil, err
		}
		return replaceSpec(app, want)
	})
	if err != nil {
		return fmt.Errorf("%s application %s: %w", action, key, err)
	}
	_, err = fmt.Fprintf(c.Err, "application '%s' updated successfully\n", key.Name)
	return err
}
