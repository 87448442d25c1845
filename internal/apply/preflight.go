package apply

import (
	"context"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
)

// preflight lets the server judge all writes of the operation before the first one is made. What the comparison has
// asked already is not asked again, and a single write needs no rehearsal, unless a deletion would come before it: an
// object that moves (to another namespace, to another name) must not be lost because its new place refuses it.
func (s *stepper) preflight(ctx context.Context, stages []Stage) (failed bool) {
	var unknown []*Task
	writes, deletes := 0, false
	defined := definedKinds(stages)
	namespaces := createdNamespaces(stages)
	namespaces[s.op.Options.NewNamespace] = s.op.Options.NewNamespace != ""
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Forbidden != nil {
				s.results.fail(t, t.Forbidden)
				failed = true
				continue
			}
			if t.prune() {
				deletes = deletes || s.op.Options.Prune
				continue
			}
			if t.Action == diff.None {
				continue
			}
			writes++
			opts := s.writeOptions(t)
			// The comparison asks by the options of the application; those of the operation may allow more.
			refused := t.Refused != nil && !opts.NoValidate
			switch {
			case refused && !opts.Force && !opts.Replace:
				s.results.fail(t, t.Refused)
				failed = true
			case defined[t.Ref.GroupKind()] == diff.Create, namespaces[t.Ref.Namespace]:
			case t.Hook == nil && (refused || t.Predicted != nil) && !opts.Replace:
			default:
				unknown = append(unknown, t)
			}
		}
	}
	if failed || writes < 2 && !deletes && !s.op.Options.DryRun {
		return failed
	}
	return s.rehearse(ctx, unknown, defined)
}

// rehearse asks for a dry-run of each task. A kind that a CRD of this operation will serve is not known yet.
func (s *stepper) rehearse(ctx context.Context, tasks []*Task, defined map[schema.GroupKind]diff.Action) (failed bool) {
	ok := make([]bool, len(tasks))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, t := range tasks {
		group.Go(func() error {
			opts := s.writeOptions(t)
			opts.DryRun, opts.Force = true, false
			opts.Fresh = t.Hook != nil && s.begins(t)
			_, err := s.w.Apply(ctx, t.Desired, opts)
			missing := fault.Is(err, fault.NotFound) && (defined[t.Ref.GroupKind()] != "" || s.skipsMissingKind(t))
			if err != nil && !s.writeOptions(t).Force && !missing {
				s.results.fail(t, err)
				return nil
			}
			ok[i] = true
			return nil
		})
	}
	_ = group.Wait() // the functions report through results
	for _, good := range ok {
		failed = failed || !good
	}
	return failed
}

// pretend reports for a dry run what would have been done.
func (s *stepper) pretend(stages []Stage) {
	for _, st := range stages {
		for _, t := range st.Tasks {
			code, why := s.skipsPrune(t)
			switch {
			case t.Hook != nil:
				s.results.hook(t, v1alpha1.OperationSucceeded, "created (dry run)")
			case t.Action == diff.None:
				s.results.done(t, v1alpha1.ResultSynced, "unchanged (dry run)")
			case !t.prune():
				s.results.done(t, v1alpha1.ResultSynced, verb(t)+" (dry run)")
			case why != "":
				s.results.done(t, code, why)
			default:
				s.results.done(t, v1alpha1.ResultPruned, "pruned (dry run)")
			}
		}
	}
}

// definedKinds returns what the operation does with the definition of kinds: diff.Create or diff.Update.
func definedKinds(stages []Stage) map[schema.GroupKind]diff.Action {
	out := map[schema.GroupKind]diff.Action{}
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Desired == nil || t.Action == diff.None {
				continue
			}
			if gk, _, ok := diff.DefinedKind(t.Desired); ok {
				out[gk] = t.Action
			}
		}
	}
	return out
}

// createdNamespaces returns the namespaces that the operation itself creates: a dry-run inside them cannot work yet.
func createdNamespaces(stages []Stage) map[string]bool {
	out := map[string]bool{}
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Ref.Group == "" && t.Ref.Kind == "Namespace" && t.Action == diff.Create {
				out[t.Ref.Name] = true
			}
		}
	}
	delete(out, "")
	return out
}
