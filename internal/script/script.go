// Package script runs scripts that users have written, in Lua, within bounds: a script and the variables that it sees go in;
// what it returns, or why it was ended, comes out.
package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

const (
	// timeLimit is how long a script may run. Argo CD allows one second; here the number of steps is bounded too, and so a
	// script that waits for its turn on a busy machine need not be taken for one that does not end.
	timeLimit = 5 * time.Second
	// patience is how long a script is waited for that is in a function of a library, which cannot be interrupted. It is long
	// because on a busy machine a script may wait for its turn, and that is no fault of its own.
	patience = 10 * time.Second
)

// Runner runs scripts. It is safe for concurrent use.
type Runner struct {
	states *pool
	// Limit bounds the time of one run, Patience the wait for one that cannot be interrupted. They are set before the first run.
	Limit, Patience time.Duration
}

// NewRunner returns a Runner with the usual bounds.
func NewRunner() *Runner {
	return &Runner{states: newPool(), Limit: timeLimit, Patience: patience}
}

// Program is a compiled script.
type Program struct {
	proto *lua.FunctionProto
	// open gives it Lua's libraries string and math.
	open bool
	// stuck counts the runs that were given up and still go on. Another one would be the next goroutine that never ends.
	stuck atomic.Int32
	runs  sync.WaitGroup
}

// Compile compiles a script; name is what its errors call it. With open it may use Lua's libraries string and math.
func Compile(name, source string, open bool) (*Program, error) {
	chunk, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		return nil, notCompiled(err)
	}
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		return nil, notCompiled(err)
	}
	return &Program{proto: proto, open: open}, nil
}

func notCompiled(err error) error {
	return fmt.Errorf("the script does not compile: %s", strings.Join(strings.Fields(err.Error()), " "))
}

// Wait returns when no run of the program goes on, those that were given up among them. None may begin meanwhile.
func (p *Program) Wait() { p.runs.Wait() }

// outcome is what one run gave.
type outcome[T any] struct {
	value T
	err   error
}

// Run runs a program that sees copies of the variables, values of decoded JSON, as its globals; read makes of what it returns what
// is wanted. A program that could not be stopped once is not run again until it has ended.
func Run[T any](r *Runner, p *Program, variables map[string]any, read func(Value) (T, error)) (T, error) {
	var none T
	if p.stuck.Load() > 0 {
		return none, errors.New("the script runs on since it could not be stopped, and is not run again until it has ended or argocd-cm changes")
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience)
	defer cancel()
	done := make(chan outcome[T], 1)
	given := &atomic.Bool{} // whoever sets it first has the last word: the run that ends, or the one that gives it up
	p.runs.Go(func() {
		var out outcome[T]
		defer func() {
			if broken := recover(); broken != nil {
				out.err = fmt.Errorf("the script broke the interpreter: %v", broken)
			}
			done <- out
			if !given.CompareAndSwap(false, true) {
				p.stuck.Add(-1)
			}
		}()
		out.value, out.err = call(r, p, variables, read)
	})
	select {
	case out := <-done:
		return out.value, out.err
	case <-ctx.Done():
		p.stuck.Add(1)
		if !given.CompareAndSwap(false, true) {
			p.stuck.Add(-1) // it ended this moment
		}
		return none, fmt.Errorf("the script does not stop after %s", r.Patience)
	}
}

func call[T any](r *Runner, p *Program, variables map[string]any, read func(Value) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(context.Background(), r.Limit)
	defer cancel()
	st := r.states.get(p.open)
	m := newMeter(ctx, r.Limit)
	st.SetContext(m)
	fn := st.NewFunctionFromProto(p.proto)
	fn.Env = st.environment(variables)
	st.Push(fn)
	if err := st.PCall(0, 1, nil); err != nil {
		if m.err != nil {
			return none, m.err
		}
		return none, scriptError(err)
	}
	out, err := read(Value{st.Get(-1), st.empty})
	st.SetTop(0)
	st.RemoveContext()
	st.empty = nil
	r.states.put(st)
	return out, err
}

// scriptError takes the traces of the interpreter off: they are of no use to the author of a script.
func scriptError(err error) error {
	var api *lua.ApiError
	if errors.As(err, &api) && api.Object != lua.LNil {
		return errors.New(api.Object.String())
	}
	text, _, _ := strings.Cut(err.Error(), "\nstack traceback")
	return errors.New(text)
}
