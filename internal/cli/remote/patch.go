package remote

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// patchOp is an operation of a JSON patch (RFC 6902).
type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// MarshalJSON writes a value where the operation has one, also an empty one.
func (p patchOp) MarshalJSON() ([]byte, error) {
	out := map[string]any{"op": p.Op, "path": p.Path}
	if p.Op != "remove" {
		out["value"] = p.Value
	}
	return json.Marshal(out)
}

// appendOps appends the operations that do to an object what a merge patch (RFC 7386) does.
func appendOps(ops []patchOp, at string, before, merge map[string]any) []patchOp {
	for _, field := range slices.Sorted(maps.Keys(merge)) {
		path := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(field)
		old, present := before[field]
		switch value := merge[field].(type) {
		case nil:
			if present {
				ops = append(ops, patchOp{Op: "remove", Path: path})
			}
		case map[string]any:
			if below, ok := old.(map[string]any); ok {
				ops = appendOps(ops, path, below, value)
			} else {
				ops = append(ops, patchOp{Op: "add", Path: path, Value: withoutNulls(value)})
			}
		default:
			ops = append(ops, patchOp{Op: "add", Path: path, Value: value})
		}
	}
	return ops
}

// withoutNulls is what a merge patch makes of nothing.
func withoutNulls(merge map[string]any) map[string]any {
	out := map[string]any{}
	for field, value := range merge {
		switch v := value.(type) {
		case nil:
		case map[string]any:
			out[field] = withoutNulls(v)
		default:
			out[field] = v
		}
	}
	return out
}

// normalised is a patch of the types that JSON has.
func normalised(patch map[string]any) (map[string]any, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	var out map[string]any
	return out, utiljson.Unmarshal(data, &out)
}
