package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
)

// parallelReads bounds the requests that one command has under way.
const parallelReads = 16

type manifestOptions struct {
	appFlags
	planFlags
	source string
}

func (c *cli) appManifests() *cobra.Command {
	o := &manifestOptions{}
	cmd := &cobra.Command{
		Use: "manifests APPNAME", Short: "Print the manifests of an application, from Git or as they are live",
		Example: `  belay app manifests callcenter-ai-prod
  belay app manifests callcenter-ai-prod --revision release-1.4
  belay app manifests callcenter-ai-prod --source live`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.source != "git" && o.source != "live" {
				return usageError("unknown source %q: it is git or live", o.source)
			}
			if err := o.check(); err != nil {
				return err
			}
			if o.source == "live" && (o.revision != "" || len(o.revisions) > 0 || o.local != "") {
				return usageError("--source live has no revision and no local directory")
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			return c.manifests(cmd.Context(), conn, key, o)
		},
	}
	o.appFlags.bind(cmd.Flags())
	o.planFlags.bind(cmd.Flags())
	cmd.Flags().StringVar(&o.source, "source", "git", "git or live")
	return cmd
}

func (c *cli) manifests(ctx context.Context, conn ControlPlane, key appKey, o *manifestOptions) (err error) {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	if o.source == "live" {
		live, err := liveObjects(ctx, conn, app)
		if err != nil {
			return err
		}
		annotations, err := conn.MaskedAnnotations(ctx)
		if err != nil {
			return err
		}
		return c.printManifests(live, annotations)
	}
	opts, err := o.options(app)
	if err != nil {
		return err
	}
	planner, err := conn.Planner(ctx)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	rendered, err := planner.Manifests(ctx, app, opts)
	if err != nil {
		return fmt.Errorf("render application %s: %w", key, err)
	}
	c.warn(rendered.Warnings)
	return c.printManifests(rendered.Objects, rendered.Masked)
}

// printManifests prints YAML documents with secrets masked.
func (c *cli) printManifests(objects []*unstructured.Unstructured, annotations []string) error {
	for _, u := range objects {
		if _, err := fmt.Fprintln(c.Out, "---"); err != nil {
			return err
		}
		if err := printYAML(c.Out, plainObject(mask.Object(u, annotations...))); err != nil {
			return err
		}
	}
	return nil
}

// liveObjects reads the objects of an application, in the order of its status. Those that do not exist are left out.
func liveObjects(ctx context.Context, cp ControlPlane, app *v1alpha1.Application) ([]*unstructured.Unstructured, error) {
	found := make([]*unstructured.Unstructured, len(app.Status.Resources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, r := range app.Status.Resources {
		g.Go(func() error {
			u, err := cp.LiveObject(ctx, app, refOf(&r), r.Version)
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			found[i] = u
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(u *unstructured.Unstructured) bool { return u == nil }), nil
}
