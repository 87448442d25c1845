// Package native judges objects of built-in kinds as the API server does: an object, and what it was before, go in; what the API
// server would refuse or warn about comes out. The judgement is the API server's own code, that of Kubernetes 1.37.
package native

import (
	"context"
	"runtime"
	"sync"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/kubeapi"
)

// IDs of the rules.
const (
	invalid   = "schema-native"
	immutable = "update-immutable"
	warned    = "api-warning"
)

// Checker implements check.Checker. The API server keeps its kinds in one place of a process: let one Checker begin before
// another one does.
type Checker struct{ open func() (server, error) }

// New returns a Checker. It costs nothing until it is used.
func New() *Checker {
	return &Checker{open: sync.OnceValues(func() (server, error) {
		api, err := kubeapi.Open()
		return server{kinds: kinds(), api: api}, err
	})}
}

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	return []check.Rule{
		{
			ID: invalid, Title: "object that the API server refuses", Severity: check.Error,
			Why: "The API server refuses the object, so that the sync of the application fails and everything behind this change waits.",
			Fix: "Set the field as the message says. The message is that of the API server.",
		},
		{
			ID: immutable, Title: "change that the API server refuses", Severity: check.Error,
			Why: "The field cannot be changed while the object exists: the sync fails in every cluster that has the object, although a fresh cluster takes it.",
			Fix: "Take the change back, or give the object another name and move over, or have it replaced on purpose with the annotation argocd.argoproj.io/sync-options: Force=true,Replace=true, which deletes and creates it.",
		},
		{
			ID: warned, Title: "object that the API server warns about", Severity: check.Warning,
			Why: "The API server takes the object and warns: a field is obsolete, is without effect, or does not do what it seems to.",
			Fix: "Do what the warning says. The message is that of the API server.",
		},
	}
}

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	work := make(chan *check.Object)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for o := range work {
				s.judge(ctx, o, repo.Before(o), report)
			}
		})
	}
	defer wg.Wait()
	defer close(work)
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			select {
			case work <- o:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}
