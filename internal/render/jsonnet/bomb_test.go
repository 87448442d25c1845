package jsonnet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// small are limits that a test reaches in a second.
func small() Evaluator {
	l := defaults()
	l.steps, l.values, l.growth = 500_000, 5_000, 256<<20
	return Evaluator{limits: l}
}

func evaluate(ctx context.Context, e Evaluator, program string) (int, error) {
	files := rendertest.Files(map[string]string{"app/a.jsonnet": program})
	spec := render.Spec{AppName: "a", Source: v1alpha1.ApplicationSource{Path: "app"}}
	objects, err := e.Evaluate(ctx, files, spec, "app/a.jsonnet")
	return len(objects), err
}

// TestBombs wants programs that ask for more than there is to end with an error that says so, and the process to live.
func TestBombs(t *testing.T) {
	for name, test := range map[string]struct{ program, want string }{
		"doubled values":  {"local f(n) = if n == 0 then ['lol'] else local x = f(n - 1); [x, x]; f(64)", "evaluates to more than 5000 values"},
		"doubled objects": {"local f(n) = if n == 0 then {} else local x = f(n - 1); {a: x, b: x}; f(64)", "evaluates to more than 5000 values"},
		"doubled text":    {"local f(n) = if n == 0 then 'lol' else local x = f(n - 1); x + x; [f(60)]", "bytes of memory"},
		"long text":       {"local f(n) = if n == 0 then 'lol' else local x = f(n - 1); x + x; [f(20)]", "evaluates to more than 5000 values"},
		"nested loops":    {"[a + b + c for a in std.range(1, 1000) for b in std.range(1, 1000) for c in std.range(1, 1000)]", "takes more than"},
		"tail calls":      {"local f(n) = f(n + 1) tailstrict; f(1)", "nests evaluations deeper than 20000"},
		"long sum":        {strings.Repeat("1+", 19_000) + "1", "a mapping with apiVersion and kind is wanted"},
		"deep calls":      {"local f(n) = if n == 0 then 0 else f(n - 1)" + strings.Repeat("+1", 2000) + "; f(600)", "nests evaluations deeper than 20000"},
		"keywords":        {strings.Repeat("1+if true then ", 3000) + "1", "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := evaluate(context.Background(), small(), test.program); err == nil || !strings.Contains(err.Error(), test.want) || !fault.Is(err, fault.Invalid) {
				t.Errorf("error %v, want Invalid with %q", err, test.want)
			}
		})
	}
}

// TestParserDepth gives the parser, in every form of nesting, the deepest text that checkNesting lets through.
func TestParserDepth(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	for _, piece := range []string{"[", "(", "{a:", "!", "-", "~", "local a=1;", "local a=1,b=1;", "if 1 then ", "1+if 1 then ", "function(x)1+",
		"assert 1;", "1||assert 1;", "error ", "1||error ", "a+{a:", "[x for x in ", "{[a]:", "1+!", "a[", "a(", "'a'+", "a in ", "@''+", "if 1 then 1 else "} {
		low, high := 1, 1<<16
		for low < high-1 {
			if mid := (low + high) / 2; checkNesting("x", strings.Repeat(piece, mid)+"1") == nil {
				low = mid
			} else {
				high = mid
			}
		}
		if low > 1<<15 {
			t.Errorf("%q: %d of them are let through", piece, low)
			continue
		}
		if _, err := evaluate(context.Background(), small(), strings.Repeat(piece, low)+"1"); err == nil {
			t.Errorf("%q: no error", piece)
		}
	}
}

// TestTime wants an evaluation to end with its context.
func TestTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := evaluate(ctx, New(), "std.foldl(function(a, b) a + b, [a + b for a in std.range(1, 10000) for b in std.range(1, 10000)], 0)")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestLayout wants other types than the known one to be refused.
func TestLayout(t *testing.T) {
	for _, other := range others() {
		if sameLayout(other) {
			t.Errorf("%s counts as the library's type", other)
		}
	}
}

// FuzzEvaluate: whatever a program says, it ends, the process lives, and an error is the program's.
func FuzzEvaluate(f *testing.F) {
	for _, s := range []string{"", "{", "[1, {a: self}]", "local f(x) = f(x) tailstrict; f(1)", "import 'a.jsonnet'", "importstr '../..'", "|||\n  a\n|||",
		"@'a''b' % 1", "[[[{a: function(x) !x}]]]", "std.extVar('x')", "error {}", "/* ", "{a: 1, b: $.a, assert self.a > 1}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, program string) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := evaluate(ctx, small(), program); err != nil && (fault.Is(err, fault.Internal) || fault.Is(err, fault.Transient)) {
			t.Fatalf("%v", err)
		}
	})
}
