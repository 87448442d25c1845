package archtest

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestShapeRules proves that each rule on the shape of code finds what it is for, and lets the rest pass.
func TestShapeRules(t *testing.T) {
	cases := map[string]struct {
		rel, source string
		want        []string
	}{
		"constants pass": {"internal/diff/x.go", `package x
import ("errors"; "regexp"; "embed")
var errX = errors.New("x")
var pattern = regexp.MustCompile("x")
var _ error = errX
//go:embed x
var files embed.FS`, nil},
		"variables": {"internal/diff/x.go", `package x
var a, b = 1, 2
var ( c map[string]int; d = []string{"x"} )`, []string{"internal/diff/x.go:a", "internal/diff/x.go:b", "internal/diff/x.go:c", "internal/diff/x.go:d"}},
		"init": {"internal/diff/x.go", `package x
func init() {}
type t struct{}
func (t) init() {}`, []string{"internal/diff/x.go:init"}},
		"clock by call, by value and by another name": {"internal/diff/x.go", `package x
import ( "time"; clock "time" )
func f() func() time.Time { _ = clock.Since(time.Now()); return time.Now }
func g(time interface{ Sleep() }) { time.Sleep() }`,
			[]string{"internal/diff/x.go:time.Since", "internal/diff/x.go:time.Now", "internal/diff/x.go:time.Now"}},
		"clock at the edge": {"internal/controller/x.go", `package x
import "time"
func f() time.Time { return time.Now() }`, nil},
		"environment": {"internal/app/x.go", `package x
import "os"
func f() { os.Exit(len(os.Getenv("X"))) }`, []string{"internal/app/x.go:os.Exit", "internal/app/x.go:os.Getenv"}},
		"environment in a program": {"cmd/belay/main.go", `package main
import "os"
func main() { os.Exit(len(os.Getenv("X"))) }`, nil},
		"parameters": {"internal/diff/x.go", `package x
import "context"
func ok(ctx context.Context, a, b, c, d, e int) {}
func bad(ctx context.Context, a, b, c, d, e, f int) {}`, []string{"internal/diff/x.go:bad"}},
		"long story": {"internal/reconcile/x.go", "package x\nfunc long() {\n" + strings.Repeat("\n", 60) + "}", []string{"internal/reconcile/x.go:long"}},
		"long function": {"internal/diff/x.go", "package x\nfunc fits() {\n" + strings.Repeat("\n", 90) + "}\nfunc long() {\n" +
			strings.Repeat("\n", 100) + "}", []string{"internal/diff/x.go:long"}},
		"long file": {"internal/diff/x.go", "package x\n" + strings.Repeat("\n", 700), []string{"internal/diff/x.go"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fset := token.NewFileSet()
			parsed, err := parser.ParseFile(fset, c.rel, c.source, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			f := file{c.rel, fset.File(parsed.FileStart).LineCount(), fset, parsed}
			dir := c.rel[:strings.LastIndex(c.rel, "/")]
			var got []string
			for _, found := range [][]breach{sizes(t, f), globals(f), hiddenInputs(&pkg{rel: dir}, f)} {
				for _, b := range found {
					got = append(got, b.where)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
