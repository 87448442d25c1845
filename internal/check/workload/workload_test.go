package workload

import (
	"testing"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", New()) }

// TestControls proves that no control of the library goes without a rule, and none of ours without a control.
func TestControls(t *testing.T) {
	known := map[policy.CheckID]bool{}
	for _, c := range policy.DefaultChecks() {
		known[c.ID] = true
		if _, ours := controls()[c.ID]; ours != (c.Level == api.LevelBaseline) {
			t.Errorf("control %s of level %s: in the table of baseline: %v", c.ID, c.Level, ours)
		}
	}
	for id, c := range controls() {
		if !known[id] {
			t.Errorf("rule %s is of control %s, which there is not", c.id(), id)
		}
	}
	for id := range lacks() {
		if !known[id] {
			t.Errorf("the words for control %s are of none that there is", id)
		}
	}
	for restricted, baseline := range overridden() {
		if !known[restricted] || !known[baseline] {
			t.Errorf("%s and %s are not both controls", restricted, baseline)
		}
	}
}
