package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belaycd/belay/api/v1alpha1"
)

// unsetFlags name what is taken out of a source.
type unsetFlags struct {
	parameters, valueFiles, images, replicas, pluginEnvs                    []string
	values, ignoreMissing, passCreds, ref                                   bool
	namePrefix, nameSuffix, kustomizeVersion, kustomizeNS, ignoreComponents bool
	position                                                                int
	sourceName                                                              string
}

func (c *cli) appUnset() *cobra.Command {
	o, f := &appFlags{}, &unsetFlags{}
	cmd := &cobra.Command{
		Use: "unset APPNAME", Short: "Take parameters and overrides out of the source of an application",
		Example: `  # a Kustomize image override, and the name prefix
  belay app unset callcenter-ai-dev --kustomize-image agent-service --nameprefix
  # Helm parameters and a value file
  belay app unset shop-dev -p replicas -p image.tag --values values-dev.yaml`,
		Args: argCount(1, 1, "the name of an application"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			local := cmd.LocalNonPersistentFlags()
			if !slices.ContainsFunc(unsetNames(), local.Changed) {
				return usageError("nothing to take out: give one of the flags")
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			word := "unchanged"
			_, err = changeApp(cmd.Context(), conn, key, func(app *v1alpha1.Application) (map[string]any, error) {
				want := app.DeepCopy()
				chosen, err := (&specFlags{sourcePosition: f.position, sourceName: f.sourceName}).chosenSource(&want.Spec)
				if err != nil {
					return nil, err
				}
				f.unset(chosen)
				patch, err := replaceSpec(app, want)
				if patch != nil {
					word = "updated"
				}
				return patch, err
			})
			if err != nil {
				return fmt.Errorf("unset of application %s: %w", key, err)
			}
			_, err = fmt.Fprintf(c.Err, "application '%s' %s\n", key.Name, word)
			return err
		},
	}
	o.bind(cmd.Flags())
	f.bind(cmd.Flags())
	return cmd
}

func unsetNames() []string {
	return []string{"parameter", "values", "values-literal", "ignore-missing-value-files", "pass-credentials", "nameprefix", "namesuffix",
		"kustomize-version", "kustomize-namespace", "kustomize-image", "kustomize-replica", "ignore-missing-components", "plugin-env", "ref"}
}

func (f *unsetFlags) bind(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&f.parameters, "parameter", "p", nil, "Helm parameter (may be repeated)")
	fs.StringArrayVar(&f.valueFiles, "values", nil, "Helm value file (may be repeated)")
	fs.BoolVar(&f.values, "values-literal", false, "Helm values that were given literally")
	fs.BoolVar(&f.ignoreMissing, "ignore-missing-value-files", false, "the leave to leave out Helm value files")
	fs.BoolVar(&f.passCreds, "pass-credentials", false, "Helm's passing of credentials")
	fs.BoolVar(&f.namePrefix, "nameprefix", false, "the Kustomize name prefix")
	fs.BoolVar(&f.nameSuffix, "namesuffix", false, "the Kustomize name suffix")
	fs.BoolVar(&f.kustomizeVersion, "kustomize-version", false, "the Kustomize version")
	fs.BoolVar(&f.kustomizeNS, "kustomize-namespace", false, "the Kustomize namespace")
	fs.StringArrayVar(&f.images, "kustomize-image", nil, "Kustomize image override, by the name of the image (may be repeated)")
	fs.StringArrayVar(&f.replicas, "kustomize-replica", nil, "Kustomize replicas, by the name of the workload (may be repeated)")
	fs.BoolVar(&f.ignoreComponents, "ignore-missing-components", false, "the leave to leave out Kustomize components")
	fs.StringArrayVar(&f.pluginEnvs, "plugin-env", nil, "variable of a plugin (may be repeated)")
	fs.BoolVar(&f.ref, "ref", false, "the name under which other sources refer to this one")
	fs.IntVar(&f.position, "source-position", 0, "position of the source to change, from 1, for several sources")
	fs.StringVar(&f.sourceName, "source-name", "", "name of the source to change, for several sources")
}

// unset takes what the flags name out of a source. What is not there is no error.
func (f *unsetFlags) unset(s *v1alpha1.ApplicationSource) {
	if f.ref {
		s.Ref = ""
	}
	if h := s.Helm; h != nil {
		h.Parameters = slices.DeleteFunc(h.Parameters, func(p v1alpha1.HelmParameter) bool { return slices.Contains(f.parameters, p.Name) })
		h.ValueFiles = slices.DeleteFunc(h.ValueFiles, func(v string) bool { return slices.Contains(f.valueFiles, v) })
		if f.values {
			h.Values, h.ValuesObject = "", nil
		}
		h.IgnoreMissingValueFiles = h.IgnoreMissingValueFiles && !f.ignoreMissing
		h.PassCredentials = h.PassCredentials && !f.passCreds
	}
	if k := s.Kustomize; k != nil {
		for _, field := range []struct {
			clear bool
			of    *string
		}{{f.namePrefix, &k.NamePrefix}, {f.nameSuffix, &k.NameSuffix}, {f.kustomizeVersion, &k.Version}, {f.kustomizeNS, &k.Namespace}} {
			if field.clear {
				*field.of = ""
			}
		}
		k.IgnoreMissingComponents = k.IgnoreMissingComponents && !f.ignoreComponents
		k.Images = slices.DeleteFunc(k.Images, func(i v1alpha1.KustomizeImage) bool {
			return slices.ContainsFunc(f.images, func(name string) bool { return string(i) == name || imageName(string(i)) == name })
		})
		k.Replicas = slices.DeleteFunc(k.Replicas, func(r v1alpha1.KustomizeReplica) bool { return slices.Contains(f.replicas, r.Name) })
	}
	if p := s.Plugin; p != nil {
		p.Env = slices.DeleteFunc(p.Env, func(e v1alpha1.EnvEntry) bool { return slices.Contains(f.pluginEnvs, e.Name) })
	}
}
