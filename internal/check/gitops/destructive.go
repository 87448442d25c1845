package gitops

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
)

func destructiveRule() check.Rule {
	return check.Rule{
		ID: "destructive-change", Title: "change that deletes data or stops a workload", Severity: check.Warning,
		Why: "What goes with a namespace, a volume, a claim or a custom resource definition does not come back with a revert: with the definition go all of its objects, with the namespace all that others have in it.",
		Fix: "If it is meant, say so in the pull request and make a backup first. If it is not, keep the manifest, or set the annotation argocd.argoproj.io/sync-options: Prune=false on the object before it is removed from Git.",
	}
}

// isPrecious reports whether the deletion of an object cannot be undone by creating it again.
func isPrecious(o *check.Object) bool {
	switch o.GroupVersionKind().Group + "/" + o.GetKind() {
	case "/PersistentVolumeClaim", "/PersistentVolume", "/Namespace", "apiextensions.k8s.io/CustomResourceDefinition", "apps/StatefulSet":
		return true
	}
	return false
}

// isKept reports whether an object outlives its manifest.
func isKept(o *check.Object) bool {
	for option := range strings.SplitSeq(annotation(o, "argocd.argoproj.io/sync-options"), ",") {
		if option = strings.TrimSpace(option); option == "Prune=false" || option == "Delete=false" {
			return true
		}
	}
	return annotation(o, "helm.sh/resource-policy") == "keep"
}

func destructive(repo *check.Repository, report func(check.Finding)) {
	if repo.Base == nil {
		return
	}
	type place struct {
		cluster string
		ref     object.Ref
	}
	still := map[place]bool{}
	users := map[string][]*check.Object{} // of namespaces, by cluster and name
	each(repo, func(o *check.Object) {
		still[place{cluster(o.Unit), o.Ref}] = true
		if ns := o.GetNamespace(); ns != "" {
			key := cluster(o.Unit) + "\x00" + ns
			users[key] = append(users[key], o)
		}
		stopped(repo, o, report)
	})
	for _, before := range repo.Base.Units {
		now := repo.Unit(before.Name)
		switch {
		case now != nil && (now.Err != nil || now.Skipped != "" || now.Unchanged):
			continue // what it will be is not known
		case now == nil && (before.App == nil || !cascades(before)):
			continue // its objects stay
		}
		for _, o := range before.Objects {
			if !isPrecious(o) || isKept(o) || still[place{cluster(before), o.Ref}] {
				continue
			}
			f := check.Finding{Rule: "destructive-change", Unit: now, Message: "deletes " + label(o)}
			if now == nil {
				f.Unit, f.Place = before, before.Definition
				f.Message += fmt.Sprintf(", because Application %s is removed", before.App.Name)
			}
			if others := users[cluster(before)+"\x00"+o.GetName()]; o.GetKind() == "Namespace" && len(others) > 0 {
				f.Severity = check.Error
				f.Message += fmt.Sprintf(", in which %s of %s stays", label(others[0]), others[0].Unit.Name)
			}
			report(f)
		}
	}
}

// cascades reports whether the objects of an Application are deleted with it.
func cascades(u *check.Unit) bool {
	for _, f := range u.App.Finalizers {
		if strings.HasPrefix(f, "resources-finalizer.argocd.argoproj.io") {
			return true
		}
	}
	return false
}

// stopped reports a workload that is scaled to nothing.
func stopped(repo *check.Repository, o *check.Object, report func(check.Finding)) {
	if kind := o.GetKind(); kind != "Deployment" && kind != "StatefulSet" {
		return
	}
	if n, ok := field(o.Object, "spec", "replicas").(int64); !ok || n != 0 {
		return
	}
	before := repo.Before(o)
	if before == nil {
		return
	}
	had, ok := field(before.Object, "spec", "replicas").(int64)
	if !ok {
		had = 1
	}
	if had > 0 {
		report(check.Finding{Rule: "destructive-change", Object: o, Path: "spec.replicas", Message: fmt.Sprintf("%s is scaled from %d to 0", kindName(o), had)})
	}
}
