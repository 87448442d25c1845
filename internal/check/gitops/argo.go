package gitops

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
)

const (
	waveKey   = "argocd.argoproj.io/sync-wave"
	hookKey   = "argocd.argoproj.io/hook"
	policyKey = "argocd.argoproj.io/hook-delete-policy"
	optionKey = "argocd.argoproj.io/sync-options"
)

func waveRule() check.Rule {
	return check.Rule{
		ID: "sync-order", Title: "object that waits for a later wave", Severity: check.Error,
		Why: "A sync applies one wave after the other and begins the next one when the objects of the last are healthy. An object that needs another one of a later wave, or of a later phase, never becomes healthy, so that the sync waits until it fails.",
		Fix: "Give what is needed a wave that is not later than that of the object which needs it; what a hook needs must be a hook of the same phase, with a smaller wave.",
	}
}

func annotationRule() check.Rule {
	return check.Rule{
		ID: "argo-annotation", Title: "annotation of Argo CD with an unknown value", Severity: check.Error,
		Why: "A hook phase, a deletion policy or a sync option with an unknown name is ignored: the object is applied at another time, or deleted, although its author meant otherwise.",
		Fix: "Write the name as the documentation has it; letter case counts.",
	}
}

// turn is when an object is applied.
type turn struct{ phase, wave int }

func (t turn) after(o turn) bool {
	return cmp.Or(cmp.Compare(t.phase, o.phase), cmp.Compare(t.wave, o.wave)) > 0
}

func (t turn) String() string {
	return [...]string{"PreSync", "Sync", "PostSync"}[t.phase] + " wave " + strconv.Itoa(t.wave)
}

// turnOf returns when an object is applied; known is false for what is not applied in a sync.
func turnOf(o *check.Object) (t turn, known bool) {
	t = turn{phase: 1}
	t.wave, _ = strconv.Atoi(annotation(o, waveKey))
	hooks := names(annotation(o, hookKey))
	if helm := names(annotation(o, "helm.sh/hook")); len(hooks) == 0 && len(helm) > 0 {
		t.wave, _ = strconv.Atoi(annotation(o, "helm.sh/hook-weight"))
		switch {
		case slices.Contains(helm, "pre-install") || slices.Contains(helm, "pre-upgrade"):
			t.phase = 0
		case slices.Contains(helm, "post-install") || slices.Contains(helm, "post-upgrade"):
			t.phase = 2
		case slices.Contains(helm, "crd-install"):
		default:
			return t, false
		}
		return t, true
	}
	if len(hooks) > 0 {
		phase := slices.Index([]string{"PreSync", "Sync", "PostSync"}, hooks[0])
		if phase < 0 || len(hooks) > 1 {
			return t, false
		}
		t.phase = phase
	}
	return t, true
}

func names(list string) (out []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

func waves(repo *check.Repository, report func(check.Finding)) {
	for _, u := range repo.Units {
		wavesOf(u, report)
	}
}

func wavesOf(u *check.Unit, report func(check.Finding)) {
	ordered := false
	namespaces, others, kinds := map[string]*check.Object{}, map[string]*check.Object{}, map[schema.GroupKind]*check.Object{}
	for _, o := range u.Objects {
		if t, known := turnOf(o); known {
			ordered = ordered || t != turn{phase: 1}
		}
		others[o.GetNamespace()+"\x00"+o.GetKind()+"/"+o.GetName()] = o
		if o.GetKind() == "Namespace" && o.GroupVersionKind().Group == "" {
			namespaces[o.GetName()] = o
		}
		if gk, _, ok := diff.DefinedKind(o.Unstructured); ok {
			kinds[gk] = o
		}
	}
	if !ordered {
		return
	}
	for _, o := range u.Objects {
		at, known := turnOf(o)
		if !known {
			continue
		}
		later := func(need *check.Object, path, why string) {
			if need == nil || need == o {
				return
			}
			if t, ok := turnOf(need); ok && t.after(at) {
				report(check.Finding{Rule: "sync-order", Object: o, Path: path, Message: fmt.Sprintf("%s (%s) %s %s, which comes in %s", kindName(o), at, why, kindName(need), t)})
			}
		}
		annotated := check.Join("metadata.annotations", waveKey)
		later(namespaces[o.GetNamespace()], annotated, "lives in")
		later(kinds[o.GroupVersionKind().GroupKind()], annotated, "is of the kind of")
		if check.PodOf(o.Unstructured) == nil {
			continue
		}
		for _, r := range referencesOf(o) {
			later(others[o.GetNamespace()+"\x00"+r.key()], r.path, "needs")
		}
	}
}

func annotations(repo *check.Repository, report func(check.Finding)) {
	each(repo, func(o *check.Object) {
		if len(metadataMap(o, "annotations")) == 0 {
			return
		}
		for _, c := range []struct {
			key   string
			known []string
		}{
			{hookKey, []string{"PreSync", "Sync", "PostSync", "SyncFail", "Skip", "PreDelete", "PostDelete"}},
			{policyKey, []string{"HookSucceeded", "HookFailed", "BeforeHookCreation"}},
		} {
			for _, name := range names(annotation(o, c.key)) {
				if !slices.Contains(c.known, name) {
					tell(o, c.key, fmt.Sprintf("%q is none of %s", name, strings.Join(c.known, ", ")), report)
				}
			}
		}
		if wave := annotation(o, waveKey); wave != "" {
			if _, err := strconv.Atoi(wave); err != nil {
				tell(o, waveKey, fmt.Sprintf("%q is no whole number", wave), report)
			}
		}
		for _, option := range names(annotation(o, optionKey)) {
			name, _, ok := strings.Cut(option, "=")
			if !ok || !slices.Contains(optionNames(), name) {
				tell(o, optionKey, fmt.Sprintf("%q is no sync option", option), report)
			}
		}
	})
}

// optionNames are the sync options that an object can have, and those of an application that some write on objects without
// harm.
func optionNames() []string {
	return []string{"Prune", "Delete", "Validate", "SkipDryRunOnMissingResource", "PruneLast", "Replace", "Force", "ServerSideApply", "ClientSideApplyMigration",
		"ApplyOutOfSyncOnly", "CreateNamespace", "FailOnSharedResource", "PrunePropagationPolicy", "RespectIgnoreDifferences"}
}

func tell(o *check.Object, key, what string, report func(check.Finding)) {
	report(check.Finding{Rule: "argo-annotation", Object: o, Path: check.Join("metadata.annotations", key), Message: fmt.Sprintf("%s: %s: %s", kindName(o), key, what)})
}
