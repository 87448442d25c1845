package script

import (
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// maxText bounds what string.rep makes, in bytes.
const maxText = 16 << 20

// pool keeps interpreters, which take longer to make than most scripts to run. One that a script has ended with an error
// is not used again.
type pool struct{ plain, open sync.Pool }

func newPool() *pool { return &pool{} }

func (p *pool) get(open bool) *state {
	if s, ok := p.of(open).Get().(*state); ok {
		return s
	}
	return newState(open)
}

func (p *pool) put(s *state) { p.of(s.open).Put(s) }

func (p *pool) of(open bool) *sync.Pool {
	if open {
		return &p.open
	}
	return &p.plain
}

// state is an interpreter with the libraries that scripts may use.
type state struct {
	*lua.LState
	open    bool
	globals *lua.LTable
	// empty says of the tables of this run that were made of an object or a list what they are when nothing is in them, which
	// Lua does not tell apart.
	empty map[*lua.LTable]any
}

// newState offers what Argo CD does: the basic functions, table, and time and date of os; with open also string and math.
// What reads or writes files, starts programs, ends the process, prints, or reaches into other scripts is left out:
// io, the rest of os, debug, package, channels and coroutines.
func newState(open bool) *state {
	s := &state{LState: lua.NewState(lua.Options{SkipOpenLibs: true}), open: open}
	lua.OpenBase(s.LState)
	s.globals = s.LState.NewTable()
	base := s.LState.G.Global
	for _, name := range []string{"assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset",
		"select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "_VERSION"} {
		s.globals.RawSetString(name, base.RawGetString(name))
	}
	s.globals.RawSetString("print", s.LState.NewFunction(func(*lua.LState) int { return 0 }))
	s.load(lua.TabLibName, lua.OpenTable, nil)
	s.load(lua.OsLibName, lua.OpenOs, []string{"time", "date", "clock", "difftime"})
	if open {
		s.load(lua.StringLibName, lua.OpenString, nil)
		s.load(lua.MathLibName, lua.OpenMath, nil)
		if table, ok := s.globals.RawGetString(lua.StringLibName).(*lua.LTable); ok {
			table.RawSetString("rep", s.LState.NewFunction(rep))
			table.RawSetString("dump", lua.LNil)
		}
	}
	return s
}

// load opens a library and keeps the functions named, or all.
func (s *state) load(name string, open lua.LGFunction, only []string) {
	s.LState.Push(s.LState.NewFunction(open))
	s.LState.Push(lua.LString(name))
	s.LState.Call(1, 0)
	all, ok := s.LState.G.Global.RawGetString(name).(*lua.LTable)
	if !ok {
		return
	}
	kept := all
	if only != nil {
		kept = s.LState.NewTable()
		for _, function := range only {
			kept.RawSetString(function, all.RawGetString(function))
		}
	}
	s.globals.RawSetString(name, kept)
}

// environment returns the global variables of one run. Libraries are copied, so that no script sees what another did to them.
func (s *state) environment(variables map[string]any) *lua.LTable {
	s.empty = map[*lua.LTable]any{}
	env := s.LState.NewTable()
	s.globals.ForEach(func(key, value lua.LValue) {
		if library, ok := value.(*lua.LTable); ok {
			own := s.LState.NewTable()
			library.ForEach(func(k, v lua.LValue) { own.RawSet(k, v) })
			value = own
		}
		env.RawSet(key, value)
	})
	env.RawSetString("_G", env)
	env.RawSetString("require", s.LState.NewFunction(func(l *lua.LState) int {
		library, ok := env.RawGetString(l.CheckString(1)).(*lua.LTable)
		if !ok {
			l.RaiseError("there is no library %q for scripts", l.CheckString(1))
		}
		l.Push(library)
		return 1
	}))
	for name, value := range variables {
		env.RawSetString(name, s.toLua(value))
	}
	return env
}

func rep(l *lua.LState) int {
	text, n := l.CheckString(1), l.CheckInt(2)
	if n > 0 && len(text) > maxText/n {
		l.RaiseError("string.rep gives more than %d bytes", maxText)
	}
	l.Push(lua.LString(strings.Repeat(text, max(n, 0))))
	return 1
}

// toLua copies a value of decoded JSON, so that a script cannot change it.
func (s *state) toLua(value any) lua.LValue {
	switch v := value.(type) {
	case bool:
		return lua.LBool(v)
	case string:
		return lua.LString(v)
	case int64:
		return lua.LNumber(v)
	case int:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := s.LState.CreateTable(len(v), 0)
		for _, item := range v {
			table.Append(s.toLua(item))
		}
		s.empty[table] = []any{}
		return table
	case map[string]any:
		table := s.LState.CreateTable(0, len(v))
		for key, item := range v {
			table.RawSetString(key, s.toLua(item))
		}
		s.empty[table] = map[string]any{}
		return table
	}
	return lua.LNil
}
