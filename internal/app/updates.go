package app

import (
	"fmt"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// annotationIgnoreUpdates has the rules for updates count for an object that no application deploys.
const annotationIgnoreUpdates = "argocd.argoproj.io/ignore-resource-updates"

// comparisonRules are the settings of comparisons.
func comparisonRules(s *settings.Settings) (diff.Rules, error) {
	known := make([]diff.KnownType, len(s.KnownTypes))
	for i, k := range s.KnownTypes {
		known[i] = diff.KnownType{Group: k.Group, Kind: k.Kind, Field: k.Field, Type: k.Type}
	}
	rules, err := diff.NewRules(diff.Options{
		Ignore: s.IgnoreDifferences, Status: diff.StatusRule(s.Compare.IgnoreStatus), KnownTypes: known, JQTimeout: s.Controller.JQTimeout,
	})
	if err != nil {
		return diff.Rules{}, fmt.Errorf("ConfigMap %s: %w", settings.ConfigMapName, err)
	}
	return rules, nil
}

// quietUpdates tells which changes of live objects need no look at their application.
type quietUpdates struct {
	rules diff.Rules
	// err says why there are no rules; every change is looked at then.
	err error
}

func updateRules(s *settings.Settings) quietUpdates {
	if len(s.IgnoreUpdates) == 0 {
		return quietUpdates{}
	}
	rules, err := diff.NewRules(diff.Options{Ignore: s.IgnoreUpdates, JQTimeout: s.Controller.JQTimeout})
	if err != nil {
		return quietUpdates{err: fmt.Errorf("ConfigMap %s: ignoreResourceUpdates: %w", settings.ConfigMapName, err)}
	}
	return quietUpdates{rules: rules}
}

// ignores reports whether the event is an update of fields alone that the settings ignore, with the same health after it as
// before. The rules are for objects that bear the mark of an application; others ask for them by an annotation.
func (q *quietUpdates) ignores(e live.Event) bool {
	if e.Kind != live.Updated || e.Old == nil || e.New == nil {
		return false
	}
	if e.App == "" && e.New.Object.GetAnnotations()[annotationIgnoreUpdates] != "true" {
		return false
	}
	return q.rules.Same(e.Old, e.New) && sameHealth(e.Old, e.New)
}

// sameHealth compares what two states of an object say of its health by themselves.
func sameHealth(before, after *object.Live) bool {
	a, knownA := health.Assess(before.Object, nil)
	b, knownB := health.Assess(after.Object, nil)
	return knownA == knownB && a.Status == b.Status && a.Message == b.Message
}
