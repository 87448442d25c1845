package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// sourceExtras are the flags of a source that few applications need. Only flags that were given count.
type sourceExtras struct {
	fs                                                                   *pflag.FlagSet
	valuesFile, helmVersion, helmKube, kustomizeVersion, kustomizeKube   string
	helmAPIs, kustomizeAPIs                                              []string
	forceLabels, forceAnnotations, withoutSelector, includeTemplates     bool
	ignoreComponents                                                     bool
	extStr, extCode, tlaStr, tlaCode, libs                               []string
	plugin                                                               string
	pluginEnv                                                            []string
	dryRepo, dryRevision, dryPath, syncRepo, syncBranch, syncPath, hydTo string
	literal                                                              string // content of valuesFile
}

// read reads the files that flags name.
func (e *sourceExtras) read(ctx context.Context, c *cli) error {
	if e.valuesFile == "" {
		return nil
	}
	data, err := c.input(ctx, e.valuesFile)
	if err != nil {
		return err
	}
	var values map[string]any
	if err := yaml.Unmarshal(data, &values); err != nil {
		return usageError("%s holds no Helm values: %w", mask.Text(e.valuesFile), err)
	}
	e.literal = string(data)
	return nil
}

func (e *sourceExtras) bind(fs *pflag.FlagSet) {
	e.fs = fs
	for _, f := range []struct {
		into        *string
		name, usage string
	}{
		{&e.valuesFile, "values-literal-file", "file or URL with Helm values, whose content becomes part of the spec"},
		{&e.helmVersion, "helm-version", "Helm version; kept, and without effect"},
		{&e.helmKube, "helm-kube-version", "Kubernetes version that the chart is rendered for"},
		{&e.kustomizeVersion, "kustomize-version", "Kustomize version"},
		{&e.kustomizeKube, "kustomize-kube-version", "Kubernetes version that Helm charts of the kustomization are rendered for"},
		{&e.plugin, "config-management-plugin", "name of the config management plugin"},
		{&e.dryRepo, "dry-source-repo", "source hydrator: repository with unrendered manifests"},
		{&e.dryRevision, "dry-source-revision", "source hydrator: revision of the unrendered manifests"},
		{&e.dryPath, "dry-source-path", "source hydrator: path of the unrendered manifests"},
		{&e.syncRepo, "sync-source-repo", "source hydrator: repository that rendered manifests are synced from"},
		{&e.syncBranch, "sync-source-branch", "source hydrator: branch that rendered manifests are synced from"},
		{&e.syncPath, "sync-source-path", "source hydrator: path that rendered manifests are synced from"},
		{&e.hydTo, "hydrate-to-branch", "source hydrator: branch that rendered manifests are written to"},
	} {
		fs.StringVar(f.into, f.name, "", f.usage)
	}
	for _, f := range []struct {
		into        *bool
		name, usage string
	}{
		{&e.forceLabels, "kustomize-force-common-label", "Kustomize labels win over those in Git"},
		{&e.forceAnnotations, "kustomize-force-common-annotation", "Kustomize annotations win over those in Git"},
		{&e.withoutSelector, "kustomize-label-without-selector", "Kustomize labels stay out of selectors"},
		{&e.includeTemplates, "kustomize-label-include-templates", "Kustomize labels go into the templates of pods too"},
		{&e.ignoreComponents, "ignore-missing-components", "leave out Kustomize components that do not exist"},
	} {
		fs.BoolVar(f.into, f.name, false, f.usage)
	}
	for _, f := range []struct {
		into        *[]string
		name, usage string
	}{
		{&e.extStr, "jsonnet-ext-var-str", "Jsonnet external variable name=text (may be repeated)"},
		{&e.extCode, "jsonnet-ext-var-code", "Jsonnet external variable name=expression (may be repeated)"},
		{&e.tlaStr, "jsonnet-tla-str", "Jsonnet top-level argument name=text (may be repeated)"},
		{&e.tlaCode, "jsonnet-tla-code", "Jsonnet top-level argument name=expression (may be repeated)"},
		{&e.libs, "jsonnet-libs", "Jsonnet library directory (may be repeated)"},
		{&e.pluginEnv, "plugin-env", "variable of the plugin name=value (may be repeated)"},
		{&e.helmAPIs, "helm-api-versions", "API version that the chart is told of (may be repeated)"},
		{&e.kustomizeAPIs, "kustomize-api-versions", "API version that Helm charts of the kustomization are told of (may be repeated)"},
	} {
		fs.StringArrayVar(f.into, f.name, nil, f.usage)
	}
}

func helmExtras() []string {
	return []string{"values-literal-file", "helm-version", "helm-kube-version", "helm-api-versions"}
}

func kustomizeExtras() []string {
	return []string{"kustomize-version", "kustomize-kube-version", "kustomize-api-versions", "kustomize-force-common-label",
		"kustomize-force-common-annotation", "kustomize-label-without-selector", "kustomize-label-include-templates", "ignore-missing-components"}
}

func jsonnetExtras() []string {
	return []string{"jsonnet-ext-var-str", "jsonnet-ext-var-code", "jsonnet-tla-str", "jsonnet-tla-code", "jsonnet-libs"}
}

// names are the flags that change a source.
func (e *sourceExtras) names() []string {
	return slices.Concat(helmExtras(), kustomizeExtras(), jsonnetExtras(), []string{"config-management-plugin", "plugin-env"})
}

func (e *sourceExtras) given(names ...string) bool { return slices.ContainsFunc(names, e.fs.Changed) }

// apply lays the flags over a source.
func (e *sourceExtras) apply(source *v1alpha1.ApplicationSource) error {
	if e.given(helmExtras()...) {
		if source.Helm == nil {
			source.Helm = &v1alpha1.ApplicationSourceHelm{}
		}
		h := source.Helm
		e.set(map[string]func(){
			"values-literal-file": func() { h.Values, h.ValuesObject = e.literal, nil },
			"helm-version":        func() { h.Version = e.helmVersion },
			"helm-kube-version":   func() { h.KubeVersion = e.helmKube },
			"helm-api-versions":   func() { h.APIVersions = e.helmAPIs },
		})
	}
	if e.given(kustomizeExtras()...) {
		if source.Kustomize == nil {
			source.Kustomize = &v1alpha1.ApplicationSourceKustomize{}
		}
		k := source.Kustomize
		e.set(map[string]func(){
			"kustomize-version":                 func() { k.Version = e.kustomizeVersion },
			"kustomize-kube-version":            func() { k.KubeVersion = e.kustomizeKube },
			"kustomize-api-versions":            func() { k.APIVersions = e.kustomizeAPIs },
			"kustomize-force-common-label":      func() { k.ForceCommonLabels = e.forceLabels },
			"kustomize-force-common-annotation": func() { k.ForceCommonAnnotations = e.forceAnnotations },
			"kustomize-label-without-selector":  func() { k.LabelWithoutSelector = e.withoutSelector },
			"kustomize-label-include-templates": func() { k.LabelIncludeTemplates = e.includeTemplates },
			"ignore-missing-components":         func() { k.IgnoreMissingComponents = e.ignoreComponents },
		})
	}
	if e.given(jsonnetExtras()...) {
		if source.Directory == nil {
			source.Directory = &v1alpha1.ApplicationSourceDirectory{}
		}
		if err := e.applyJsonnet(&source.Directory.Jsonnet); err != nil {
			return err
		}
	}
	return e.applyPlugin(source)
}

func (e *sourceExtras) set(fields map[string]func()) {
	for flag, set := range fields {
		if e.fs.Changed(flag) {
			set()
		}
	}
}

// applyJsonnet sets variables by name; those that are not named stay.
func (e *sourceExtras) applyJsonnet(j *v1alpha1.ApplicationSourceJsonnet) error {
	for _, v := range []struct {
		pairs []string
		into  *[]v1alpha1.JsonnetVar
		code  bool
	}{{e.extStr, &j.ExtVars, false}, {e.extCode, &j.ExtVars, true}, {e.tlaStr, &j.TLAs, false}, {e.tlaCode, &j.TLAs, true}} {
		for _, pair := range v.pairs {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" {
				return usageError("%q is not of the form name=value", pair)
			}
			*v.into = slices.DeleteFunc(*v.into, func(have v1alpha1.JsonnetVar) bool { return have.Name == name })
			*v.into = append(*v.into, v1alpha1.JsonnetVar{Name: name, Value: value, Code: v.code})
		}
	}
	if e.given("jsonnet-libs") {
		j.Libs = e.libs
	}
	return nil
}

func (e *sourceExtras) applyPlugin(source *v1alpha1.ApplicationSource) error {
	if !e.given("config-management-plugin", "plugin-env") {
		return nil
	}
	if source.Plugin == nil {
		source.Plugin = &v1alpha1.ApplicationSourcePlugin{}
	}
	p := source.Plugin
	if e.given("config-management-plugin") {
		p.Name = e.plugin
	}
	for _, pair := range e.pluginEnv {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usageError("%q is not of the form name=value", pair)
		}
		p.Env = slices.DeleteFunc(p.Env, func(have v1alpha1.EnvEntry) bool { return have.Name == name })
		p.Env = append(p.Env, v1alpha1.EnvEntry{Name: name, Value: value})
	}
	return nil
}

// hydrate lays the flags over the source hydrator.
func (e *sourceExtras) hydrate(spec *v1alpha1.ApplicationSpec) {
	if !e.given("dry-source-repo", "dry-source-revision", "dry-source-path", "sync-source-repo", "sync-source-branch", "sync-source-path", "hydrate-to-branch") {
		return
	}
	if spec.SourceHydrator == nil {
		spec.SourceHydrator = &v1alpha1.SourceHydrator{}
	}
	h := spec.SourceHydrator
	e.set(map[string]func(){
		"dry-source-repo":     func() { h.DrySource.RepoURL = e.dryRepo },
		"dry-source-revision": func() { h.DrySource.TargetRevision = e.dryRevision },
		"dry-source-path":     func() { h.DrySource.Path = e.dryPath },
		"sync-source-repo":    func() { h.SyncSource.RepoURL = e.syncRepo },
		"sync-source-branch":  func() { h.SyncSource.TargetBranch = e.syncBranch },
		"sync-source-path":    func() { h.SyncSource.Path = e.syncPath },
		"hydrate-to-branch":   func() { h.HydrateTo = &v1alpha1.HydrateTo{TargetBranch: e.hydTo} },
	})
}
