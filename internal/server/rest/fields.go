package rest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// selection is a tree of the names of fields; one without names below it stands for the whole value.
type selection map[string]selection

// project keeps of an answer the fields that a caller names as Argo CD's clients do: a list of paths with commas, such as
// items.metadata.name,metadata.resourceVersion. A dash in front leaves the fields out instead.
func project(data []byte, fields string) ([]byte, error) {
	list, exclude := strings.CutPrefix(fields, "-")
	tree := selection{}
	for _, path := range strings.Split(list, ",") {
		at := tree
		for _, name := range strings.Split(path, ".") {
			if at[name] == nil {
				at[name] = selection{}
			}
			at = at[name]
		}
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("select fields: %w", err)
	}
	if exclude {
		drop(value, tree)
	} else {
		value = keep(value, tree)
	}
	return json.Marshal(value)
}

func keep(value any, tree selection) any {
	if len(tree) == 0 {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, below := range tree {
			if inner, ok := v[name]; ok {
				out[name] = keep(inner, below)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = keep(v[i], tree)
		}
	}
	return value
}

func drop(value any, tree selection) {
	switch v := value.(type) {
	case map[string]any:
		for name, below := range tree {
			if len(below) == 0 {
				delete(v, name)
			} else {
				drop(v[name], below)
			}
		}
	case []any:
		for i := range v {
			drop(v[i], tree)
		}
	}
}
