// Package workload judges what runs: objects that make pods go in; findings on their images, resources, probes and rights come
// out.
package workload

import (
	"context"

	"github.com/belaycd/belay/internal/check"
)

// reporter takes a field and what is wrong with it.
type reporter func(path, message string)

// rule is a Rule with what judges it; one of the functions is set.
type rule struct {
	check.Rule
	container func(c check.Container, report reporter)
	pod       func(o *check.Object, p *check.Pod, report reporter)
}

// Checker implements check.Checker.
type Checker struct{ rules []rule }

// New returns the Checker of all rules on workloads.
func New() *Checker { return &Checker{rules: []rule{imageTag()}} }

// Rules implements check.Checker.
func (c *Checker) Rules() (out []check.Rule) {
	for _, r := range c.rules {
		out = append(out, r.Rule)
	}
	return out
}

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			if p := check.PodOf(o.Unstructured); p != nil {
				c.judge(o, p, report)
			}
		}
	}
	return nil
}

func (c *Checker) judge(o *check.Object, p *check.Pod, report func(check.Finding)) {
	containers := p.Containers()
	for _, r := range c.rules {
		tell := func(path, message string) {
			report(check.Finding{Rule: r.ID, Object: o, Path: path, Message: message})
		}
		if r.pod != nil {
			r.pod(o, p, tell)
		}
		if r.container == nil {
			continue
		}
		for _, container := range containers {
			r.container(container, tell)
		}
	}
}
