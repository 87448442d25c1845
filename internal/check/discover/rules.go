package discover

import (
	"context"

	"github.com/belaycd/belay/internal/check"
)

// Checker implements check.Checker: it reports what could not be rendered.
type Checker struct{}

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	return []check.Rule{{
		ID: "render-failed", Title: "manifests that cannot be rendered", Severity: check.Error,
		Why: "What cannot be rendered cannot be deployed: the application stays at its last good commit, and nothing behind this change arrives.",
		Fix: "Mend what the message names. The message is the one that the application would show in the cluster.",
	}}
}

// Check implements check.Checker.
func (Checker) Check(_ context.Context, repo *check.Repository, report func(check.Finding)) error {
	for _, u := range repo.Units {
		if u.Err != nil {
			report(check.Finding{Rule: "render-failed", Unit: u, Message: u.Err.Error(), Place: u.ErrAt})
		}
	}
	return nil
}
