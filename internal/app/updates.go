package app

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
func (q *quietUpdates) ignores(e live.Event, script healthScript) bool {
	if e.Kind != live.Updated || e.Old == nil || e.New == nil {
		return false
	}
	if e.App == "" && e.New.Object.GetAnnotations()[annotationIgnoreUpdates] != "true" {
		return false
	}
	return q.rules.Same(e.Old, e.New) && sameHealth(e.Old, e.New, script)
}

// sameHealth compares what two states of an object say of its health by themselves.
func sameHealth(before, after *object.Live, script healthScript) bool {
	sig := alone{script: script, now: time.Now()}
	a, knownA := health.Assess(before.Object, sig)
	b, knownB := health.Assess(after.Object, sig)
	return knownA == knownB && a.Status == b.Status && a.Message == b.Message
}

// healthScript is the user's own check of an object; nil when there is none.
type healthScript func(*unstructured.Unstructured) (health.Result, bool)

// alone is what is known of an object without a look at others. It implements health.Signals.
type alone struct {
	script healthScript
	now    time.Time
}

// EndpointSlices implements health.Signals: none is known.
func (alone) EndpointSlices(string, string) ([]*unstructured.Unstructured, bool) { return nil, false }

// Script implements health.Signals.
func (a alone) Script(obj *unstructured.Unstructured) (health.Result, bool) {
	if a.script == nil {
		return health.Result{}, false
	}
	return a.script(obj)
}

// Now implements health.Signals.
func (a alone) Now() time.Time { return a.now }
