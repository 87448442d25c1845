package jsonnet

import (
	"context"
	"runtime/metrics"

	"github.com/google/go-jsonnet/ast"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// maxCalls is the depth of calls in the program: twice that of the jsonnet command, since the count of the result
	// calls too.
	maxCalls = 1000
	// maxOutput bounds the result in bytes of JSON.
	maxOutput = 128 << 20

	heapMetric = "/memory/classes/heap/objects:bytes"
)

// limits bound one evaluation.
type limits struct {
	// depth of nodes that are evaluated within each other. Tail calls and long expressions are not calls, and a program
	// deep enough would take all of the stack that Go grants, which ends the process. One level takes about 2.5 kB.
	depth int
	// steps is the number of nodes evaluated.
	steps int
	// growth is how many bytes the heap of the process may grow by meanwhile.
	growth uint64
	// values in the result; 64 characters of text count as one.
	values int
}

// defaults are half a minute of one core, and about a hundred times what a large installation takes.
func defaults() limits {
	return limits{depth: 20_000, steps: 50_000_000, growth: 1 << 30, values: 500_000}
}

// guard bounds one evaluation. The interpreter tells it of every node, in one goroutine, so that it needs no lock.
//
// What it cannot bound is one call of a function of the standard library that is written in Go: std.makeArray of a huge
// number and the like. Between two nodes nobody asks.
type guard struct {
	limits
	ctx context.Context

	taken int // nodes evaluated
	at    int // nodes under way
	heap  []metrics.Sample
	start uint64
	err   error // why the evaluation was ended
}

func newGuard(ctx context.Context, l limits) *guard {
	g := &guard{limits: l, ctx: ctx, heap: []metrics.Sample{{Name: heapMetric}}}
	g.start = g.heapBytes()
	return g
}

func (g *guard) heapBytes() uint64 {
	metrics.Read(g.heap)
	if g.heap[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return g.heap[0].Value.Uint64()
}

func (g *guard) enter() {
	g.taken++
	g.at++
	switch {
	case g.err != nil: // the goroutine is ending already
	case g.at > g.depth:
		g.stop(fault.New(fault.Invalid, "the program nests evaluations deeper than %d", g.depth))
	case g.taken > g.steps:
		g.stop(fault.New(fault.Invalid, "the program takes more than %d steps", g.steps))
	case g.taken&255 == 0:
		if err := g.ctx.Err(); err != nil {
			g.stop(err)
		}
		g.weigh()
	}
}

// leave looks at the memory after whatever may have made much out of little: text that doubles with every call takes
// few steps from much to too much.
func (g *guard) leave(node ast.Node) {
	g.at--
	switch n := node.(type) {
	case *ast.Apply:
		g.weigh()
	case *ast.Binary:
		if n.Op == ast.BopPlus {
			g.weigh()
		}
	}
}

func (g *guard) weigh() {
	if g.err != nil {
		return // the goroutine is ending already
	}
	if now := g.heapBytes(); now > g.start && now-g.start > g.growth {
		g.stop(fault.New(fault.Invalid, "the program takes more than %d bytes of memory", g.growth))
	}
}

func (g *guard) stop(err error) {
	g.err = err
	end()
}
