package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/belaycd/belay/api/v1alpha1"
)

// specFlags describe or change the spec of an application. Only flags that were given count.
type specFlags struct {
	fs *pflag.FlagSet

	repo, path, revision, chart, ref, sourceName                 string
	destServer, destName, destNamespace, project                 string
	syncPolicy                                                   string
	autoPrune, selfHeal, allowEmpty                              bool
	syncOptions                                                  []string
	historyLimit                                                 int64
	retry                                                        retryFlags
	valueFiles, helmSet, helmSetString, helmSetFile, parameters  []string
	values, releaseName, helmNamespace                           string
	ignoreMissing, skipCRDs, skipTests, skipSchema, passCreds    bool
	namePrefix, nameSuffix, kustomizeNamespace                   string
	images, replicas, commonLabels, commonAnnotations, addedComp []string
	directoryRecurse                                             bool
	directoryInclude, directoryExclude                           string
	sourcePosition                                               int
	extras                                                       sourceExtras
}

func (s *specFlags) bind(fs *pflag.FlagSet) {
	s.fs = fs
	for _, f := range []struct {
		into        *string
		name, usage string
	}{
		{&s.repo, "repo", "URL of the repository"},
		{&s.path, "path", "path in the repository"},
		{&s.revision, "revision", "branch, tag, commit or version range"},
		{&s.chart, "helm-chart", "name of the chart in a Helm repository"},
		{&s.ref, "ref", "name under which value files of other sources refer to this one"},
		{&s.sourceName, "source-name", "name of the source to change"},
		{&s.destServer, "dest-server", "address of the destination cluster"},
		{&s.destName, "dest-name", "name of the destination cluster"},
		{&s.destNamespace, "dest-namespace", "namespace in the destination cluster"},
		{&s.project, "project", "project of the application"},
		{&s.syncPolicy, "sync-policy", "manual (none) or automated (auto)"},
		{&s.releaseName, "release-name", "Helm release name"},
		{&s.helmNamespace, "helm-namespace", "namespace that the chart is rendered for"},
		{&s.namePrefix, "nameprefix", "Kustomize name prefix"},
		{&s.nameSuffix, "namesuffix", "Kustomize name suffix"},
		{&s.kustomizeNamespace, "kustomize-namespace", "Kustomize namespace"},
		{&s.directoryInclude, "directory-include", "glob of the files to read"},
		{&s.directoryExclude, "directory-exclude", "glob of the files to leave out"},
		{&s.values, "values-literal", "Helm values, literally"},
	} {
		fs.StringVar(f.into, f.name, "", f.usage)
	}
	for _, f := range []struct {
		into        *bool
		name, usage string
	}{
		{&s.autoPrune, "auto-prune", "automated sync deletes what is no longer in Git"},
		{&s.selfHeal, "self-heal", "automated sync reverts changes in the cluster"},
		{&s.allowEmpty, "allow-empty", "automated sync may delete every object"},
		{&s.ignoreMissing, "ignore-missing-value-files", "leave out Helm value files that do not exist"},
		{&s.skipCRDs, "helm-skip-crds", "leave out the CRDs of the chart"},
		{&s.skipTests, "helm-skip-tests", "leave out the tests of the chart"},
		{&s.skipSchema, "helm-skip-schema-validation", "do not check values against the chart's schema"},
		{&s.passCreds, "helm-pass-credentials", "pass credentials to all domains"},
		{&s.directoryRecurse, "directory-recurse", "read directories below the path as well"},
	} {
		fs.BoolVar(f.into, f.name, false, f.usage)
	}
	for _, f := range []struct {
		into        *[]string
		name, usage string
	}{
		{&s.syncOptions, "sync-option", "sync option Name=value; !Name=value removes it (may be repeated)"},
		{&s.valueFiles, "values", "Helm value file (may be repeated)"},
		{&s.helmSet, "helm-set", "Helm parameter name=value (may be repeated)"},
		{&s.helmSetString, "helm-set-string", "Helm parameter name=value, always text (may be repeated)"},
		{&s.helmSetFile, "helm-set-file", "Helm parameter name=path of a file (may be repeated)"},
		{&s.images, "kustomize-image", "Kustomize image [old=]new[:tag][@digest] (may be repeated)"},
		{&s.replicas, "kustomize-replica", "Kustomize replicas name=count (may be repeated)"},
		{&s.commonLabels, "kustomize-common-label", "Kustomize label key=value (may be repeated)"},
		{&s.commonAnnotations, "kustomize-common-annotation", "Kustomize annotation key=value (may be repeated)"},
		{&s.addedComp, "kustomize-component", "Kustomize component (may be repeated)"},
	} {
		fs.StringArrayVar(f.into, f.name, nil, f.usage)
	}
	fs.StringArrayVarP(&s.parameters, "parameter", "p", nil, "Helm parameter name=value, as --helm-set (may be repeated)")
	fs.Int64Var(&s.historyLimit, "revision-history-limit", 10, "how many deployments to remember")
	fs.IntVar(&s.sourcePosition, "source-position", 0, "position of the source to change, from 1, for several sources")
	s.retry.bind(fs)
	s.extras.bind(fs)
	fs.SetNormalizeFunc(specAliases)
}

// specAliases maps argocd's second names of flags onto the first.
func specAliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if rest, ok := strings.CutPrefix(name, "sync-retry-"); ok {
		name = "retry-" + rest
	}
	return pflag.NormalizedName(name)
}

// given reports whether any of the flags was on the command line.
func (s *specFlags) given(names ...string) bool {
	return slices.ContainsFunc(names, s.fs.Changed)
}

// apply lays the flags over the spec.
func (s *specFlags) apply(app *v1alpha1.Application) error {
	if err := s.retry.check(); err != nil {
		return err
	}
	spec := &app.Spec
	if s.given("project") {
		spec.Project = s.project
	}
	// A cluster has an address or a name: setting one takes the other away.
	if s.given("dest-server") {
		spec.Destination.Server, spec.Destination.Name = s.destServer, ""
	}
	if s.given("dest-name") {
		spec.Destination.Name = s.destName
		if !s.given("dest-server") {
			spec.Destination.Server = ""
		}
	}
	if s.given("dest-namespace") {
		spec.Destination.Namespace = s.destNamespace
	}
	if s.given("revision-history-limit") {
		if s.historyLimit < 0 {
			return usageError("--revision-history-limit %d is negative", s.historyLimit)
		}
		limit := s.historyLimit
		spec.RevisionHistoryLimit = &limit
	}
	if err := s.applyPolicy(spec); err != nil {
		return err
	}
	s.extras.hydrate(spec)
	return s.applySource(spec)
}

// applyPolicy changes the sync policy.
func (s *specFlags) applyPolicy(spec *v1alpha1.ApplicationSpec) error {
	if !s.given("sync-policy", "auto-prune", "self-heal", "allow-empty", "sync-option", "retry-limit", "retry-refresh") {
		return nil
	}
	if spec.SyncPolicy == nil {
		spec.SyncPolicy = &v1alpha1.SyncPolicy{}
	}
	p := spec.SyncPolicy
	if s.given("sync-policy") {
		switch s.syncPolicy {
		case "manual", "none":
			p.Automated = nil
		case "automated", "auto":
			if p.Automated == nil {
				p.Automated = &v1alpha1.SyncPolicyAutomated{}
			}
			p.Automated.Enabled = nil
		default:
			return usageError("unknown sync policy %q: it is manual or automated", s.syncPolicy)
		}
	}
	for flag, set := range map[string]func(*v1alpha1.SyncPolicyAutomated){
		"auto-prune":  func(a *v1alpha1.SyncPolicyAutomated) { a.Prune = s.autoPrune },
		"self-heal":   func(a *v1alpha1.SyncPolicyAutomated) { a.SelfHeal = s.selfHeal },
		"allow-empty": func(a *v1alpha1.SyncPolicyAutomated) { a.AllowEmpty = s.allowEmpty },
	} {
		if !s.given(flag) {
			continue
		}
		if p.Automated == nil {
			return usageError("--%s belongs to automated sync: add --sync-policy automated", flag)
		}
		set(p.Automated)
	}
	for _, option := range s.syncOptions {
		if removed, ok := strings.CutPrefix(option, "!"); ok {
			p.SyncOptions = slices.DeleteFunc(p.SyncOptions, func(have string) bool { return have == removed })
		} else if name, _, ok := strings.Cut(option, "="); !ok || name == "" {
			return usageError("%q is no sync option: it needs Name=value", option)
		} else if !p.SyncOptions.Has(option) {
			p.SyncOptions = append(p.SyncOptions, option)
		}
	}
	if s.given("retry-limit", "retry-refresh") {
		p.Retry = s.retry.explicit()
		if s.retry.limit == 0 && !s.retry.refresh {
			p.Retry = nil
		}
	}
	if p.Automated == nil && p.Retry == nil && len(p.SyncOptions) == 0 && p.ManagedNamespaceMetadata == nil {
		spec.SyncPolicy = nil
	}
	return nil
}

// sourceFlags are the flags that change a source.
func sourceFlags() []string {
	return []string{"repo", "path", "revision", "helm-chart", "ref", "release-name", "helm-namespace", "values", "values-literal",
		"helm-set", "helm-set-string", "helm-set-file", "parameter", "ignore-missing-value-files", "helm-skip-crds", "helm-skip-tests",
		"helm-skip-schema-validation", "helm-pass-credentials", "nameprefix", "namesuffix", "kustomize-namespace", "kustomize-image",
		"kustomize-replica", "kustomize-common-label", "kustomize-common-annotation", "kustomize-component", "directory-recurse",
		"directory-include", "directory-exclude"}
}

// applySource changes the one source, or the chosen one of several.
func (s *specFlags) applySource(spec *v1alpha1.ApplicationSpec) error {
	if !s.given(sourceFlags()...) && !s.given(s.extras.names()...) {
		return nil
	}
	source, err := s.chosenSource(spec)
	if err != nil {
		return err
	}
	return s.applyTo(source)
}

// applyTo lays the flags over one source.
func (s *specFlags) applyTo(source *v1alpha1.ApplicationSource) error {
	for flag, set := range map[string]func(){
		"repo":       func() { source.RepoURL = s.repo },
		"path":       func() { source.Path = s.path },
		"revision":   func() { source.TargetRevision = s.revision },
		"helm-chart": func() { source.Chart = s.chart },
		"ref":        func() { source.Ref = s.ref },
	} {
		if s.given(flag) {
			set()
		}
	}
	if err := s.applyHelm(source); err != nil {
		return err
	}
	if err := s.extras.apply(source); err != nil {
		return err
	}
	if err := s.applyKustomize(source); err != nil {
		return err
	}
	if s.given("directory-recurse", "directory-include", "directory-exclude") {
		if source.Directory == nil {
			source.Directory = &v1alpha1.ApplicationSourceDirectory{}
		}
		d := source.Directory
		if s.given("directory-recurse") {
			d.Recurse = s.directoryRecurse
		}
		if s.given("directory-include") {
			d.Include = s.directoryInclude
		}
		if s.given("directory-exclude") {
			d.Exclude = s.directoryExclude
		}
	}
	return nil
}

// chosenSource is the source that the flags are about: the only one, or the one that a position or a name chooses.
func (s *specFlags) chosenSource(spec *v1alpha1.ApplicationSpec) (*v1alpha1.ApplicationSource, error) {
	if len(spec.Sources) == 0 {
		if spec.Source == nil {
			spec.Source = &v1alpha1.ApplicationSource{}
		}
		return spec.Source, nil
	}
	if !s.given("source-position", "source-name") {
		return nil, usageError("the application has %d sources: choose one with --source-position or --source-name", len(spec.Sources))
	}
	at, err := s.sourceIndex(spec.Sources)
	if err != nil {
		return nil, err
	}
	return &spec.Sources[at], nil
}

// sourceIndex is the index of the source that --source-position or --source-name chooses.
func (s *specFlags) sourceIndex(sources v1alpha1.ApplicationSources) (int, error) {
	switch {
	case s.given("source-position") && s.given("source-name"):
		return 0, usageError("only one of --source-position and --source-name can be specified")
	case s.given("source-name"):
		at := slices.IndexFunc(sources, func(have v1alpha1.ApplicationSource) bool { return have.Name == s.sourceName && s.sourceName != "" })
		if at < 0 {
			return 0, usageError("the application has no source of the name %q", s.sourceName)
		}
		return at, nil
	case s.sourcePosition < 1:
		return 0, usageError("--source-position %d: the value must be greater than 0, counting starts at 1", s.sourcePosition)
	case s.sourcePosition > len(sources):
		return 0, usageError("the application does not have a source at position %d: it has %d", s.sourcePosition, len(sources))
	}
	return s.sourcePosition - 1, nil
}

func (s *specFlags) applyHelm(source *v1alpha1.ApplicationSource) error {
	if !s.given("release-name", "helm-namespace", "values", "values-literal", "helm-set", "helm-set-string", "helm-set-file", "parameter",
		"ignore-missing-value-files", "helm-skip-crds", "helm-skip-tests", "helm-skip-schema-validation", "helm-pass-credentials") {
		return nil
	}
	if source.Helm == nil {
		source.Helm = &v1alpha1.ApplicationSourceHelm{}
	}
	h := source.Helm
	for flag, set := range map[string]func(){
		"release-name":                func() { h.ReleaseName = s.releaseName },
		"helm-namespace":              func() { h.Namespace = s.helmNamespace },
		"values":                      func() { h.ValueFiles = s.valueFiles },
		"values-literal":              func() { h.Values, h.ValuesObject = s.values, nil },
		"ignore-missing-value-files":  func() { h.IgnoreMissingValueFiles = s.ignoreMissing },
		"helm-skip-crds":              func() { h.SkipCrds = s.skipCRDs },
		"helm-skip-tests":             func() { h.SkipTests = s.skipTests },
		"helm-skip-schema-validation": func() { h.SkipSchemaValidation = s.skipSchema },
		"helm-pass-credentials":       func() { h.PassCredentials = s.passCreds },
	} {
		if s.given(flag) {
			set()
		}
	}
	for _, pair := range slices.Concat(s.parameters, s.helmSet) {
		if err := setParameter(h, pair, false); err != nil {
			return err
		}
	}
	for _, pair := range s.helmSetString {
		if err := setParameter(h, pair, true); err != nil {
			return err
		}
	}
	for _, pair := range s.helmSetFile {
		name, file, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usageError("%q is not of the form name=path", pair)
		}
		h.FileParameters = slices.DeleteFunc(h.FileParameters, func(p v1alpha1.HelmFileParameter) bool { return p.Name == name })
		h.FileParameters = append(h.FileParameters, v1alpha1.HelmFileParameter{Name: name, Path: file})
	}
	return nil
}

func setParameter(h *v1alpha1.ApplicationSourceHelm, pair string, text bool) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return usageError("%q is not of the form name=value", pair)
	}
	p := v1alpha1.HelmParameter{Name: name, Value: value, ForceString: text}
	if i := slices.IndexFunc(h.Parameters, func(have v1alpha1.HelmParameter) bool { return have.Name == name }); i >= 0 {
		h.Parameters[i] = p
		return nil
	}
	h.Parameters = append(h.Parameters, p)
	return nil
}

func (s *specFlags) applyKustomize(source *v1alpha1.ApplicationSource) error {
	if !s.given("nameprefix", "namesuffix", "kustomize-namespace", "kustomize-image", "kustomize-replica", "kustomize-common-label",
		"kustomize-common-annotation", "kustomize-component") {
		return nil
	}
	if source.Kustomize == nil {
		source.Kustomize = &v1alpha1.ApplicationSourceKustomize{}
	}
	k := source.Kustomize
	if s.given("nameprefix") {
		k.NamePrefix = s.namePrefix
	}
	if s.given("namesuffix") {
		k.NameSuffix = s.nameSuffix
	}
	if s.given("kustomize-namespace") {
		k.Namespace = s.kustomizeNamespace
	}
	k.Components = append(k.Components, s.addedComp...)
	for _, image := range s.images {
		name := imageName(image)
		k.Images = slices.DeleteFunc(k.Images, func(have v1alpha1.KustomizeImage) bool { return imageName(string(have)) == name })
		k.Images = append(k.Images, v1alpha1.KustomizeImage(image))
	}
	for _, pair := range s.replicas {
		name, count, ok := strings.Cut(pair, "=")
		n, err := strconv.ParseInt(count, 10, 32)
		if !ok || name == "" || err != nil || n < 0 {
			return usageError("%q is not of the form name=count", pair)
		}
		k.Replicas = slices.DeleteFunc(k.Replicas, func(r v1alpha1.KustomizeReplica) bool { return r.Name == name })
		k.Replicas = append(k.Replicas, v1alpha1.KustomizeReplica{Name: name, Count: intstr.FromInt32(int32(n))})
	}
	if err := setPairs(&k.CommonLabels, s.commonLabels); err != nil {
		return fmt.Errorf("--kustomize-common-label: %w", err)
	}
	if err := setPairs(&k.CommonAnnotations, s.commonAnnotations); err != nil {
		return fmt.Errorf("--kustomize-common-annotation: %w", err)
	}
	return nil
}

// imageName is the image that an override replaces: the part before =, or the new name without tag and digest.
func imageName(image string) string {
	if old, _, ok := strings.Cut(image, "="); ok {
		return old
	}
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image
}
