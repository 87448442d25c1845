package preview

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Undetermined stands for a value that is another one in every render.
const Undetermined = "(another value in every render)"

// settle makes equal in after and before what again shows to be undetermined, and notes it in u.
func (w *work) settle(u *Unit, after, before, again map[object.Ref]*unstructured.Unstructured) {
	for _, ref := range slices.SortedFunc(keys(after), object.Ref.Compare) {
		a, second := after[ref], again[ref]
		if second == nil {
			u.Unstable = append(u.Unstable, Unstable{Object: mask.Line(ref.String())})
			delete(after, ref)
			dropTwin(before, after, ref)
			continue
		}
		if reflect.DeepEqual(a.Object, second.Object) {
			continue
		}
		s := settling{}
		var old any
		if b := before[ref]; b != nil {
			old = b.Object
		}
		na, nb := s.pair("", a.Object, second.Object, old)
		after[ref] = &unstructured.Unstructured{Object: asMap(na)}
		if before[ref] != nil {
			before[ref] = &unstructured.Unstructured{Object: asMap(nb)}
		}
		slices.Sort(s.paths)
		u.Unstable = append(u.Unstable, Unstable{Object: mask.Line(ref.String()), Paths: s.paths})
	}
}

// dropTwin removes from before what had its name from the same generator as ref: it is gone in every render.
func dropTwin(before, after map[object.Ref]*unstructured.Unstructured, ref object.Ref) {
	cut := strings.LastIndex(ref.Name, "-")
	for old := range before {
		same := old.GroupKind() == ref.GroupKind() && old.Namespace == ref.Namespace && after[old] == nil
		if same && strings.LastIndex(old.Name, "-") == cut && cut > 0 && old.Name[:cut] == ref.Name[:cut] {
			delete(before, old)
			return
		}
	}
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

type settling struct{ paths []string }

// pair returns a and old with the values replaced that differ between a and second.
func (s *settling) pair(path string, a, second, old any) (newA, newOld any) {
	if reflect.DeepEqual(a, second) {
		return a, old
	}
	switch a := a.(type) {
	case map[string]any:
		if second, ok := second.(map[string]any); ok {
			return s.maps(path, a, second, old)
		}
	case []any:
		if second, ok := second.([]any); ok && len(a) == len(second) {
			return s.lists(path, a, second, old)
		}
	}
	s.paths = append(s.paths, mask.Line(cmp.Or(path, ".")))
	if old == nil {
		return Undetermined, nil
	}
	return Undetermined, Undetermined
}

func (s *settling) maps(path string, a, second map[string]any, old any) (newA, newOld any) {
	oldMap, isMap := old.(map[string]any)
	outA, outOld := map[string]any{}, map[string]any{}
	for k, v := range oldMap {
		outOld[k] = v
	}
	for k, v := range a {
		nv, no := s.pair(check.Join(path, k), v, second[k], oldMap[k])
		outA[k] = nv
		if _, had := oldMap[k]; had {
			outOld[k] = no
		}
	}
	for k := range second {
		if _, both := a[k]; !both {
			s.paths = append(s.paths, mask.Line(check.Join(path, k)))
			delete(outOld, k)
		}
	}
	if !isMap {
		return outA, old
	}
	return outA, outOld
}

func (s *settling) lists(path string, a, second []any, old any) (newA, newOld any) {
	oldList, isList := old.([]any)
	outA, outOld := make([]any, len(a)), slices.Clone(oldList)
	for i := range a {
		name, _ := asMap(a[i])["name"].(string)
		at := twin(oldList, i, name)
		var o any
		if at >= 0 {
			o = oldList[at]
		}
		var no any
		outA[i], no = s.pair(check.Join(path, check.Element(i, "name", name)), a[i], second[i], o)
		if at >= 0 {
			outOld[at] = no
		}
	}
	if !isList {
		return outA, old
	}
	return outA, outOld
}

// twin is where a list has the element of that name or, without one, of that index; -1 if nowhere.
func twin(list []any, i int, name string) int {
	if name != "" {
		return slices.IndexFunc(list, func(e any) bool { return asMap(e)["name"] == name })
	}
	if i < len(list) {
		return i
	}
	return -1
}
