// Package jsonnet evaluates Jsonnet programs for the renderer of directories: a .jsonnet file and its variables go in;
// the objects that it evaluates to come out. Imports are read from the traced file tree and from nowhere else.
package jsonnet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"unsafe"

	gojsonnet "github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// New returns an Evaluator.
func New() Evaluator { return Evaluator{limits: defaults()} }

// Evaluator evaluates one file at a time; it keeps nothing and is safe for concurrent use.
type Evaluator struct{ limits limits }

// argument is the external variable under which the wrapper of a program finds a top-level argument.
const argument = "belay top-level argument "

// Evaluate returns the objects of the file name, a path from the root of files. The result of the program is an object,
// a List, or an array of these, nested as may be. Errors name file, line and column; they are Invalid for what the
// program does wrong, and Denied for an import that leaves the repository.
func (e Evaluator) Evaluate(ctx context.Context, files source.FS, spec render.Spec, name string) ([]*unstructured.Unstructured, error) {
	vm := gojsonnet.MakeVM()
	vm.MaxStack = maxCalls
	vm.SetTraceOut(io.Discard) // std.trace would write to the standard error of the process
	from, err := newImporter(files, spec, name)
	if err != nil {
		return nil, err
	}
	vm.Importer(from)
	vars := v1alpha1.ApplicationSourceJsonnet{}
	if spec.Source.Directory != nil {
		vars = spec.Source.Directory.Jsonnet
	}
	arguments, err := bind(vm, vars, render.BuildEnv(files, spec))
	if err != nil {
		return nil, err
	}
	program, err := gojsonnet.SnippetToAST(wrapperName, wrapper(arguments, e.limits.values))
	if err != nil {
		return nil, fault.New(fault.Internal, "evaluate %s: %w", name, err)
	}
	text, err := run(newGuard(ctx, e.limits), vm, from, program)
	if from.err != nil {
		return nil, from.err // the cause, with its kind; what the program made of it follows from it
	}
	if err != nil {
		return nil, explain(name, err)
	}
	if len(text) > maxOutput {
		return nil, fault.New(fault.Invalid, "%s: evaluates to more than %d bytes", name, maxOutput)
	}
	return render.FromJSON(name, []byte(text))
}

// bind sets the variables and returns the names of the top-level arguments.
func bind(vm *gojsonnet.VM, vars v1alpha1.ApplicationSourceJsonnet, env render.Env) ([]string, error) {
	set := func(field, id string, v v1alpha1.JsonnetVar) error {
		value := env.Expand(v.Value)
		if !v.Code {
			vm.ExtVar(id, value)
			return nil
		}
		if err := checkNesting(fmt.Sprintf("spec.source.directory.jsonnet.%s %q", field, v.Name), value); err != nil {
			return err
		}
		vm.ExtCode(id, value)
		return nil
	}
	for _, v := range vars.ExtVars {
		if err := set("extVars", v.Name, v); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, v := range vars.TLAs {
		if !identifier().MatchString(v.Name) {
			return nil, fault.New(fault.Invalid, "spec.source.directory.jsonnet.tlas: %q is no name of a parameter", v.Name)
		}
		if err := set("tlas", argument+v.Name, v); err != nil {
			return nil, err
		}
		names = append(names, v.Name)
	}
	return names, nil
}

func identifier() *regexp.Regexp { return regexp.MustCompile(`^[_a-zA-Z][_a-zA-Z0-9]*$`) }

// wrapper is the program around the program: it passes the arguments if the result is a function, and counts the values
// of the result before the library writes them. The library writes a value as often as it is referred to, so that a
// few lines can ask for more than any machine holds, and cannot be stopped while it writes.
func wrapper(arguments []string, maxValues int) string {
	var args strings.Builder
	seen := map[string]bool{}
	for _, name := range arguments {
		if !seen[name] {
			fmt.Fprintf(&args, "%s=std.extVar(%s), ", name, quote(argument+name))
		}
		seen[name] = true
	}
	return fmt.Sprintf(`
local program = import %s;
local result = if std.isFunction(program) then program(%s) else program;
local size(value, before) =
  local now = before + 1;
  if now > %d then now
  else if std.isString(value) then now + std.floor(std.length(value) / 64)
  else if std.isArray(value) then std.foldl(function(sum, item) size(item, sum), value, now)
  else if std.isObject(value) then std.foldl(function(sum, key) size(value[key], sum), std.objectFields(value), now)
  else now;
if size(result, 0) <= %d then result else error "evaluates to more than %d values"
`, quote(programName), args.String(), maxValues, maxValues, maxValues)
}

func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		return `""` // cannot be: it is a string
	}
	return string(data)
}

// run evaluates in a goroutine of its own, which guard can end.
func run(g *guard, vm *gojsonnet.VM, from *importer, program ast.Node) (string, error) {
	err := setHooks(vm, hooks{
		before: func(_ unsafe.Pointer, node ast.Node) {
			g.enter()
			_, from.code = node.(*ast.Import)
		},
		after: func(_ unsafe.Pointer, node ast.Node, _ opaque, _ error) { g.leave(node) },
	})
	if err != nil {
		return "", fault.New(fault.Internal, "%w", err)
	}
	var text string
	done := make(chan struct{})
	go func() {
		defer close(done)
		text, err = vm.Evaluate(program)
	}()
	<-done
	if g.err != nil {
		return "", g.err
	}
	return text, err
}

// end leaves the goroutine of the evaluation. A panic would be caught by the library, which would then write down
// the stack of a program that is perhaps twenty thousand frames deep.
func end() { runtime.Goexit() }
