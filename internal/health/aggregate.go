package health

import (
	"fmt"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// Item is one object of an application as Aggregate sees it.
type Item struct {
	Ref object.Ref
	// Live says whether the object is in the cluster.
	Live bool
	// Ignored leaves the object out: hooks, and objects of which IgnoredByAnnotation is true.
	Ignored bool
	// Health is nil for kinds that have none.
	Health *v1alpha1.HealthStatus
}

// Aggregate returns the health of an application: the worst of its objects, and which object that is. One missing
// object does not count, because that is for the sync status to tell; with all of them missing, the application is.
// A child Application that is Missing or Unknown says nothing about its parent.
func Aggregate(items []Item) v1alpha1.AppHealthStatus {
	var worst *Item
	level, others := v1alpha1.HealthHealthy, 0
	counted, live := 0, 0
	for i := range items {
		item := &items[i]
		if item.Ignored {
			continue
		}
		counted++
		if !item.Live {
			continue
		}
		live++
		if item.Health == nil || item.Health.Status == "" || silent(item) {
			continue
		}
		switch {
		case Worse(item.Health.Status, level):
			level, worst, others = known(item.Health.Status), item, 0
		case worst != nil && rank(item.Health.Status) == rank(level):
			others++
			if item.Ref.Less(worst.Ref) {
				worst = item
			}
		}
	}
	if counted > 0 && live == 0 {
		return v1alpha1.AppHealthStatus{Status: v1alpha1.HealthMissing, Message: "none of the application's objects is in the cluster"}
	}
	return v1alpha1.AppHealthStatus{Status: level, Message: blame(worst, others)}
}

func blame(worst *Item, others int) string {
	if worst == nil {
		return ""
	}
	text := worst.Ref.String()
	if worst.Health.Message != "" {
		text += ": " + worst.Health.Message
	}
	if others > 0 {
		text += fmt.Sprintf(" (and %d more %s)", others, known(worst.Health.Status))
	}
	return text
}

func silent(item *Item) bool {
	if item.Ref.Group != v1alpha1.Group || item.Ref.Kind != v1alpha1.ApplicationKind {
		return false
	}
	return item.Health.Status == v1alpha1.HealthMissing || known(item.Health.Status) == v1alpha1.HealthUnknown
}

// Worse reports whether a is worse than b. A code that is none of the six counts as Unknown, the worst.
func Worse(a, b v1alpha1.HealthStatusCode) bool { return rank(a) > rank(b) }

// Worst returns the worst of the codes, Healthy for none.
func Worst(codes ...v1alpha1.HealthStatusCode) v1alpha1.HealthStatusCode {
	worst := v1alpha1.HealthHealthy
	for _, code := range codes {
		if Worse(code, worst) {
			worst = known(code)
		}
	}
	return worst
}

func known(code v1alpha1.HealthStatusCode) v1alpha1.HealthStatusCode {
	if rank(code) == rank(v1alpha1.HealthUnknown) {
		return v1alpha1.HealthUnknown
	}
	return code
}

func rank(code v1alpha1.HealthStatusCode) int {
	switch code {
	case v1alpha1.HealthHealthy:
		return 0
	case v1alpha1.HealthSuspended:
		return 1
	case v1alpha1.HealthProgressing:
		return 2
	case v1alpha1.HealthMissing:
		return 3
	case v1alpha1.HealthDegraded:
		return 4
	}
	return 5
}
