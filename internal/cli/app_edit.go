package cli

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/project"
)

func (c *cli) appEdit() *cobra.Command {
	o := &appFlags{}
	cmd := &cobra.Command{
		Use: "edit APPNAME", Short: "Edit the spec of an application",
		Long: "Open the spec of an application in the editor of KUBE_EDITOR or EDITOR. What cannot be written is shown again; what is\n" +
			"left unchanged is not written.",
		Example:           "  belay app edit callcenter-ai-dev\n  EDITOR='code --wait' belay app edit callcenter-ai-dev",
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
			return c.edit(cmd.Context(), conn, editing{
				what:  "application '" + key.Name + "'",
				read:  func(ctx context.Context) (*unstructured.Unstructured, error) { return getRaw(ctx, conn, key) },
				check: checkApplication,
			})
		},
	}
	o.bind(cmd.Flags())
	return cmd
}

// checkApplication refuses what no controller could act on. The rest is for the API server and the controller to judge.
func checkApplication(u *unstructured.Unstructured) error {
	var app v1alpha1.Application
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &app); err != nil {
		return usageError("%w", err)
	}
	if d := app.Spec.Destination; (d.Server == "") == (d.Name == "") {
		return usageError("spec.destination needs exactly one of server and name")
	}
	if len(app.Spec.GetSources()) == 0 && app.Spec.SourceHydrator == nil {
		return usageError("spec.source is missing")
	}
	return nil
}

func (c *cli) projEdit() *cobra.Command {
	return &cobra.Command{
		Use: "edit PROJECT", Short: "Edit the spec of a project",
		Long: "Open the spec of a project in the editor of KUBE_EDITOR or EDITOR. What cannot be written is shown again; what is left\n" +
			"unchanged is not written.",
		Example:           "  belay proj edit callcenter-ai",
		Args:              argCount(1, 1, "the name of a project"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			return c.edit(cmd.Context(), conn, editing{
				what:  "project '" + args[0] + "'",
				read:  func(ctx context.Context) (*unstructured.Unstructured, error) { return rawProject(ctx, conn, args[0]) },
				check: checkProject,
			})
		},
	}
}

func checkProject(u *unstructured.Unstructured) error {
	var p v1alpha1.AppProject
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err != nil {
		return usageError("%w", err)
	}
	for i, w := range p.Spec.SyncWindows {
		if w == nil {
			return usageError("spec.syncWindows[%d] is empty", i)
		}
		if err := project.CheckWindow(w); err != nil {
			return usageError("spec.syncWindows[%d]: %w", i, err)
		}
	}
	return nil
}
