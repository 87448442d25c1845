package native

import (
	"reflect"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// path turns a path of the API server into one of the check, and returns what is there; nil if nothing is.
func (t teller) path(text string) (string, any) {
	if text == "<nil>" {
		return "", t.o.Object
	}
	return check.ServerPath(t.o.Object, t.written(check.ServerSteps(text)))
}

// written returns the steps to a field as the author has written it, where the API server keeps it in another one.
func (t teller) written(at []string) []string {
	switch {
	case t.o.GetKind() == "Secret" && len(at) == 2 && at[0] == "data":
		if literal, _ := t.o.Object["stringData"].(map[string]any); literal[at[1]] != nil {
			return []string{"stringData", at[1]}
		}
	case t.o.GetKind() == "Service" && len(at) == 3 && at[1] == "clusterIPs" && check.Lookup(t.o.Object, []string{"spec", "clusterIPs"}) == nil:
		return []string{"spec", "clusterIP"}
	}
	return at
}

// narrow follows the one field that has changed below path, as long as there is only one. Fields that the detail names in quotes
// are those that may change.
func narrow(path string, now, was any, detail string) string {
	for {
		if a, isList := now.([]any); isList {
			b, _ := was.([]any)
			i := onlyChange(a, b)
			if i < 0 {
				return path
			}
			path, now, was = check.Join(path, check.ElementOf(a, i)), a[i], b[i]
			continue
		}
		a, isMap := now.(map[string]any)
		b, wasMap := was.(map[string]any)
		if !isMap || !wasMap {
			return path
		}
		changed := differing(a, b, detail)
		if len(changed) != 1 {
			return path
		}
		path = check.Join(path, changed[0])
		now, was = a[changed[0]], b[changed[0]]
	}
}

// onlyChange returns the index of the one element that differs, -1 if there is none or more.
func onlyChange(a, b []any) int {
	at := -1
	if len(a) != len(b) {
		return -1
	}
	for i := range a {
		switch {
		case reflect.DeepEqual(a[i], b[i]):
		case at >= 0:
			return -1
		default:
			at = i
		}
	}
	return at
}

func differing(a, b map[string]any, allowed string) (out []string) {
	for key, v := range a {
		if !reflect.DeepEqual(v, b[key]) && !strings.Contains(allowed, "'"+key+"'") {
			out = append(out, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok && !strings.Contains(allowed, "'"+key+"'") {
			out = append(out, key)
		}
	}
	return out
}
