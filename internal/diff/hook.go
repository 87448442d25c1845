package diff

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
)

// IsHook reports whether the object runs only during a sync or a deletion (or never: Skip, Helm's test and rollback
// hooks, and types that nobody knows). A Helm crd-install hook is a plain object.
func IsHook(u *unstructured.Unstructured) bool {
	if len(words(u, v1alpha1.AnnotationHook)) > 0 {
		return true
	}
	return slices.ContainsFunc(words(u, v1alpha1.AnnotationHelmHook), func(h string) bool { return h != "crd-install" })
}

// HookTypes returns when the hook runs, in the order of the annotation and each type once. Argo CD's own annotation beats
// Helm's. Skip beats everything; a hook of no type that runs has none.
func HookTypes(u *unstructured.Unstructured) []v1alpha1.HookType {
	var out []v1alpha1.HookType
	add := func(t v1alpha1.HookType) {
		if t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	own := words(u, v1alpha1.AnnotationHook)
	for _, w := range own {
		switch t := v1alpha1.HookType(w); t {
		case v1alpha1.HookSkip:
			return nil
		case v1alpha1.HookPreSync, v1alpha1.HookSync, v1alpha1.HookPostSync, v1alpha1.HookSyncFail,
			v1alpha1.HookPreDelete, v1alpha1.HookPostDelete:
			add(t)
		}
	}
	if len(own) > 0 {
		return out
	}
	for _, w := range words(u, v1alpha1.AnnotationHelmHook) {
		add(helmHook(w))
	}
	return out
}

// helmHook maps Helm's hooks as Argo CD does: it knows no difference between an installation and an upgrade.
func helmHook(name string) v1alpha1.HookType {
	switch name {
	case "pre-install", "pre-upgrade":
		return v1alpha1.HookPreSync
	case "post-install", "post-upgrade":
		return v1alpha1.HookPostSync
	case "pre-delete":
		return v1alpha1.HookPreDelete
	case "post-delete":
		return v1alpha1.HookPostDelete
	}
	return ""
}

// UnknownHooks returns words of the hook annotation that are no type of hook.
func UnknownHooks(u *unstructured.Unstructured) []string {
	return slices.DeleteFunc(words(u, v1alpha1.AnnotationHook), func(w string) bool {
		switch v1alpha1.HookType(w) {
		case v1alpha1.HookPreSync, v1alpha1.HookSync, v1alpha1.HookPostSync, v1alpha1.HookSyncFail, v1alpha1.HookSkip,
			v1alpha1.HookPreDelete, v1alpha1.HookPostDelete:
			return true
		}
		return false
	})
}

// words returns the entries of a comma-separated annotation.
func words(u *unstructured.Unstructured, annotation string) []string {
	text := u.GetAnnotations()[annotation]
	if text == "" {
		return nil
	}
	var out []string
	for _, w := range strings.Split(text, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}
