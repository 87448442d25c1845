package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TestConditionsStayStorable: thousands of faulty objects, and errors without end, must still fit into one Application.
func TestConditionsStayStorable(t *testing.T) {
	var found []v1alpha1.ApplicationCondition
	for i := range 5000 {
		found = append(found, v1alpha1.ApplicationCondition{Type: v1alpha1.ConditionSharedResourceWarning, Message: fmt.Sprintf("ConfigMap/shop/c-%d is shared", i)})
	}
	found = append(found, v1alpha1.ApplicationCondition{Type: v1alpha1.ConditionComparisonError, Message: strings.Repeat("é", 1<<20)})
	got := Conditions(nil, found, Evaluated(), metav1.Unix(0, 0))
	data, err := json.Marshal(got)
	if err != nil || len(data) > 20_000 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	text := string(data)
	for _, want := range []string{"and 4980 more like these", "(shortened)", "ConfigMap/shop/c-0 is shared"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not told", want)
		}
	}
	if len(Conditions(got, found, Evaluated(), metav1.Unix(9, 0))) != len(got) {
		t.Error("a second time gives other conditions")
	}
	for _, c := range Conditions(got, found, Evaluated(), metav1.Unix(9, 0)) {
		if c.LastTransitionTime.Unix() != 0 {
			t.Errorf("%s %.40s: the time changed with nothing else", c.Type, c.Message)
		}
	}
}
