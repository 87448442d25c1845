package cli

import "reflect"

// keepUnknown lays the change from before to after over raw, of which before is what this program understands. Fields that it
// does not know stay, also those of elements of a list that move or change.
func keepUnknown(raw, before, after any) any {
	if reflect.DeepEqual(before, after) {
		return raw
	}
	switch want := after.(type) {
	case map[string]any:
		return keepInMap(raw, before, want)
	case []any:
		return keepInList(raw, before, want)
	}
	return after
}

func keepInMap(raw, before any, after map[string]any) any {
	r, _ := raw.(map[string]any)
	b, _ := before.(map[string]any)
	out := map[string]any{}
	for k, v := range r {
		_, known := b[k]
		if _, stays := after[k]; stays || !known {
			out[k] = v
		}
	}
	for k, v := range after {
		out[k] = keepUnknown(r[k], b[k], v)
	}
	return out
}

// keepInList takes an element that was there before as it is in raw. An element that changed in its place keeps what is
// not known of it.
func keepInList(raw, before any, after []any) any {
	r, _ := raw.([]any)
	b, _ := before.([]any)
	if len(r) != len(b) {
		return after
	}
	used := make([]bool, len(b))
	find := func(v any) int {
		for i := range b {
			if !used[i] && reflect.DeepEqual(b[i], v) {
				used[i] = true
				return i
			}
		}
		return -1
	}
	out := make([]any, len(after))
	for i, v := range after {
		switch j := find(v); {
		case j >= 0:
			out[i] = r[j]
		case len(after) == len(b):
			out[i] = keepUnknown(r[i], b[i], v)
		default:
			out[i] = v
		}
	}
	return out
}
