package script

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

const (
	maxInstructions = 1_000_000
	// maxGrowth is how many bytes the heap of the process may grow by while a script runs. Others allocate too, so that it
	// must be more than a script should need.
	maxGrowth  = 128 << 20
	heapMetric = "/memory/classes/heap/objects:bytes"
)

// meter is a context that the interpreter asks before each instruction, which makes it the place to count them.
type meter struct {
	context.Context
	limit time.Duration // of the context, for the message
	taken int
	start uint64
	heap  []metrics.Sample
	ended chan struct{} // closed
	err   error
}

func newMeter(ctx context.Context, limit time.Duration) *meter {
	m := &meter{Context: ctx, limit: limit, heap: []metrics.Sample{{Name: heapMetric}}, ended: make(chan struct{})}
	close(m.ended)
	return m
}

// Done implements context.Context.
func (m *meter) Done() <-chan struct{} {
	m.taken++
	switch {
	case m.err != nil:
	case m.taken > maxInstructions:
		m.err = fmt.Errorf("the script takes more than %d steps", maxInstructions)
	case m.taken&3 == 1 && m.grown():
		m.err = fmt.Errorf("the script takes more than %d bytes of memory", maxGrowth)
	case m.taken&1023 == 0 && m.Context.Err() != nil:
		m.err = fmt.Errorf("the script takes longer than %s", m.limit)
	}
	if m.err != nil {
		return m.ended
	}
	return nil
}

// Err implements context.Context.
func (m *meter) Err() error {
	if m.err != nil {
		return m.err
	}
	return m.Context.Err()
}

// grown looks at the heap, from the first steps on: text that doubles is past all bounds after a hundred.
func (m *meter) grown() bool {
	metrics.Read(m.heap)
	if m.heap[0].Value.Kind() != metrics.KindUint64 {
		return false
	}
	now := m.heap[0].Value.Uint64()
	if m.start == 0 {
		m.start = now
	}
	return now > m.start && now-m.start > maxGrowth
}
