// Package workload judges what runs: objects that make pods go in, with what the repository says of their namespaces; findings on
// their images, resources, probes and rights come out.
package workload

import (
	"context"
	"slices"

	"github.com/belaycd/belay/internal/check"
)

// reporter takes a finding without its rule and object.
type reporter func(check.Finding)

// rule is a Rule with what judges it.
type rule struct {
	check.Rule
	judge func(w *work, report reporter)
}

// work is one object that makes pods.
type work struct {
	object     *check.Object
	pod        *check.Pod
	containers []check.Container
	labels     map[string]any
	site       check.Site
	around     *surroundings
	images     *images
	config     *check.Config
}

// running are the containers that run with the pod, ephemeral ones aside.
func (w *work) running() []check.Container {
	return slices.DeleteFunc(slices.Clone(w.containers), func(c check.Container) bool { return c.Ephemeral })
}

// Checker implements check.Checker.
type Checker struct {
	rules     []rule
	standards *standards
}

// New returns the Checker of all rules on workloads.
func New() *Checker {
	return &Checker{standards: newStandards(), rules: []rule{
		imageTag(), imageName(), imageDigest(), imageRegistry(),
		resourcesRequests(), resourcesCPULimit(), probes(), liveness(), replicas(),
		sensitiveHostPath(), tokenMount(), readonlyRoot(), secretEnv(),
	}}
}

// Rules implements check.Checker.
func (c *Checker) Rules() (out []check.Rule) {
	for _, r := range c.rules {
		out = append(out, r.Rule)
	}
	out = append(out, c.standards.rules()...)
	return append(append(out, enforceRules()...), blockingBudgetRule())
}

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	around, images := survey(repo), newImages(repo.Config.Registries)
	levels := c.standards.at(repo.KubeVersions)
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			switch o.Ref.Group + "/" + o.Ref.Kind {
			case "/Namespace":
				judgeNamespace(repo, o, report)
			case "policy/PodDisruptionBudget":
				judgeBudget(around, o, report)
			}
			p := check.PodOf(o.Unstructured)
			if p == nil {
				continue
			}
			labels, _ := p.Metadata["labels"].(map[string]any)
			w := &work{object: o, pod: p, containers: p.Containers(), labels: labels, site: o.Site(), around: around, images: images, config: &repo.Config}
			c.judge(w, report)
			levels.judge(w, report)
		}
	}
	return nil
}

func (c *Checker) judge(w *work, report func(check.Finding)) {
	for i := range c.rules {
		id := c.rules[i].ID
		c.rules[i].judge(w, func(f check.Finding) {
			f.Rule, f.Object = id, w.object
			report(f)
		})
	}
}
