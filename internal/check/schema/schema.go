// Package schema judges objects by the versions of the clusters that they are for, and custom resources by their definitions:
// rendered objects go in; kinds and fields that a version does not serve, and values that a definition refuses, come out.
package schema

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/kubeapi"
)

// IDs of the rules.
const (
	removed    = "api-removed"
	deprecated = "api-deprecated"
	custom     = "schema-crd"
	missing    = "schema-missing"
	immutable  = "schema-crd-update"
)

// soon is within how many minor versions a removal is said ahead.
const soon = 3

// Checker implements check.Checker.
type Checker struct{ open func() (*kubeapi.API, error) }

// New returns a Checker. It costs nothing until it is used.
func New() *Checker { return &Checker{open: sync.OnceValues(kubeapi.Open)} }

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	return []check.Rule{
		{
			ID: removed, Title: "kind or field that a target version does not serve", Severity: check.Error,
			Why: "A cluster of that version refuses the object, so that the sync of the application fails.",
			Fix: "Move the object to the version of its API that the message names, or leave out the field until all clusters have the version that brings it.",
		},
		{
			ID: deprecated, Title: "API version that will be removed", Severity: check.Warning,
			Why: "The version of the API still works and is going away: the next upgrade of the cluster may make the application impossible to sync.",
			Fix: "Move the object to the version that the message names, which serves the same objects.",
		},
		{
			ID: custom, Title: "custom resource that its definition refuses", Severity: check.Error,
			Why: "The API server judges custom resources by the schema and the rules of their CustomResourceDefinition: it refuses this one, and the sync of the application fails.",
			Fix: "Set the field as the message says, which is that of the API server.",
		},
		{
			ID: immutable, Title: "change of a custom resource that its definition refuses", Severity: check.Error,
			Why: "A rule of the CustomResourceDefinition compares the object with what it was before, and refuses this change: the sync fails in every cluster that has the object.",
			Fix: "Take the change back, or replace the object on purpose.",
		},
		{
			ID: missing, Title: "kind without a schema", Severity: check.Warning, Profiles: map[check.Profile]check.Severity{check.Restricted: check.Error},
			Why: "Nothing in the repository says which fields objects of this kind have, so that a mistake in them shows only in the cluster.",
			Fix: "Keep the CustomResourceDefinition in the repository, in any directory: kubectl get crd NAME -o yaml writes it.",
		},
	}
}

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	api, err := c.open()
	if err != nil {
		return err
	}
	targets, err := minors(api, repo.KubeVersions)
	if err != nil {
		return err
	}
	j := &judge{api: api, targets: targets, defs: define(repo), before: define(repo.Base), report: report, unknown: map[string]bool{}}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			if err := ctx.Err(); err != nil {
				return err
			}
			j.object(ctx, o, repo.Before(o))
		}
	}
	return nil
}

// minors reads the target versions, the oldest first. Newer ones than are known are judged as the newest.
func minors(api *kubeapi.API, versions []string) ([]int, error) {
	if len(versions) == 0 {
		return []int{api.Last}, nil
	}
	var out []int
	for _, v := range versions {
		minor, err := kubeapi.Minor(v)
		if err != nil {
			return nil, err
		}
		if minor < api.First {
			return nil, fmt.Errorf("the fields of Kubernetes 1.%d are not known here: the oldest version that can be judged for is 1.%d", minor, api.First)
		}
		out = append(out, min(minor, api.Last))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
