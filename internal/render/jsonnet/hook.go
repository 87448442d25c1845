package jsonnet

import (
	"errors"
	"reflect"
	"unsafe"

	gojsonnet "github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"
)

// opaque stands for an interface value of the library whose type it does not export: two words that nobody looks at.
type opaque struct{ _, _ unsafe.Pointer }

// hooks has the layout of gojsonnet.EvalHook: what the interpreter calls before and after it evaluates a node. The
// library fills it only for its own debugger and exports no way to set it, and it has no other way to be interrupted.
type hooks struct {
	before func(interpreter unsafe.Pointer, node ast.Node)
	after  func(interpreter unsafe.Pointer, node ast.Node, result opaque, err error)
}

// errLayout means that the library was exchanged for one in which hooks cannot be set. Nothing is evaluated then.
var errLayout = errors.New("this version of the Jsonnet library cannot be interrupted, so that nothing is evaluated with it")

// setHooks makes vm call h. It checks first that the library's type is the one that hooks imitates.
func setHooks(vm *gojsonnet.VM, h hooks) error {
	if !sameLayout(reflect.TypeFor[gojsonnet.EvalHook]()) {
		return errLayout
	}
	// The two differ in the names of types alone: pointers stand for pointers, two words for an interface.
	vm.EvalHook = *(*gojsonnet.EvalHook)(unsafe.Pointer(&h))
	return nil
}

func sameLayout(t reflect.Type) bool {
	node, failure := reflect.TypeFor[ast.Node](), reflect.TypeFor[error]()
	if t.Kind() != reflect.Struct || t.NumField() != 2 || t.Size() != reflect.TypeFor[hooks]().Size() {
		return false
	}
	before, after := t.Field(0), t.Field(1)
	if before.Name != "pre" || before.Type.Kind() != reflect.Func || before.Type.NumIn() != 2 || before.Type.NumOut() != 0 ||
		before.Type.In(0).Kind() != reflect.Pointer || before.Type.In(1) != node {
		return false
	}
	return after.Name == "post" && after.Type.Kind() == reflect.Func && after.Type.NumIn() == 4 && after.Type.NumOut() == 0 &&
		after.Type.In(0).Kind() == reflect.Pointer && after.Type.In(1) == node &&
		after.Type.In(2).Kind() == reflect.Interface && after.Type.In(2).NumMethod() > 0 && after.Type.In(3) == failure
}
