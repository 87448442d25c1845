package jsonnet

import (
	"reflect"

	"github.com/google/go-jsonnet/ast"
)

func others() []reflect.Type {
	type interpreter struct{}
	type value interface{ value() }
	return []reflect.Type{
		reflect.TypeFor[int](),
		reflect.TypeFor[struct{ pre func(*interpreter, ast.Node) }](),
		reflect.TypeFor[struct {
			post func(*interpreter, ast.Node, value, error)
			pre  func(*interpreter, ast.Node)
		}](),
		reflect.TypeFor[struct {
			pre  func(interpreter, ast.Node)
			post func(*interpreter, ast.Node, value, error)
		}](),
		reflect.TypeFor[struct {
			pre  func(*interpreter, ast.Node)
			post func(*interpreter, ast.Node, any, error)
		}](),
		reflect.TypeFor[struct {
			pre  func(*interpreter, ast.Node) bool
			post func(*interpreter, ast.Node, value, error)
		}](),
	}
}
