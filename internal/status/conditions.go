// Package status reports: what a reconciliation found and did goes in; the Application's sync status, health, conditions,
// operation state and history come out. It is pure, and the only writer of condition types and their messages.
package status

import (
	"fmt"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Conditions returns the conditions after an evaluation that judged the types in evaluated: those of them that are not in
// found are gone, the others stay. An unchanged condition keeps its transition time.
func Conditions(old, found []v1alpha1.ApplicationCondition, evaluated map[v1alpha1.ConditionType]bool, now metav1.Time) []v1alpha1.ApplicationCondition {
	var out []v1alpha1.ApplicationCondition
	for _, c := range old {
		if !evaluated[c.Type] {
			out = append(out, c)
		}
	}
	for _, c := range bounded(found) {
		c.LastTransitionTime = &now
		for _, o := range old {
			if o.Type == c.Type && o.Message == c.Message && o.LastTransitionTime != nil {
				c.LastTransitionTime = o.LastTransitionTime
			}
		}
		out = append(out, c)
	}
	sort.SliceStable(out, func(a, b int) bool {
		if out[a].Type != out[b].Type {
			return out[a].Type < out[b].Type
		}
		return out[a].Message < out[b].Message
	})
	return out
}

// Limits of what conditions may take: an Application with thousands of faulty objects must still be storable.
const (
	mostOfType     = 20
	longestMessage = 4000
)

// bounded returns conditions of which each type occurs but so often, and whose messages are but so long.
func bounded(found []v1alpha1.ApplicationCondition) []v1alpha1.ApplicationCondition {
	count := map[v1alpha1.ConditionType]int{}
	var types []v1alpha1.ConditionType
	out := make([]v1alpha1.ApplicationCondition, 0, len(found))
	for _, c := range found {
		if count[c.Type]++; count[c.Type] > mostOfType {
			if count[c.Type] == mostOfType+1 {
				types = append(types, c.Type)
			}
			continue
		}
		c.Message = Short(c.Message)
		out = append(out, c)
	}
	for _, t := range types {
		out = append(out, v1alpha1.ApplicationCondition{Type: t, Message: fmt.Sprintf("and %d more like these", count[t]-mostOfType)})
	}
	return out
}

// Short cuts a message that is too long to be stored.
func Short(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	return strings.ToValidUTF8(message[:longestMessage], "") + " (shortened)"
}

// HasErrors reports whether a condition stops syncs, and returns its message.
func HasErrors(conditions []v1alpha1.ApplicationCondition) (string, bool) {
	for _, c := range conditions {
		switch c.Type {
		case v1alpha1.ConditionInvalidSpecError, v1alpha1.ConditionComparisonError, v1alpha1.ConditionUnknownError:
			return string(c.Type) + ": " + c.Message, true
		}
	}
	return "", false
}

// Evaluated returns the condition types that every reconciliation judges.
func Evaluated() map[v1alpha1.ConditionType]bool {
	return map[v1alpha1.ConditionType]bool{
		v1alpha1.ConditionInvalidSpecError:        true,
		v1alpha1.ConditionComparisonError:         true,
		v1alpha1.ConditionSyncError:               true,
		v1alpha1.ConditionUnknownError:            true,
		v1alpha1.ConditionSharedResourceWarning:   true,
		v1alpha1.ConditionOrphanedResourceWarning: true,
		v1alpha1.ConditionRepeatedResourceWarning: true,
		v1alpha1.ConditionExcludedResourceWarning: true,
		v1alpha1.ConditionDeletionError:           true,
		v1alpha1.ConditionSpecWarning:             true,
	}
}
