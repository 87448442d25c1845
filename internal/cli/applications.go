package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

// appKey names an Application.
type appKey = types.NamespacedName

// appFlags are shared by the commands that act on one Application.
type appFlags struct {
	appNamespace string
}

func (f *appFlags) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&f.appNamespace, "app-namespace", "N", "", "namespace of the application (default: --namespace)")
}

// key reads NAME or NAMESPACE/NAME. The name goes into paths and messages, so it is checked here.
func (f *appFlags) key(arg, fallback string) (appKey, error) {
	key := appKey{Namespace: f.appNamespace, Name: arg}
	if ns, name, ok := strings.Cut(arg, "/"); ok {
		if f.appNamespace != "" && f.appNamespace != ns {
			return appKey{}, usageError("application %q is not in the namespace %q of --app-namespace", arg, f.appNamespace)
		}
		key = appKey{Namespace: ns, Name: name}
	}
	if key.Namespace == "" {
		key.Namespace = fallback
	}
	for what, value := range map[string]string{"name": key.Name, "namespace": key.Namespace} {
		if problems := validation.IsDNS1123Subdomain(value); len(problems) > 0 {
			return appKey{}, usageError("%q is no application: its %s %s", arg, what, problems[0])
		}
	}
	return key, nil
}

// getApp reads an Application. One that does not exist gives near names as a hint.
func (c *Connection) getApp(ctx context.Context, key appKey) (*v1alpha1.Application, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	app := &v1alpha1.Application{}
	err := c.Client.Get(rctx, key, app)
	if err == nil {
		return app, nil
	}
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		return nil, c.appNotFound(ctx, key)
	}
	return nil, fmt.Errorf("get application %s: %w", key, err)
}

// getRaw reads an Application with every field that the server has, also those that this program does not know.
func (c *Connection) getRaw(ctx context.Context, key appKey) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	err := c.Client.Get(rctx, key, u)
	if err == nil {
		return u, nil
	}
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		return nil, c.appNotFound(ctx, key)
	}
	return nil, fmt.Errorf("get application %s: %w", key, err)
}

// appNotFound is the failure for an Application that does not exist, with the names that were perhaps meant.
func (c *Connection) appNotFound(ctx context.Context, key appKey) error {
	f := &Failure{Exit: ExitAPI, Code: "AppNotFound", Err: fmt.Errorf("application %s does not exist", key)}
	f.Hint = "see belay app list"
	rctx, cancel := c.request(ctx)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind + "List"))
	// A second failure adds nothing: the first is the answer, and the hint stays general.
	if err := c.Client.List(rctx, list, client.Limit(2000)); err != nil {
		if err := c.Client.List(rctx, list, client.Limit(2000), client.InNamespace(key.Namespace)); err != nil {
			return f
		}
	}
	var here, elsewhere []string
	for _, item := range list.Items {
		switch {
		case item.Namespace == key.Namespace:
			here = append(here, item.Name)
		case item.Name == key.Name:
			elsewhere = append(elsewhere, item.Namespace+"/"+item.Name)
		}
	}
	if names := append(nearest(key.Name, here), elsewhere...); len(names) > 0 {
		f.Hint = "did you mean " + strings.Join(names[:min(3, len(names))], " or ") + "?"
	}
	return f
}

// patchApp applies a merge patch to an Application. With a resourceVersion in the patch a lost race is a conflict.
func (c *Connection) patchApp(ctx context.Context, key appKey, patch map[string]any) (*v1alpha1.Application, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encode patch of application %s: %w", key, err)
	}
	ctx, release := outlasting(ctx)
	defer release()
	rctx, cancel := c.request(ctx)
	defer cancel()
	app := &v1alpha1.Application{}
	app.Name, app.Namespace = key.Name, key.Namespace
	err = c.Client.Patch(rctx, app, client.RawPatch(types.MergePatchType, data))
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		return nil, c.appNotFound(ctx, key)
	}
	if err != nil {
		return nil, fmt.Errorf("change application %s: %w", key, err)
	}
	return app, nil
}

// changeApp reads an Application, asks decide for a patch and applies it, and begins again when somebody else was faster.
// A nil patch changes nothing. Patches keep fields that this program does not know; an update would drop them.
func (c *Connection) changeApp(
	ctx context.Context, key appKey, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	var result *v1alpha1.Application
	err := retry.RetryOnConflict(conflictBackoff(), func() error {
		app, err := c.getApp(ctx, key)
		if err != nil {
			return err
		}
		patch, err := decide(app)
		if err != nil || patch == nil {
			result = app
			return err
		}
		meta, _ := patch["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			patch["metadata"] = meta
		}
		meta["resourceVersion"] = app.ResourceVersion
		result, err = c.patchApp(ctx, key, patch)
		return err
	})
	return result, err
}

// completeApps completes application names, up to max arguments (max < 0: any number).
func (c *cli) completeApps(max int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if max >= 0 && len(args) >= max {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		conn, err := c.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind + "List"))
		namespace := conn.Namespace
		if f := cmd.Flags().Lookup("app-namespace"); f != nil && f.Value.String() != "" {
			namespace = f.Value.String()
		}
		if err := conn.Client.List(ctx, list, client.InNamespace(namespace), client.Limit(1000)); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		used := map[string]bool{}
		for _, a := range args {
			used[a] = true
		}
		var names []string
		for _, item := range list.Items {
			if !used[item.Name] {
				names = append(names, item.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
