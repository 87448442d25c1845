package health

import (
	"math/rand"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

func item(kind, name string, code v1alpha1.HealthStatusCode, message string) Item {
	it := Item{Ref: object.Ref{Kind: kind, Namespace: "a", Name: name}, Live: code != v1alpha1.HealthMissing}
	if kind == v1alpha1.ApplicationKind {
		it.Ref.Group = v1alpha1.Group
		it.Live = true
	}
	if code != "" {
		it.Health = &v1alpha1.HealthStatus{Status: code, Message: message}
	}
	return it
}

func ignored(it Item) Item {
	it.Ignored = true
	return it
}

func TestAggregate(t *testing.T) {
	ok := item("Pod", "ok", v1alpha1.HealthHealthy, "warning: x")
	for _, c := range []struct {
		name  string
		items []Item
		want  string
	}{
		{"nothing", nil, "Healthy"},
		{"all healthy", []Item{ok, item("Role", "r", "", "")}, "Healthy"},
		{"worst wins and is named", []Item{ok, item("Pod", "p", v1alpha1.HealthProgressing, "starts"), item("Pod", "d", v1alpha1.HealthDegraded, "crashes")}, "Degraded: Pod/a/d: crashes"},
		{"suspended", []Item{ok, item("CronJob", "c", v1alpha1.HealthSuspended, "off")}, "Suspended: CronJob/a/c: off"},
		{"unknown is worst", []Item{item("Pod", "d", v1alpha1.HealthDegraded, ""), item("Pod", "u", v1alpha1.HealthUnknown, "odd")}, "Unknown: Pod/a/u: odd"},
		{"code of another kind", []Item{item("Pod", "u", "Splendid", "")}, "Unknown: Pod/a/u"},
		{"first of equals, others counted", []Item{item("Pod", "c", v1alpha1.HealthDegraded, "c"), item("Pod", "b", v1alpha1.HealthDegraded, "b"), item("Pod", "d", v1alpha1.HealthDegraded, "d")}, "Degraded: Pod/a/b: b (and 2 more Degraded)"},
		{"one missing does not count", []Item{ok, item("Pod", "m", v1alpha1.HealthMissing, "")}, "Healthy"},
		{"all missing", []Item{item("Pod", "m", v1alpha1.HealthMissing, ""), item("Pod", "n", v1alpha1.HealthMissing, "")}, "Missing: none of the application's objects is in the cluster"},
		{"all missing but a hook", []Item{item("Pod", "m", v1alpha1.HealthMissing, ""), ignored(ok)}, "Missing: none of the application's objects is in the cluster"},
		{"only hooks", []Item{ignored(item("Job", "h", v1alpha1.HealthDegraded, ""))}, "Healthy"},
		{"ignored object", []Item{ok, ignored(item("Pod", "d", v1alpha1.HealthDegraded, ""))}, "Healthy"},
		{"child missing", []Item{ok, item("Application", "c", v1alpha1.HealthMissing, "")}, "Healthy"},
		{"child unknown", []Item{ok, item("Application", "c", v1alpha1.HealthUnknown, "")}, "Healthy"},
		{"child degraded", []Item{ok, item("Application", "c", v1alpha1.HealthDegraded, "x")}, "Degraded: argoproj.io/Application/a/c: x"},
		{"empty health", []Item{ok, {Live: true, Health: &v1alpha1.HealthStatus{}}}, "Healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for round := range 20 {
				shuffled := append([]Item(nil), c.items...)
				rand.New(rand.NewSource(int64(round))).Shuffle(len(shuffled), func(i, j int) {
					shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
				})
				got := Aggregate(shuffled)
				if text := (Result{Status: got.Status, Message: got.Message}).brief(); text != c.want {
					t.Fatalf("in order %d: %q, want %q", round, text, c.want)
				}
			}
		})
	}
}

func TestWorst(t *testing.T) {
	order := []v1alpha1.HealthStatusCode{v1alpha1.HealthHealthy, v1alpha1.HealthSuspended, v1alpha1.HealthProgressing,
		v1alpha1.HealthMissing, v1alpha1.HealthDegraded, v1alpha1.HealthUnknown}
	for i, a := range order {
		for j, b := range order {
			if got := Worse(a, b); got != (i > j) {
				t.Errorf("Worse(%s, %s) = %v", a, b, got)
			}
			if got, want := Worst(a, b), order[max(i, j)]; got != want {
				t.Errorf("Worst(%s, %s) = %s, want %s", a, b, got, want)
			}
		}
	}
	if got := Worst(); got != v1alpha1.HealthHealthy {
		t.Errorf("Worst() = %s", got)
	}
	if got := Worst("Splendid"); got != v1alpha1.HealthUnknown {
		t.Errorf("Worst of an unknown code = %s", got)
	}
}
