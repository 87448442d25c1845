package app

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TestCannotCompare: credentials that arrive together with their application are used, even if the first look was without them.
func TestCannotCompare(t *testing.T) {
	now := metav1.Now()
	for name, tc := range map[string]struct {
		status v1alpha1.ApplicationStatus
		want   bool
	}{
		"never compared": {want: true},
		"error": {v1alpha1.ApplicationStatus{ReconciledAt: &now, Conditions: []v1alpha1.ApplicationCondition{
			{Type: v1alpha1.ConditionComparisonError}}}, true},
		"another condition": {v1alpha1.ApplicationStatus{ReconciledAt: &now, Conditions: []v1alpha1.ApplicationCondition{
			{Type: v1alpha1.ConditionSyncError}}}, false},
		"compared": {v1alpha1.ApplicationStatus{ReconciledAt: &now}, false},
	} {
		if got := cannotCompare(&v1alpha1.Application{Status: tc.status}); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
