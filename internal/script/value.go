package script

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// Bounds of what a script returns: an object of Kubernetes has less of all of them.
const (
	maxDepth  = 64
	maxValues = 200_000
	maxBytes  = 4 << 20
)

// Exact is the largest number that a script can hold and that Kubernetes writes as a whole one: Lua knows floats alone.
const Exact = 1 << 53

// Value is what a script returns. It is valid within the function that reads it.
type Value struct {
	value lua.LValue
	empty map[*lua.LTable]any
}

// Type is Lua's name of the type.
func (v Value) Type() string { return v.value.Type().String() }

// IsNil reports whether there is none.
func (v Value) IsNil() bool { return v.value == lua.LNil }

// IsTable reports whether it is a table.
func (v Value) IsTable() bool { return v.value.Type() == lua.LTTable }

// Field is the field of a table; nil without one.
func (v Value) Field(name string) Value {
	if table, ok := v.value.(*lua.LTable); ok {
		return Value{table.RawGetString(name), v.empty}
	}
	return Value{lua.LNil, v.empty}
}

// Len is the number of elements of a table that is a list.
func (v Value) Len() int {
	if table, ok := v.value.(*lua.LTable); ok {
		return table.Len()
	}
	return 0
}

// IsEmpty reports whether nothing is in a table.
func (v Value) IsEmpty() bool {
	table, ok := v.value.(*lua.LTable)
	if !ok {
		return false
	}
	key, _ := table.Next(lua.LNil)
	return key == lua.LNil
}

// Text is the text of a string or a number, and nothing of another value.
func (v Value) Text() string { return lua.LVAsString(v.value) }

// String is any value as Lua prints it.
func (v Value) String() string { return v.value.String() }

// Plain is the value as decoded JSON has it: objects, lists, text, truth, whole numbers and floats. A table with the keys 1 to n is
// a list. An empty one is what it was when the script got it, and otherwise a list, as Argo CD takes it. What JSON cannot say, and
// what is out of all proportion, is an error.
func (v Value) Plain() (any, error) {
	c := &converter{empty: v.empty}
	return c.plain(v.value, "", 0)
}

type converter struct {
	empty         map[*lua.LTable]any
	values, bytes int
}

func (c *converter) plain(value lua.LValue, path string, depth int) (any, error) {
	c.values++
	if c.values > maxValues {
		return nil, fmt.Errorf("what the script returns has more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("what the script returns is nested more than %d deep", maxDepth)
	}
	switch v := value.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LNumber:
		return number(float64(v), path)
	case lua.LString:
		return c.text(string(v), path)
	case *lua.LTable:
		return c.table(v, path, depth)
	}
	return nil, fmt.Errorf("what the script returns has a %s at %s", value.Type(), at(path))
}

func (c *converter) text(s, path string) (string, error) {
	if c.bytes += len(s); c.bytes > maxBytes {
		return "", fmt.Errorf("what the script returns has more than %d bytes", maxBytes)
	}
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("what the script returns has a text at %s that is no UTF-8", at(path))
	}
	return s, nil
}

func number(f float64, path string) (any, error) {
	switch {
	case math.IsNaN(f), math.IsInf(f, 0):
		return nil, fmt.Errorf("what the script returns has at %s a number that is none: %v", at(path), f)
	case f == math.Trunc(f) && math.Abs(f) <= Exact:
		return int64(f), nil
	}
	return f, nil
}

func (c *converter) table(table *lua.LTable, path string, depth int) (any, error) {
	n := table.Len()
	count, list, object := 0, false, false
	var other lua.LValue
	table.ForEach(func(key, _ lua.LValue) {
		count++
		switch key.(type) {
		case lua.LString:
			object = true
		case lua.LNumber:
			list = true
		default:
			other = key
		}
	})
	switch {
	case other != nil:
		return nil, fmt.Errorf("what the script returns has at %s a key that is a %s", at(path), other.Type())
	case count == 0:
		switch c.empty[table].(type) {
		case map[string]any:
			return map[string]any{}, nil
		default:
			return []any{}, nil
		}
	case list && object:
		return nil, fmt.Errorf("what the script returns has at %s a table that is a list and an object at once", at(path))
	case list && n != count:
		return nil, fmt.Errorf("what the script returns has at %s a list with a gap", at(path))
	case list:
		out := make([]any, 0, min(n, maxValues))
		for i := 1; i <= n; i++ {
			item, err := c.plain(table.RawGetInt(i), path+"["+strconv.Itoa(i)+"]", depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, item)
		}
		return out, nil
	}
	return c.object(table, path, depth)
}

func (c *converter) object(table *lua.LTable, path string, depth int) (any, error) {
	out := map[string]any{}
	var failed error
	table.ForEach(func(key, item lua.LValue) {
		if failed != nil {
			return
		}
		name, err := c.text(key.String(), path)
		if err == nil {
			out[name], err = c.plain(item, path+"."+name, depth+1)
		}
		failed = err
	})
	if failed != nil {
		return nil, failed
	}
	return out, nil
}

// at names a place, cut where it is long.
func at(path string) string {
	if path == "" {
		return "its top"
	}
	if len(path) > 200 {
		path = path[:200] + "..."
	}
	return strconv.Quote(path)
}

// Seen is a value of decoded JSON as a script sees it: nulls are not there, and whole numbers beyond Exact have lost their end. What
// a script returns unchanged is equal to it.
func Seen(value any) any {
	switch v := value.(type) {
	case int:
		return Seen(int64(v))
	case int64:
		return Seen(float64(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= Exact {
			return int64(v)
		}
		return v
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if seen := Seen(item); seen != nil {
				out = append(out, seen)
			}
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			if seen := Seen(item); seen != nil {
				out[key] = seen
			}
		}
		return out
	case bool, string:
		return v
	}
	return nil
}
