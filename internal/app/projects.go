package app

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
)

// Project implements controller.Environment.
func (e *environment) Project(ctx context.Context, name string) (reconcile.Permissions, error) {
	p, err := e.appProject(ctx, name)
	if err != nil {
		return nil, err
	}
	if p == nil && name == v1alpha1.DefaultProjectName {
		p = project.Default(e.cfg.Namespace)
	}
	if p == nil {
		return nil, nil
	}
	s := &e.current.Load().settings
	out := guarded{settings: s, plugins: e.cfg.PluginsDir != ""}
	var globals []*v1alpha1.AppProject
	for _, name := range s.GlobalsOf(p) {
		g, err := e.appProject(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case g == nil:
			out.missing = append(out.missing, name)
		default:
			globals = append(globals, g)
		}
	}
	out.Project = project.New(p).Inherit(globals...)
	return out, nil
}

// appProject reads a project; nil when there is none.
func (e *environment) appProject(ctx context.Context, name string) (*v1alpha1.AppProject, error) {
	var p v1alpha1.AppProject
	err := e.client.Get(ctx, client.ObjectKey{Namespace: e.cfg.Namespace, Name: name}, &p)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read AppProject %s/%s: %w", e.cfg.Namespace, name, err)
	}
	return &p, nil
}

// guarded is a project that also refuses what would permit more than system settings say.
type guarded struct {
	*project.Project
	settings *settings.Settings
	// missing are the global projects that it should take over from, and that do not exist.
	missing []string
	plugins bool // switched on
}

// Validate implements reconcile.Permissions.
func (g guarded) Validate(app *v1alpha1.Application) []v1alpha1.ApplicationCondition {
	out := g.Project.Validate(app)
	add := func(t v1alpha1.ConditionType, format string, args ...any) {
		out = append(out, v1alpha1.ApplicationCondition{Type: t, Message: fmt.Sprintf(format, args...)})
	}
	for _, src := range app.Spec.GetSources() {
		if src.Plugin != nil && !g.plugins {
			add(v1alpha1.ConditionInvalidSpecError, "spec.source.plugin: %s", render.PluginsOff)
			break
		}
	}
	for _, key := range g.settings.Unread {
		add(v1alpha1.ConditionComparisonError,
			"no sync starts: %s in ConfigMap %s cannot be read, and going on without it could permit more than it says; correct it (the log of Belay says what is wrong)",
			key, settings.ConfigMapName)
	}
	for _, name := range g.missing {
		add(v1alpha1.ConditionComparisonError,
			"no sync starts: by %s in ConfigMap %s, AppProject %s takes over from AppProject %s, which does not exist, so that it is not known what that forbids; create it or take the entry out",
			settings.GlobalProjectsKey, settings.ConfigMapName, g.Name(), name)
	}
	if g.NamesServiceAccounts() && !g.settings.Impersonation.Enabled {
		add(v1alpha1.ConditionSpecWarning, "spec.destinationServiceAccounts of AppProject %s has no effect: syncs run with the rights of Belay, because %s is not true in ConfigMap %s",
			g.Name(), settings.ImpersonationKey, settings.ConfigMapName)
	}
	return out
}
