package kustomize

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/provenance"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/belaycd/belay/internal/fault"
)

// options are the flags of kustomize.buildOptions that have a meaning here.
type options struct {
	unrestricted   bool // --load-restrictor LoadRestrictionsNone
	reorder        krusty.ReorderOption
	managedByLabel bool
}

func (o options) krusty() *krusty.Options {
	out := krusty.MakeDefaultOptions()
	out.Reorder = krusty.ReorderOptionUnspecified
	if o.reorder != "" {
		out.Reorder = o.reorder
	}
	out.AddManagedbyLabel = o.managedByLabel
	if o.unrestricted {
		out.LoadRestrictions = types.LoadRestrictionsNone
	}
	out.PluginConfig = types.DisabledPluginConfig()
	return out
}

// refused reports whether a flag lets a build start processes. Such flags are accepted, so that an argocd-cm that sets
// them for all applications keeps working; a kustomization that needs them is refused when it is met.
func refused(flag string) bool {
	switch flag {
	case "--enable-helm", "--enable-alpha-plugins", "--enable-alpha_plugins", "--enable-exec", "--enable-star", "--network",
		"--as-current-user":
		return true
	}
	return false
}

// parseOptions reads kustomize.buildOptions and returns warnings for flags without effect.
func parseOptions(line string) (options, []string, error) {
	var out options
	var warnings []string
	fields := strings.Fields(line)
	for i := 0; i < len(fields); i++ {
		flag, value, inline := strings.Cut(fields[i], "=")
		next := func() string {
			if !inline && i+1 < len(fields) {
				i++
				value = fields[i]
			}
			return strings.Trim(value, `"'`)
		}
		switch {
		case flag == "--load-restrictor" || flag == "--load_restrictor":
			switch v := next(); strings.ToLower(v) {
			case "loadrestrictionsnone", "none":
				out.unrestricted = true
			case "loadrestrictionsrootonly", "rootonly":
				out.unrestricted = false
			default:
				return out, nil, fault.New(fault.Invalid, "kustomize.buildOptions: --load-restrictor %q: LoadRestrictionsNone or LoadRestrictionsRootOnly is wanted", v)
			}
		case flag == "--reorder":
			switch v := next(); v {
			case "none", "legacy":
				out.reorder = krusty.ReorderOption(v)
			default:
				return out, nil, fault.New(fault.Invalid, "kustomize.buildOptions: --reorder %q: none or legacy is wanted", v)
			}
		case flag == "--enable-managedby-label":
			out.managedByLabel = value != "false"
		case refused(flag):
			if value != "false" {
				warnings = append(warnings, "kustomize.buildOptions: "+flag+" is ignored: builds start no process; "+
					"a kustomization that needs it is refused")
			}
		case flag == "-e" || flag == "--env" || flag == "--mount" || flag == "--network-name" || flag == "--helm-command":
			next()
			warnings = append(warnings, "kustomize.buildOptions: "+flag+" is ignored: builds start no process")
		default:
			return out, nil, fault.New(fault.Invalid, "kustomize.buildOptions: %s is not supported", flag)
		}
	}
	return out, warnings, nil
}

// managedBy is the label of --enable-managedby-label and of buildMetadata: the release of kustomize with what is built in.
const managedBy = "kustomize-v5.8.1"

// nameManager mends that label. The library writes the version of the program that it is linked into, which is another
// with each release, and no label at all in a build from a checkout.
func nameManager(objects []*unstructured.Unstructured) {
	wrong := "kustomize-" + provenance.GetProvenance().Semver()
	for _, u := range objects {
		labels := u.GetLabels()
		if labels[konfig.ManagedbyLabelKey] == wrong {
			labels[konfig.ManagedbyLabelKey] = managedBy
			u.SetLabels(labels)
		}
	}
}
