package gitops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/project"
)

func projectRule() check.Rule {
	return check.Rule{
		ID: "project-denied", Title: "application that its project forbids", Severity: check.Error,
		Why: "The controller refuses to sync an application whose source, destination or objects its AppProject does not allow: nothing of the change arrives.",
		Fix: "Allow it in the AppProject, if the project is meant to have it, or move the object to an application of another project.",
	}
}

func unknownProjectRule() check.Rule {
	return check.Rule{
		ID: "project-unknown", Title: "application of a project that is not defined", Severity: check.Warning,
		Why: "An application whose AppProject does not exist is never synced. This repository defines its projects, and the one that is named is not among them.",
		Fix: "Correct spec.project, or add the AppProject.",
	}
}

func projects(repo *check.Repository, report func(check.Finding)) {
	read := map[string]*project.Project{}
	destinations := map[string][]v1alpha1.ApplicationDestination{}
	for name, p := range repo.Projects {
		globals, known := globalsOf(repo, p)
		if !known {
			read[name] = nil // what it takes over is not here, and with it what it permits
			continue
		}
		read[name], destinations[name] = project.New(p).Inherit(globals...), project.Merge(p, globals...).Spec.Destinations
	}
	scopes := scopesOf(repo)
	for _, u := range repo.Units {
		if u.App == nil || u.Unchanged || len(read) == 0 {
			continue
		}
		p, ok := read[u.App.Spec.Project]
		switch {
		case p != nil:
			permitted(u, p, asked{scopes, destinations[u.App.Spec.Project]}, report)
		case ok:
		case u.App.Spec.Project != v1alpha1.DefaultProjectName && u.App.Spec.Project != "":
			report(check.Finding{Rule: "project-unknown", Unit: u, Path: "spec.project", Message: fmt.Sprintf("Application %s names project %s; this repository defines %s",
				u.App.Name, u.App.Spec.Project, strings.Join(slices.Sorted(maps.Keys(repo.Projects)), ", "))})
		}
	}
}

// globalsOf returns the projects that p takes over from by the argocd-cm of the repository, and whether all of them are here.
func globalsOf(repo *check.Repository, p *v1alpha1.AppProject) (globals []*v1alpha1.AppProject, known bool) {
	for _, name := range repo.Settings.GlobalsOf(p) {
		g, ok := repo.Projects[name]
		if !ok {
			return nil, false
		}
		globals = append(globals, g)
	}
	return globals, true
}

// asked is what a project is asked with.
type asked struct {
	scopes       check.Scopes
	destinations []v1alpha1.ApplicationDestination
}

// permitted asks the project what the controller would ask it.
func permitted(u *check.Unit, p *project.Project, with asked, report func(check.Finding)) {
	scopes, rules := with.scopes, with.destinations
	deny := func(o *check.Object, path string, err error) {
		if err != nil {
			report(check.Finding{Rule: "project-denied", Unit: u, Object: o, Path: path, Message: err.Error()})
		}
	}
	for i, src := range u.App.Spec.GetSources() {
		path := "spec.source.repoURL"
		if len(u.App.Spec.Sources) > 0 {
			path = fmt.Sprintf("spec.sources[%d].repoURL", i)
		}
		deny(nil, path, p.PermitsSource(src.RepoURL))
	}
	d := u.App.Spec.Destination
	server, name := d.Server, d.Name
	switch {
	case server == "" && name == "in-cluster":
		server = inCluster
	case server == inCluster:
		name = "in-cluster"
	}
	// The control plane alone knows which name belongs to which address.
	unknown := server == "" || name == "" && slices.ContainsFunc(rules, func(r v1alpha1.ApplicationDestination) bool { return r.Server == "" && r.Name != "" })
	place := func(namespace string) error {
		if unknown {
			return nil
		}
		return p.PermitsDestination(server, name, namespace)
	}
	if d.Server != "" || d.Name != "" {
		deny(nil, "spec.destination", place(d.Namespace))
	}
	checked := map[string]bool{d.Namespace: true}
	for _, o := range u.Objects {
		gvk := o.GroupVersionKind()
		namespaced, isKnown := scopes.Namespaced(gvk.GroupKind())
		if !isKnown {
			namespaced = o.GetNamespace() != ""
		}
		deny(o, "", p.PermitsKind(gvk.Group, gvk.Kind, o.GetName(), o.GetNamespace(), namespaced))
		if ns := o.GetNamespace(); namespaced && ns != "" && !checked[ns] {
			checked[ns] = true
			deny(o, "metadata.namespace", place(ns))
		}
	}
}
