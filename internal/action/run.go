package action

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// attempts is how often an action begins again when somebody else has written the object meanwhile.
const attempts = 3

// Cluster reads and writes the cluster of an application. Its errors have kinds of package fault.
type Cluster interface {
	// Object reads an object of the application past any cache; an error of kind NotFound when it is none of its objects.
	Object(ctx context.Context, ref object.Ref, version string) (*unstructured.Unstructured, error)
	// Namespaced reports whether objects of a kind are in namespaces.
	Namespaced(kind schema.GroupVersionKind) (bool, error)
	// PatchObject applies a merge patch, to the status when it says so: then NotFound means that the kind has no status of its own.
	// u becomes the new state.
	PatchObject(ctx context.Context, u *unstructured.Unstructured, patch []byte, o WriteOptions) error
	// CreateObject creates an object; u becomes its new state.
	CreateObject(ctx context.Context, u *unstructured.Unstructured, o WriteOptions) error
}

// WriteOptions are of the writes of a Cluster.
type WriteOptions struct {
	// Status writes the subresource status.
	Status bool
	// DryRun changes nothing.
	DryRun bool
}

// Permits is what a project permits its applications.
type Permits interface {
	PermitsKind(group, kind, name, namespace string, namespaced bool) error
	PermitsDestination(server, name, namespace string) error
}

// Request is an action to run.
type Request struct {
	Ref object.Ref
	// Version is that of the API in which the object is read.
	Version string
	Action  string
	Params  map[string]string
	// Masked names annotations whose values are secret in a Secret.
	Masked []string
	// Project permits what is changed; Server and ServerName are the cluster's address and name.
	Project            Permits
	Server, ServerName string
	Now                func() time.Time
}

// Done is what an action did with one object.
type Done struct {
	Operation Operation
	Ref       object.Ref
}

// Outcome is what a run did, also one that failed half-way.
type Outcome struct {
	Done []Done
	// Builtin says that no script has decided, and that the parameters were such as the action declares. Those of a script may be
	// anything.
	Builtin bool
}

// String says it in one clause.
func (o Outcome) String() string {
	if len(o.Done) == 0 {
		return "nothing changed"
	}
	words := make([]string, len(o.Done))
	for i, d := range o.Done {
		verb := "patched "
		if d.Operation == Create {
			verb = "created "
		}
		words[i] = verb + d.Ref.String()
	}
	return strings.Join(words, ", ")
}

// Run runs an action: it reads the object, asks what the action changes, refuses what the project does not permit, and writes. All
// writes are tried before the first one is done. What has been done comes back also with an error.
func (s *Set) Run(ctx context.Context, c Cluster, q Request) (Outcome, error) {
	for attempt := 1; ; attempt++ {
		r := run{cluster: c, request: q}
		err := s.once(ctx, &r)
		// A run that has written something is over: what it did may not be done twice.
		if !fault.Is(err, fault.Conflict) || len(r.out.Done) > 0 || r.written || attempt == attempts {
			return r.out, err
		}
	}
}

// run is one attempt.
type run struct {
	cluster Cluster
	request Request
	live    *unstructured.Unstructured
	out     Outcome
	written bool // also what is no whole change
}

// step is a change that is permitted.
type step struct {
	operation Operation
	ref       object.Ref
	// object is the one to create, or the live one to patch.
	object *unstructured.Unstructured
	patch  map[string]any
}

func (s *Set) once(ctx context.Context, r *run) error {
	q := r.request
	var err error
	if r.live, err = r.cluster.Object(ctx, q.Ref, q.Version); err != nil {
		return err
	}
	seen := See(r.live, q.Masked...)
	chosen, err := s.find(seen, q.Action)
	if err != nil {
		return err
	}
	changes, err := chosen.decide(Input{Object: seen, Params: q.Params, Now: q.Now()})
	if err != nil {
		return err
	}
	r.out.Builtin = !chosen.custom
	var steps []step
	for _, change := range changes {
		st, err := r.resolve(ctx, change)
		if err != nil {
			return fault.New(fault.KindOf(err), "action %s of %s: %w", q.Action, q.Ref, err)
		}
		if st.operation == Create || len(st.patch) > 0 {
			steps = append(steps, st)
		}
	}
	if writes(steps) > 1 {
		for _, st := range steps {
			if err := r.write(ctx, st, true); err != nil {
				return err
			}
		}
	}
	for _, st := range steps {
		if err := r.write(ctx, st, false); err != nil {
			return err
		}
		r.out.Done = append(r.out.Done, Done{st.operation, st.ref})
	}
	return nil
}

// writes counts the requests that steps take.
func writes(steps []step) int {
	n := 0
	for _, st := range steps {
		n++
		if _, status := st.patch["status"]; status && len(st.patch) > 1 {
			n++
		}
	}
	return n
}

// resolve finds the object that a change is about, and refuses what is not permitted.
func (r *run) resolve(ctx context.Context, change Change) (step, error) {
	if change.Operation == Create {
		return r.resolveCreate(change.Object)
	}
	live := r.live
	if change.Object != nil {
		ref := object.RefOf(change.Object)
		var err error
		live, err = r.cluster.Object(ctx, ref, change.Object.GroupVersionKind().Version)
		if fault.Is(err, fault.NotFound) {
			return step{}, fault.New(fault.Denied, "it patches %s, and only objects of the application can be patched: %w", ref, err)
		}
		if err != nil {
			return step{}, err
		}
	}
	st := step{operation: Patch, ref: object.RefOf(live), object: live, patch: change.Patch}
	namespaced, err := r.cluster.Namespaced(live.GroupVersionKind())
	if err != nil {
		return st, err
	}
	return st, r.permitted(st.ref, namespaced)
}

// resolveCreate puts an object into the namespace of the one that the action is of.
func (r *run) resolveCreate(made *unstructured.Unstructured) (step, error) {
	u := made.DeepCopy()
	namespaced, err := r.cluster.Namespaced(u.GroupVersionKind())
	if err != nil {
		return step{}, err
	}
	own, wanted := r.request.Ref.Namespace, u.GetNamespace()
	switch {
	case namespaced && own == "":
		return step{}, fault.New(fault.Denied, "%s is in no namespace, and so it creates none of the kind %s, which is in namespaces", r.request.Ref, u.GetKind())
	case !namespaced && own != "":
		return step{}, fault.New(fault.Denied, "it creates objects in the namespace %s of its object alone, and %s is a kind of the whole cluster", own, u.GetKind())
	case namespaced && wanted != "" && wanted != own:
		return step{}, fault.New(fault.Denied, "it creates objects in the namespace %s of its object alone, and not in %s", own, wanted)
	}
	u.SetNamespace(own)
	ref := object.RefOf(u)
	if ref.Name == "" {
		ref.Name = u.GetGenerateName() + "*"
	}
	return step{operation: Create, ref: ref, object: u}, r.permitted(ref, namespaced)
}

func (r *run) permitted(ref object.Ref, namespaced bool) error {
	q := r.request
	if err := q.Project.PermitsKind(ref.Group, ref.Kind, ref.Name, ref.Namespace, namespaced); err != nil {
		return err
	}
	if !namespaced {
		return nil
	}
	return q.Project.PermitsDestination(q.Server, q.ServerName, ref.Namespace)
}

func (r *run) write(ctx context.Context, st step, dry bool) error {
	u := st.object.DeepCopy()
	if st.operation == Create {
		return r.cluster.CreateObject(ctx, u, WriteOptions{DryRun: dry})
	}
	rest := maps.Clone(st.patch)
	if status, ok := rest["status"]; ok {
		err := r.patch(ctx, u, map[string]any{"status": status}, WriteOptions{Status: true, DryRun: dry})
		switch {
		case err == nil:
			delete(rest, "status")
			r.written = r.written || !dry
			if dry {
				u = st.object.DeepCopy()
			}
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	return r.patch(ctx, u, rest, WriteOptions{DryRun: dry})
}

// patch applies a merge patch to the object as it was read.
func (r *run) patch(ctx context.Context, u *unstructured.Unstructured, patch map[string]any, o WriteOptions) error {
	whole := maps.Clone(patch)
	meta, _ := whole["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["resourceVersion"] = u.GetResourceVersion()
	whole["metadata"] = meta
	data, err := json.Marshal(whole)
	if err != nil {
		return fmt.Errorf("encode patch of %s: %w", object.RefOf(u), err)
	}
	return r.cluster.PatchObject(ctx, u, data, o)
}
