package diff

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// Predictor asks the server what an apply of desired would make of the object, without writing. A refusal (validation,
// admission, immutable field) is an error of kind Invalid or Denied.
type Predictor interface {
	// Without validate, fields that the kind does not have are dropped in silence.
	Predict(ctx context.Context, desired *unstructured.Unstructured, validate bool) (*unstructured.Unstructured, error)
	// Read returns the live object at the API version of like, where the cache holds another version or none of it.
	Read(ctx context.Context, like *unstructured.Unstructured) (*object.Live, error)
}

// confirmParallel bounds the dry-runs of one application that are in flight.
const confirmParallel = 8

// Confirm settles every suspicion of the plan by a dry-run and remembers the verdicts. A refusal becomes the item's:
// it differs, and a sync of it cannot succeed. An error means that the comparison is not known.
func Confirm(ctx context.Context, plan *Plan, memory *Memory, rules Rules, predictor Predictor) error {
	suspects := plan.Suspects()
	errs := make([]error, len(suspects))
	var failed atomic.Bool
	var group errgroup.Group
	group.SetLimit(confirmParallel)
	for i, item := range suspects {
		if failed.Load() {
			break
		}
		group.Go(func() error {
			errs[i] = confirm(ctx, item, memory, rules, predictor)
			if errs[i] != nil {
				failed.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // each has its place in errs
	for _, err := range errs {
		if err != nil {
			return err // of the first object in order, so that a lasting failure gives the same text every time
		}
	}
	return nil
}

func confirm(ctx context.Context, item *Item, memory *Memory, rules Rules, predictor Predictor) error {
	cached := item.Live
	if cached.Partial || cached.Object.GetAPIVersion() != item.Desired.GetAPIVersion() {
		live, err := predictor.Read(ctx, item.Desired)
		if fault.Is(err, fault.NotFound) {
			// The version in Git may be one that a definition in the same commit brings.
			item.suspect, item.Action, item.Reason = false, Update, "the cluster does not serve it as "+item.Desired.GetAPIVersion()
			return nil
		}
		if err != nil {
			return err
		}
		item.Live = live
	}
	validate := !rules.NoValidate && !HasOption(item.Desired.GetAnnotations(), v1alpha1.AnnotationSyncOptions, "Validate=false")
	predicted, err := predictor.Predict(ctx, item.Desired, validate)
	if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Denied) {
		item.suspect, item.Action, item.Refused = false, Update, err
		item.Reason = "the API server refuses the desired object"
		item.Changes = explain(desiredChanges(item), item.Live.Managers)
		return nil
	}
	if err != nil {
		return err
	}
	if item.Live == cached && predicted.GetResourceVersion() != cached.Object.GetResourceVersion() {
		// The server has a newer state than our view. What somebody else wrote is not what an apply would change.
		live, err := predictor.Read(ctx, item.Desired)
		if fault.Is(err, fault.NotFound) {
			item.suspect, item.Live, item.Action, item.Reason = false, nil, Create, "missing in the cluster"
			return nil
		}
		if err != nil {
			return err
		}
		item.Live = live
	}
	if err := decide(item, predicted); err != nil {
		return err
	}
	memory.remember(item, cached)
	return nil
}

// desiredChanges compares what Git says with the live object where the server gives no prediction: only fields
// that Git names count.
func desiredChanges(item *Item) []object.Change {
	var out []object.Change
	for _, c := range Fields(content(item.Live.Object.Object, false), content(item.Desired.Object, false)) {
		if c.Desired != nil {
			out = append(out, c)
		}
	}
	return out
}

// Memory remembers verdicts of one application between comparisons, so that neither a status update nor a refresh asks
// the server again. It holds one entry an object and is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	verdicts map[object.Ref]verdict
}

type verdict struct {
	desired   string // hash of the desired object
	version   string // resourceVersion at which content was computed last
	content   string // hash of the live content that counts
	action    Action
	reason    string
	changes   []object.Change
	predicted *unstructured.Unstructured
	adopt     []string
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{verdicts: map[object.Ref]verdict{}} }

// recall returns the verdict for the item if neither side changed since.
func (m *Memory) recall(item *Item) (verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.verdicts[item.Ref]
	if !ok || v.desired != item.hash {
		return verdict{}, false
	}
	rv := item.Live.Object.GetResourceVersion()
	if v.version == rv {
		return v, true
	}
	if item.Live.Partial || v.content != liveHash(item.Live, item.keepsStatus) {
		return verdict{}, false
	}
	v.version = rv
	m.verdicts[item.Ref] = v
	return v, true
}

func (m *Memory) remember(item *Item, cached *object.Live) {
	v := verdict{
		desired: item.hash, version: cached.Object.GetResourceVersion(), content: liveHash(cached, item.keepsStatus),
		action: item.Action, reason: item.Reason, changes: item.Changes, predicted: item.Predicted, adopt: item.Adopt,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verdicts[item.Ref] = v
}

// Learn records that written is what the server made of the desired object of item just now: until one of them
// changes, they are in sync.
func (m *Memory) Learn(item *Item, written *object.Live) {
	v := verdict{
		desired: item.hash, version: written.Object.GetResourceVersion(), content: liveHash(written, item.keepsStatus), action: None,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verdicts[item.Ref] = v
}

// Keep forgets all objects that are not in the plan.
func (m *Memory) Keep(plan *Plan) {
	in := make(map[object.Ref]bool, len(plan.Items))
	for _, i := range plan.Items {
		in[i.Ref] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref := range m.verdicts {
		if !in[ref] {
			delete(m.verdicts, ref)
		}
	}
}

// liveHash names what a verdict depends on: content, usually without status, and our own field set.
func liveHash(l *object.Live, keepStatus bool) string {
	return object.Hash([]any{content(l.Object.Object, keepStatus), ours(l.Managers)})
}
