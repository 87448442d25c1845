package project

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Validate judges app by itself and against what the project demands of all of its applications. The result is what
// ValidateSpec returns and the conditions of the project, in an order that depends on app and the project alone.
func (p *Project) Validate(app *v1alpha1.Application) []v1alpha1.ApplicationCondition {
	out := append(ValidateSpec(app), conditions("AppProject "+p.name, p.pending)...)
	if err := p.Windows(app).Invalid(); err != nil {
		out = append(out, v1alpha1.ApplicationCondition{Type: v1alpha1.ConditionSyncError, Message: fmt.Sprintf(
			"no sync starts, because a sync window cannot be read: %s; correct or remove it", err)})
	}
	return out
}

// ValidateSpec judges the fields of app by themselves: InvalidSpecError for what cannot work, ComparisonError for what
// must not be synced, SpecWarning for what has no effect. Transition times are not set.
func ValidateSpec(app *v1alpha1.Application) []v1alpha1.ApplicationCondition {
	v := &findings{}
	v.destination(app.Spec.Destination)
	v.sources(&app.Spec)
	v.policy(app.Spec.SyncPolicy)
	return append(v.found, conditions("the Application", pendingOfApp(&app.Spec))...)
}

type findings struct {
	found []v1alpha1.ApplicationCondition
}

func (v *findings) wrong(format string, args ...any) {
	v.found = append(v.found, v1alpha1.ApplicationCondition{Type: v1alpha1.ConditionInvalidSpecError, Message: fmt.Sprintf(format, args...)})
}

func (v *findings) warn(format string, args ...any) {
	v.found = append(v.found, v1alpha1.ApplicationCondition{Type: v1alpha1.ConditionSpecWarning, Message: fmt.Sprintf(format, args...)})
}

func (v *findings) destination(d v1alpha1.ApplicationDestination) {
	switch {
	case d.Server == "" && d.Name == "":
		v.wrong("Destination server missing from app spec: set spec.destination.server or spec.destination.name")
	case d.Server != "" && d.Name != "":
		v.wrong("application destination can't have both name and server defined: %s %s; remove one of them from spec.destination", d.Name, d.Server)
	}
	if d.Namespace != "" {
		if errs := validation.IsDNS1123Label(d.Namespace); len(errs) > 0 {
			v.wrong("spec.destination.namespace %q is no namespace name: %s", clip(d.Namespace), errs[0])
		}
	}
}

// sourceField names source i of the spec as people write it.
func sourceField(spec *v1alpha1.ApplicationSpec, i int) string {
	if len(spec.Sources) > 0 {
		return fmt.Sprintf("spec.sources[%d]", i)
	}
	return "spec.source"
}

func (v *findings) sources(spec *v1alpha1.ApplicationSpec) {
	sources := spec.GetSources()
	if len(sources) == 0 && spec.SourceHydrator == nil {
		v.wrong("spec.source.repoURL and either spec.source.path or spec.source.chart are required; the Application has no source")
	}
	if len(spec.Sources) > 0 && spec.Source != nil {
		v.warn("spec.source has no effect, because spec.sources is set too")
	}
	for i := range sources {
		v.source(sourceField(spec, i), &sources[i])
	}
	if len(spec.Sources) > 0 {
		v.refs(spec.Sources)
	} else if spec.Source != nil && spec.Source.Ref != "" {
		v.warn("spec.source.ref has no effect, because no other source can refer to it; write the sources in spec.sources")
	}
}

// refs judges how the sources of a list refer to each other.
func (v *findings) refs(sources v1alpha1.ApplicationSources) {
	first := map[string]int{}
	manifests := false
	for i := range sources {
		s := &sources[i]
		manifests = manifests || !s.IsRefOnly()
		if s.Ref == "" {
			continue
		}
		if strings.Trim(s.Ref, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			v.wrong("spec.sources[%d].ref %q may have only letters, digits, '_' and '-'", i, clip(s.Ref))
		}
		if at, taken := first[s.Ref]; taken {
			v.wrong("spec.sources[%d].ref %q is that of spec.sources[%d] too; give each source a ref of its own", i, clip(s.Ref), at)
			continue
		}
		first[s.Ref] = i
	}
	if !manifests {
		v.wrong("none of spec.sources has a path or a chart, so that there is nothing to deploy")
	}
}

func (v *findings) source(at string, s *v1alpha1.ApplicationSource) {
	switch {
	case strings.TrimSpace(s.RepoURL) == "":
		v.wrong("%s.repoURL is empty; set it to the address of a repository", at)
	case s.Path == "" && s.Chart == "" && (s.Ref == "" || at == "spec.source"):
		v.wrong("%s.repoURL and either %s.path, %s.chart, or %s.ref are required; use path: . for the top of the repository", at, at, at, at)
	}
	if s.Path != "" && s.Chart != "" {
		v.warn("%s.path has no effect, because %s.chart is set too", at, at)
	}
	if escapes(s.Path) {
		v.wrong("%s.path %q leaves the repository; it must be relative to the top of it", at, clip(s.Path))
	}
	var types []string
	for _, t := range []struct {
		set  bool
		name string
	}{{s.Helm != nil, "helm"}, {s.Kustomize != nil, "kustomize"}, {s.Directory != nil, "directory"}, {s.Plugin != nil, "plugin"}} {
		if t.set {
			types = append(types, t.name)
		}
	}
	if len(types) > 1 {
		v.wrong("multiple application sources defined: %s; keep one of them in %s", strings.Join(types, ","), at)
	}
	if s.Chart != "" && s.TargetRevision == "" {
		v.wrong("%s.targetRevision is required for a chart; set it to a version or a range of versions", at)
	}
}

// escapes reports whether a path is absolute or leads out of the repository.
func escapes(p string) bool {
	clean := path.Clean(p)
	return path.IsAbs(p) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsRune(p, 0)
}

func (v *findings) policy(p *v1alpha1.SyncPolicy) {
	if p == nil {
		return
	}
	for _, option := range p.SyncOptions {
		if why := unknownOption(option); why != "" {
			v.warn("spec.syncPolicy.syncOptions: %q has no effect: %s", clip(option), why)
		}
	}
	if p.ManagedNamespaceMetadata != nil && !p.SyncOptions.Has("CreateNamespace=true") {
		v.warn("spec.syncPolicy.managedNamespaceMetadata has no effect without the sync option CreateNamespace=true")
	}
	if p.Retry == nil || p.Retry.Backoff == nil {
		return
	}
	b := p.Retry.Backoff
	for _, d := range []struct{ field, text string }{{"duration", b.Duration}, {"maxDuration", b.MaxDuration}} {
		if !isDuration(d.text) {
			v.wrong("spec.syncPolicy.retry.backoff.%s %q is no duration; write for example 5s or 3m", d.field, clip(d.text))
		}
	}
	if b.Factor != nil && *b.Factor < 1 {
		v.warn("spec.syncPolicy.retry.backoff.factor %d has no effect; it must be 1 or more", *b.Factor)
	}
}

// isDuration takes what Argo CD takes: a Go duration or whole seconds, not negative.
func isDuration(text string) bool {
	if text == "" {
		return true
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n >= 0
	}
	d, err := time.ParseDuration(text)
	return err == nil && d >= 0
}

// unknownOption says why an option of an application's syncPolicy has no effect, or returns "".
func unknownOption(option string) string {
	name, value, ok := strings.Cut(option, "=")
	if !ok {
		return "write it as Name=value"
	}
	values, known := optionValues(name)
	if !known {
		return "no sync option has that name"
	}
	for _, allowed := range values {
		if value == allowed {
			return ""
		}
	}
	return name + " takes " + strings.Join(values, ", ")
}

// optionValues returns the values of a sync option, see https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/.
func optionValues(name string) ([]string, bool) {
	switch name {
	case "Prune", "Delete":
		return []string{"true", "false", "confirm"}, true
	case "PrunePropagationPolicy":
		return []string{"foreground", "background", "orphan"}, true
	case "Validate", "SkipDryRunOnMissingResource", "ApplyOutOfSyncOnly", "PruneLast", "Replace", "Force",
		"ServerSideApply", "ClientSideApplyMigration", "FailOnSharedResource", "RespectIgnoreDifferences", "CreateNamespace":
		return []string{"true", "false"}, true
	}
	return nil, false
}

// clip bounds a value that a message repeats.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "..."
	}
	return s
}
