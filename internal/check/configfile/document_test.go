package configfile

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/check"
)

// TestDocument reads the example of the reference, and finds fields that the page does not have.
func TestDocument(t *testing.T) {
	data, err := os.ReadFile("../../../docs/reference/check.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	_, rest, _ := strings.Cut(page, "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no example")
	}
	if _, err := Parse("example", []byte(example), nil); err != nil {
		t.Error(err)
	}
	var look func(typ reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[check.Glob]() || typ == reflect.TypeFor[check.Date]() || typ == reflect.TypeFor[check.Place]() {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if name := fieldName(f); name != "" {
				if !strings.Contains(page, name) {
					t.Errorf("the page does not name the field %s of %s", name, typ)
				}
				look(f.Type)
			}
		}
	}
	look(reflect.TypeFor[check.Config]())
}
