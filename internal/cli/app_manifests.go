package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
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
			conn, err := c.connect()
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Namespace)
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

func (c *cli) manifests(ctx context.Context, conn *Connection, key appKey, o *manifestOptions) (err error) {
	app, err := conn.getApp(ctx, key)
	if err != nil {
		return err
	}
	if o.source == "live" {
		live, err := conn.liveObjects(ctx, app)
		if err != nil {
			return err
		}
		annotations, err := conn.maskedAnnotations(ctx)
		if err != nil {
			return err
		}
		return c.printManifests(live, annotations)
	}
	opts, err := o.options(app)
	if err != nil {
		return err
	}
	planner, err := c.planner(ctx, conn)
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

// maskedAnnotations returns the annotations of Secrets that the settings hide (resource.sensitive.mask.annotations).
func (c *Connection) maskedAnnotations(ctx context.Context) ([]string, error) {
	ctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(ctx, appKey{Namespace: c.Namespace, Name: settings.ConfigMapName}, &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which annotations are secret from ConfigMap %s/%s: %w", c.Namespace, settings.ConfigMapName, err)
	}
	s, _ := settings.Parse(cm.Data, nil, nil) // problems are the controller's to tell
	return s.MaskedAnnotations, nil
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
func (c *Connection) liveObjects(ctx context.Context, app *v1alpha1.Application) ([]*unstructured.Unstructured, error) {
	if err := refuseRemote(app); err != nil {
		return nil, err
	}
	found := make([]*unstructured.Unstructured, len(app.Status.Resources))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, r := range app.Status.Resources {
		g.Go(func() error {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind})
			rctx, cancel := c.request(ctx)
			defer cancel()
			err := c.Client.Get(rctx, appKey{Namespace: r.Namespace, Name: r.Name}, u)
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("get %s: %w", refOf(&r), err)
			}
			found[i] = u
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var live []*unstructured.Unstructured
	for _, u := range found {
		if u != nil {
			live = append(live, u)
		}
	}
	return live, nil
}

// refuseRemote refuses to look for the objects of an application in the wrong cluster.
func refuseRemote(app *v1alpha1.Application) error {
	d := app.Spec.Destination
	if d.Server == v1alpha1.InClusterServer || d.Name == v1alpha1.InClusterName {
		return nil
	}
	return &Failure{Exit: ExitAPI, Code: "RemoteCluster",
		Err:  fmt.Errorf("application %s lives in the cluster %q, and this command reads the cluster of the kubeconfig alone", qualified(app), serverOf(app)),
		Hint: "use kubectl with a context of that cluster"}
}
