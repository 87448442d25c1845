package policy

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/belaycd/belay/internal/check"
)

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	policies, err := load(repo.Files, repo.Config.Policies)
	if err != nil {
		return err
	}
	definitions := slices.Clone(policies.others)
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			policies.add(o.Unstructured, origin{object: o})
			if isDefinition(o.GroupVersionKind().GroupKind()) {
				definitions = append(definitions, o.Unstructured)
			}
		}
	}
	if len(policies.definitions)+len(policies.bindings)+len(policies.problems) == 0 {
		return nil
	}
	minor, err := minorOf(repo)
	if err != nil {
		return err
	}
	policies.verify(c.server, minor)
	for _, p := range policies.problems {
		report(check.Finding{Rule: ruleBroken, Object: p.object, Path: p.path, Place: p.place, Message: p.text})
	}
	definitions = slices.DeleteFunc(definitions, func(u *unstructured.Unstructured) bool { return !isDefinition(u.GroupVersionKind().GroupKind()) })
	j := &judge{repo: repo, policies: policies, kinds: newKinds(c.server, definitions), report: report, views: map[string]*view{}, doubts: map[doubt]*doubtful{}}
	j.bindings()
	if err := j.run(ctx); err != nil {
		return err
	}
	j.tellDoubts()
	return nil
}

func minorOf(repo *check.Repository) (*version.Version, error) {
	for _, v := range slices.Concat(repo.KubeVersions, repo.Config.KubeVersions) {
		return parseMinor(v)
	}
	return parseMinor("")
}

// judge is the judgement of one repository.
type judge struct {
	repo     *check.Repository
	policies *library
	kinds    *kinds
	report   func(check.Finding)
	views    map[string]*view

	mu     sync.Mutex
	doubts map[doubt]*doubtful
}

// view is what one cluster gets of the repository.
type view struct {
	world *world
	hooks []hook
}

// run judges all objects, side by side.
func (j *judge) run(ctx context.Context) error {
	var objects []*check.Object
	for _, u := range j.repo.Units {
		if u.Context { // its findings are not told
			continue
		}
		if len(u.Objects) > 0 && j.views[u.Cluster] == nil {
			j.views[u.Cluster] = j.view(u.Cluster)
		}
		objects = append(objects, u.Objects...)
	}
	if j.repo.Base == nil {
		j.updatesOnly()
	}
	workers := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(objects) && ctx.Err() == nil; i += workers {
				j.object(ctx, objects[i])
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// view gathers what a cluster gets: the units that go there, and those of which it is not known where they go. An unknown cluster
// gets everything.
func (j *judge) view(cluster string) *view {
	gets := func(u *check.Unit) bool { return cluster == "" || u.Cluster == "" || u.Cluster == cluster }
	has := func(from origin) bool { return from.object == nil || gets(from.object.Unit) }
	v := &view{world: newWorld(j.kinds)}
	for _, o := range j.policies.others {
		v.world.add(o)
	}
	for _, u := range j.repo.Units {
		if !gets(u) {
			continue
		}
		for _, o := range u.Objects {
			v.world.add(o.Unstructured)
		}
		if u.App != nil && u.App.Spec.SyncPolicy != nil && u.App.Spec.SyncPolicy.ManagedNamespaceMetadata != nil && u.Namespace != "" {
			v.world.addNamespace(named(u.Namespace, u.App.Spec.SyncPolicy.ManagedNamespaceMetadata.Labels))
		}
	}
	definitions := slices.DeleteFunc(slices.Clone(j.policies.definitions), func(d *definition) bool { return !has(d.from) })
	bindings := slices.DeleteFunc(slices.Clone(j.policies.bindings), func(b *binding) bool { return !has(b.from) })
	v.hooks = hooks(definitions, bindings)
	return v
}

// object judges an object, and the pod that it makes.
func (j *judge) object(ctx context.Context, o *check.Object) {
	v := j.views[o.Unit.Cluster]
	if len(v.hooks) == 0 {
		return
	}
	var old *unstructured.Unstructured
	if before := j.repo.Before(o); before != nil {
		old = before.Unstructured
	}
	said := v.judge(ctx, o.Unstructured, old, nil)
	for i := range said {
		j.tell(o, &said[i])
	}
}

// statement is a verdict about an object, or about the pod that it makes.
type statement struct {
	verdict
	expanded bool
}

// judge asks the policies about an object and about the pod that it makes. What is said about the object is not said again about
// the pod.
func (v *view) judge(ctx context.Context, manifest, old *unstructured.Unstructured, sender user.Info) (out []statement) {
	if sender == nil {
		sender = applier()
	}
	type key struct {
		policy     *definition
		validation int
	}
	said := map[key]bool{}
	for _, verdict := range v.world.write(manifest, old, sender).ask(ctx, v.hooks) {
		said[key{verdict.policy, verdict.validation}] = true
		out = append(out, statement{verdict: verdict})
	}
	pod, path, who := expand(manifest)
	if pod == nil {
		return out
	}
	for _, verdict := range v.world.write(pod, nil, who).ask(ctx, v.hooks) {
		if !said[key{verdict.policy, verdict.validation}] {
			verdict.path = check.Join(path) + suffix(verdict.path)
			out = append(out, statement{verdict: verdict, expanded: true})
		}
	}
	return out
}

func suffix(path string) string {
	if path == "" {
		return ""
	}
	return "." + path
}

// tell reports a verdict.
func (j *judge) tell(o *check.Object, s *statement) {
	if s.unsure != "" {
		j.doubt(o, s)
		return
	}
	j.report(check.Finding{Rule: ruleUser, Severity: s.severity, Object: o, Path: s.path, Message: s.String()})
}

// String names the policy, its validation and what it says.
func (s *statement) String() string {
	name := "policy " + s.policy.Name
	if s.validation >= 0 {
		name = fmt.Sprintf("%s, validations[%d]", name, s.validation)
	}
	if s.expanded {
		name += ", of the pod that it makes"
	}
	return name + ": " + cmp.Or(s.message, s.unsure)
}

// doubt is something that only the cluster can tell; one finding tells it for all objects.
type doubt struct {
	policy *definition
	why    string
}

type doubtful struct {
	first *check.Object
	count int
}

func (j *judge) doubt(o *check.Object, s *statement) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := doubt{s.policy, s.unsure}
	d := j.doubts[key]
	if d == nil {
		d = &doubtful{first: o}
		j.doubts[key] = d
	}
	d.count++
	if o.Ref.Less(d.first.Ref) {
		d.first = o
	}
}

func (j *judge) tellDoubts() {
	for key, d := range j.doubts {
		what := fmt.Sprintf("%s is not judged", d.first.Ref)
		if d.count > 1 {
			what = fmt.Sprintf("%s and %d more are not judged", d.first.Ref, d.count-1)
		}
		text := fmt.Sprintf("policy %s: %s; %s", key.policy.Name, key.why, what)
		if from := key.policy.from; from.object != nil && from.object.Unit.Context { // findings about it are not told
			j.report(check.Finding{Rule: ruleUnsure, Object: d.first, Message: text})
			continue
		}
		j.unsure(key.policy.from, "spec", check.Warning, text)
	}
}

func (j *judge) unsure(from origin, path string, s check.Severity, text string) {
	j.report(check.Finding{Rule: ruleUnsure, Severity: s, Object: from.object, Path: path, Place: from.place(path), Message: text})
}

// updatesOnly tells of policies that need an old object, of which none is known.
func (j *judge) updatesOnly() {
	for _, d := range j.policies.definitions {
		if !asks(d.ValidatingAdmissionPolicy, v1.Create) && asks(d.ValidatingAdmissionPolicy, v1.Update) {
			j.unsure(d.from, "spec.matchConstraints", check.Note, fmt.Sprintf("policy %s judges changes alone: name the revision to compare with (--base)", d.Name))
		}
	}
}

// bindings tells of bindings whose policy is not in the repository.
func (j *judge) bindings() {
	broken := map[string]bool{}
	for _, p := range j.policies.problems {
		if p.object != nil {
			broken[p.object.GetName()] = true
		}
	}
	for _, b := range j.policies.bindings {
		known := slices.ContainsFunc(j.policies.definitions, func(d *definition) bool {
			return d.Name == b.Spec.PolicyName && (d.from.file == nil) == (b.from.file == nil)
		})
		switch {
		case known || broken[b.Spec.PolicyName] || len(j.policies.problems) > 0 && b.from.file != nil:
		case b.from.file != nil:
			j.report(check.Finding{Rule: ruleBroken, Place: b.from.place("spec.policyName"), Message: fmt.Sprintf("binding %s: no policy %s is beside it", b.Name, b.Spec.PolicyName)})
		default:
			j.unsure(b.from, "spec.policyName", check.Warning, fmt.Sprintf("binding %s: policy %s is not in the repository", b.Name, cmp.Or(b.Spec.PolicyName, "without a name")))
		}
	}
}
