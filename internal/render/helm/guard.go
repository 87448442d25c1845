package helm

import (
	"context"
	"fmt"
	"runtime/metrics"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

const (
	maxOutput   = 64 << 20  // bytes of one template function, and of all manifests
	maxSteps    = 1_000_000 // entries into ranges and templates in one render
	maxElements = 1_000_000 // numbers that until, untilStep and seq may give in one render
	maxGrowth   = 1 << 30   // bytes that the heap may grow while one render runs
	heapMetric  = "/memory/classes/heap/objects:bytes"
	stepName    = "belayStep" // the function that instrument puts at the start of ranges and templates
)

// guard bounds one run of templates. The engine cannot be interrupted, so the templates ask it themselves: at the
// start of every template and of every round of a range, and in the functions that make much out of little.
// An engine runs in one goroutine, so guard needs no lock.
type guard struct {
	ctx      context.Context
	steps    int
	elements int
	heap     []metrics.Sample
	start    uint64
	err      error // why the run was stopped
}

func newGuard(ctx context.Context) *guard {
	g := &guard{ctx: ctx, heap: []metrics.Sample{{Name: heapMetric}}}
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

func (g *guard) stop(err error) error {
	if g.err == nil {
		g.err = err
	}
	return g.err
}

// step is called by the templates.
func (g *guard) step() (string, error) {
	g.steps++
	if g.steps&15 == 0 {
		if err := g.ctx.Err(); err != nil {
			return "", g.stop(err)
		}
		if now := g.heapBytes(); now > g.start && now-g.start > maxGrowth {
			return "", g.stop(fmt.Errorf("the templates take more than %d bytes of memory", maxGrowth))
		}
	}
	if g.steps > maxSteps {
		return "", g.stop(fmt.Errorf("the templates take more than %d steps", maxSteps))
	}
	return "", nil
}

func (g *guard) count(n int) error {
	if _, err := g.step(); err != nil {
		return err
	}
	if n < 0 {
		return nil
	}
	if g.elements += n; n > maxElements || g.elements > maxElements {
		return g.stop(fmt.Errorf("until, untilStep and seq give more than %d numbers", maxElements))
	}
	return nil
}

// fits checks a length before the string of that length is made.
func (g *guard) fits(name string, n int) error {
	if _, err := g.step(); err != nil {
		return err
	}
	if n > maxOutput {
		return g.stop(fmt.Errorf("%s gives more than %d bytes", name, maxOutput))
	}
	return nil
}

// funcs replaces the functions that make huge values out of small ones by bounded ones and adds those that
// instrument calls.
func (g *guard) funcs() template.FuncMap {
	base := sprig.TxtFuncMap()
	out := template.FuncMap{
		stepName: g.step,
		guardTpl: func(text string) (string, error) {
			if _, err := g.step(); err != nil {
				return "", err
			}
			return instrumentText(text), nil
		},
		"repeat": func(count int, s string) (string, error) {
			if count < 0 {
				return "", fmt.Errorf("repeat: negative count %d", count)
			}
			if len(s) > 0 && count > maxOutput/len(s) {
				return "", g.fits("repeat", maxOutput+1)
			}
			return strings.Repeat(s, count), g.fits("repeat", count*len(s))
		},
		"replace": func(old, replacement, s string) (string, error) {
			n := strings.Count(s, old)
			return guarded(g, "replace", len(s)+n*len(replacement), func() string { return strings.ReplaceAll(s, old, replacement) })
		},
		"printf": func(format string, args ...any) (string, error) {
			return guarded(g, "printf", argBytes(args)+len(format), func() string { return fmt.Sprintf(format, args...) })
		},
		"print": func(args ...any) (string, error) {
			return guarded(g, "print", argBytes(args), func() string { return fmt.Sprint(args...) })
		},
		"println": func(args ...any) (string, error) {
			return guarded(g, "println", argBytes(args), func() string { return fmt.Sprintln(args...) })
		},
	}
	for _, name := range []string{"indent", "nindent"} {
		if f, ok := base[name].(func(int, string) string); ok {
			out[name] = func(spaces int, s string) (string, error) {
				if spaces < 0 || spaces > 10_000 {
					return "", fmt.Errorf("%s: %d is no width to indent by", name, spaces)
				}
				return guarded(g, name, len(s)+spaces*(1+strings.Count(s, "\n")), func() string { return f(spaces, s) })
			}
		}
	}
	for _, name := range []string{"randAlphaNum", "randAlpha", "randAscii", "randNumeric"} {
		if f, ok := base[name].(func(int) string); ok {
			out[name] = func(n int) (string, error) {
				return guarded(g, name, n, func() string { return f(n) })
			}
		}
	}
	g.sequences(base, out)
	return out
}

func guarded(g *guard, name string, n int, make func() string) (string, error) {
	if err := g.fits(name, n); err != nil {
		return "", err
	}
	return make(), nil
}

func argBytes(args []any) int {
	n := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			n += len(s)
		}
	}
	return n
}

// sequences bounds the functions that give lists of numbers.
func (g *guard) sequences(base, out template.FuncMap) {
	if f, ok := base["until"].(func(int) []int); ok {
		out["until"] = func(n int) ([]int, error) {
			if err := g.count(max(n, -n)); err != nil {
				return nil, err
			}
			return f(n), nil
		}
	}
	if f, ok := base["untilStep"].(func(int, int, int) []int); ok {
		out["untilStep"] = func(start, stop, step int) ([]int, error) {
			if err := g.count(span(start, stop, step)); err != nil {
				return nil, err
			}
			return f(start, stop, step), nil
		}
	}
	if f, ok := base["seq"].(func(...int) string); ok {
		out["seq"] = func(params ...int) (string, error) {
			n := 0
			switch len(params) {
			case 1:
				n = span(1, params[0], 1) + span(params[0], 1, 1)
			case 2:
				n = span(params[0], params[1], 1) + span(params[1], params[0], 1)
			case 3:
				n = span(params[0], params[2], params[1])
			}
			if err := g.count(n); err != nil {
				return "", err
			}
			return f(params...), nil
		}
	}
}

// span is the number of steps from start to stop, large when it would overflow.
func span(start, stop, step int) int {
	if step == 0 || (stop > start) != (step > 0) {
		return 0
	}
	distance := float64(stop) - float64(start)
	return int(min(distance/float64(step), maxElements+1))
}
