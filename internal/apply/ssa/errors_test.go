package ssa

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/belaycd/belay/internal/fault"
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
		got := (&Writer{}).classify("apply", object.Ref{Kind: "ConfigMap", Name: "a"}, tc.err).Error()
		if tc.want == "" && !strings.HasSuffix(got, tc.err.Error()) || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q in it", tc.reason, got, tc.want)
		}
	}
}

// TestMissingRight: who was refused, and which right is to be given, is told, for Secrets too.
func TestMissingRight(t *testing.T) {
	const deployer = "system:serviceaccount:shop:deployer"
	forbidden := func(resource, text string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "a", errors.New(text))
	}
	for _, tc := range []struct {
		name, user string
		ref        object.Ref
		err        error
		want, not  string
	}{
		{"a role", deployer, object.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "a"},
			forbidden("deployments", `User "system:serviceaccount:shop:deployer" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`),
			`; this was asked in the name of ServiceAccount shop/deployer: bind it to a Role of namespace shop with {apiGroups: ["apps"], resources: [deployments], verbs: [create, patch]}`, ""},
		{"a cluster role", deployer, object.Ref{Kind: "Namespace", Name: "a"},
			forbidden("namespaces", `User "system:serviceaccount:shop:deployer" cannot delete resource "namespaces" in API group "" at the cluster scope`),
			`bind it to a ClusterRole with {apiGroups: [""], resources: [namespaces], verbs: [delete]}`, ""},
		{"a Secret", deployer, object.Ref{Kind: "Secret", Namespace: "shop", Name: "a"},
			forbidden("secrets", `User "system:serviceaccount:shop:deployer" cannot patch resource "secrets" in API group "" in the namespace "shop": value canary`),
			`User "system:serviceaccount:shop:deployer" cannot patch resource "secrets"`, "canary"},
		{"Belay itself", deployer, object.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "a"},
			forbidden("serviceaccounts", `User "system:serviceaccount:argocd:belay" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "shop"`),
			"give its own service account the verb impersonate on serviceaccounts in namespace shop", "bind"},
		{"a policy", deployer, object.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "a"}, forbidden("configmaps", "denied by policy"), "asked in the name of ServiceAccount shop/deployer", "bind"},
		{"a read in its own name", deployer, object.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "a"},
			forbidden("configmaps", `User "system:serviceaccount:argocd:belay" cannot get resource "configmaps" in API group "" in the namespace "shop"`), "cannot get", "in the name of"},
		{"no impersonation", "", object.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "a"},
			forbidden("configmaps", `User "system:serviceaccount:argocd:belay" cannot patch resource "configmaps" in API group "" in the namespace "shop"`), "cannot patch", "in the name of"},
	} {
		err := (&Writer{user: tc.user}).classify("apply", tc.ref, tc.err)
		if text := err.Error(); !fault.Is(err, fault.Denied) || !strings.Contains(text, tc.want) || tc.not != "" && strings.Contains(text, tc.not) {
			t.Errorf("%s: %s; want %q and not %q", tc.name, text, tc.want, tc.not)
		}
	}
}
