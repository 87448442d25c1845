package object

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// NewLive takes an object as the server sent it, moves metadata.managedFields out of it into Managers, and returns the
// pair. u is changed and belongs to the result.
func NewLive(u *unstructured.Unstructured) *Live {
	l := &Live{Object: u}
	meta, ok := u.Object["metadata"].(map[string]any)
	if !ok {
		return l
	}
	entries, _ := meta["managedFields"].([]any)
	delete(meta, "managedFields")
	for _, e := range entries {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		raw, err := json.Marshal(m["fieldsV1"])
		if err != nil {
			continue // it came from JSON, so it can be written as JSON
		}
		l.Managers = append(l.Managers, Manager{
			Name: text(m["manager"]), Operation: text(m["operation"]), Subresource: text(m["subresource"]),
			Time: text(m["time"]), FieldsV1: raw,
		})
	}
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
