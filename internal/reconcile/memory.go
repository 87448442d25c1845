package reconcile

import (
	"encoding/json"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// AnnotationFinished records, on the Application, Jobs that were done in their present form and may be gone by their
// TTL: a JSON object from object to content hash.
const AnnotationFinished = "belay.dev/finished"

// Memory is what is worth remembering of one application between reconciliations. All of it can be lost: it saves work.
type Memory struct {
	mu       sync.Mutex
	scope    string
	diff     *diff.Memory
	key      string
	prepared diff.Targets
	settled  string // the key of what the last reconciliation wanted, if it went to its end
	hashes   map[object.Ref]string
	done     map[object.Ref]string
	heals    map[object.Ref][]time.Time
	owes     bool
}

// NewMemory returns the memory of an application; annotation is its AnnotationFinished, "" for none.
func NewMemory(annotation string) *Memory {
	m := &Memory{diff: diff.NewMemory(), done: map[object.Ref]string{}, heals: map[object.Ref][]time.Time{}}
	var stored []finishedJob
	if json.Unmarshal([]byte(annotation), &stored) == nil {
		for _, f := range stored {
			m.done[object.Ref{Group: "batch", Kind: "Job", Namespace: f.Namespace, Name: f.Name}] = f.Hash
		}
	}
	return m
}

type finishedJob struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Hash      string `json:"hash"`
}

// reset forgets verdicts that were made under other rules.
func (m *Memory) reset(scope string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.scope != scope {
		m.scope, m.diff, m.key, m.settled = scope, diff.NewMemory(), "", ""
	}
}

// forgetVerdicts has the next comparison ask the server again about all that it cannot tell by itself.
func (m *Memory) forgetVerdicts() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.diff = diff.NewMemory()
}

// owesLook reports whether somebody asked for news of the remote and has not got them.
func (m *Memory) owesLook() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owes
}

func (m *Memory) oweLook(owes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owes = owes
}

func (m *Memory) targets(key string) (diff.Targets, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.prepared, m.key == key && key != ""
}

// settle records what a reconciliation wanted that went to its end; "" for one that did not.
func (m *Memory) settle(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = key
}

// holds reports whether the last reconciliation went to its end wanting what key names.
func (m *Memory) holds(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return key != "" && m.settled == key
}

func (m *Memory) keepTargets(key string, t diff.Targets) {
	hashes := make(map[object.Ref]string, len(t.Objects))
	for _, o := range t.Objects {
		hashes[o.Ref] = o.Hash
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.key, m.prepared, m.hashes = key, t, hashes
}

// Wants reports whether the application desires the object.
func (m *Memory) Wants(ref object.Ref) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.hashes[ref]
	return ok
}

// Saw is told of the last sight of an object: a Job with a TTL that is complete is done, and will be gone.
func (m *Memory) Saw(l *object.Live) {
	if l == nil || l.Partial || !doneJob(l.Object) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if hash, ok := m.hashes[l.Ref()]; ok {
		m.done[l.Ref()] = hash
	}
}

func (m *Memory) wasDone(ref object.Ref, hash string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done[ref] == hash && hash != ""
}

// finishedAnnotation returns the value of AnnotationFinished, "" when there is nothing to record.
func (m *Memory) finishedAnnotation() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []finishedJob
	for _, t := range m.prepared.Objects { // in manifest order, so equal states give equal texts
		if m.done[t.Ref] == t.Hash {
			out = append(out, finishedJob{Namespace: t.Ref.Namespace, Name: t.Ref.Name, Hash: t.Hash})
		}
	}
	if len(out) == 0 {
		return ""
	}
	data, err := json.Marshal(out)
	if err != nil {
		return ""
	}
	return string(data)
}

func doneJob(u *unstructured.Unstructured) bool {
	gvk := u.GroupVersionKind()
	if gvk.Group != "batch" || gvk.Kind != "Job" {
		return false
	}
	if _, has, err := unstructured.NestedFieldNoCopy(u.Object, "spec", "ttlSecondsAfterFinished"); !has || err != nil {
		return false
	}
	conditions, _, err := unstructured.NestedSlice(u.Object, "status", "conditions")
	if err != nil {
		return false
	}
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Complete" && m["status"] == "True" {
			return true
		}
	}
	return false
}

// Limits of self-healing: so many heals of one object a minute are done at once, then the waits grow.
const (
	healBurst  = 5
	healWindow = time.Minute
)

// healDelay returns how long to wait before the object is healed again, given when it was healed before.
func healDelay(heals []time.Time, now time.Time, slow Backoff) time.Duration {
	recent := 0
	for _, t := range heals {
		if now.Sub(t) < healWindow+slow.Max {
			recent++
		}
	}
	inWindow := 0
	for _, t := range heals {
		if now.Sub(t) < healWindow {
			inWindow++
		}
	}
	if inWindow < healBurst && recent < 2*healBurst {
		return 0
	}
	return max(0, slow.wait(int64(recent-healBurst))-now.Sub(heals[len(heals)-1]))
}

// healWait returns the longest wait that one of the objects asks for.
func (m *Memory) healWait(refs []object.Ref, now time.Time, slow Backoff) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wait time.Duration
	for _, ref := range refs {
		wait = max(wait, healDelay(m.heals[ref], now, slow))
	}
	return wait
}

func (m *Memory) healed(refs []object.Ref, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		list := append(m.heals[ref], now)
		if n := len(list); n > 4*healBurst {
			list = list[n-4*healBurst:]
		}
		m.heals[ref] = list
	}
}
