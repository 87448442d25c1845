package ssa

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/belaycd/belay/internal/object"
)

func TestRemedy(t *testing.T) {
	deployment := schema.GroupKind{Group: "apps", Kind: "Deployment"}
	selector := field.Invalid(field.NewPath("spec", "selector"), "x", "field is immutable")
	replicas := field.Invalid(field.NewPath("spec", "replicas"), -1, "must be greater than or equal to 0")
	for _, tc := range []struct {
		reason, want string
		err          error
	}{
		{"a namespace that is missing can be created", "CreateNamespace=true",
			apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop")},
		{"another object that is missing cannot", "", apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, "shop")},
		{"an immutable field wants a new object", "Force=true", apierrors.NewInvalid(deployment, "web", field.ErrorList{selector})},
		{"a wrong value wants a right one", "", apierrors.NewInvalid(deployment, "web", field.ErrorList{replicas})},
	} {
		got := classify("apply", object.Ref{Kind: "ConfigMap", Name: "a"}, tc.err).Error()
		if tc.want == "" && !strings.HasSuffix(got, tc.err.Error()) || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q in it", tc.reason, got, tc.want)
		}
	}
}
