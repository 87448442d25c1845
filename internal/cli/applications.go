package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
)

// appKey names an Application.
type appKey = AppKey

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

// completeApps completes application names, up to max arguments (max < 0: any number).
func (c *cli) completeApps(max int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if max >= 0 && len(args) >= max {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		conn, err := c.connect(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		namespace := conn.Home()
		if f := cmd.Flags().Lookup("app-namespace"); f != nil && f.Value.String() != "" {
			namespace = f.Value.String()
		}
		list, err := conn.ApplicationNames(ctx, namespace)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		used := map[string]bool{}
		for _, a := range args {
			used[a] = true
		}
		var names []string
		for _, item := range list {
			if !used[item.Name] {
				names = append(names, item.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
