package render_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

func utf16le(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}

func TestDecodeHostileInput(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		p := "*" + string(c-1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat(p+",", 9) + p + "]\n"
	}
	var nested strings.Builder
	for i := range 3000 {
		nested.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for _, tc := range []struct{ name, data, want string }{
		{"UTF-8 with BOM", "\ufeff" + configMap, ""},
		{"UTF-16 with BOM", utf16le(configMap), ""},
		{"JSON with BOM", "\ufeff" + `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, ""},
		{"CRLF", strings.ReplaceAll(configMap, "\n", "\r\n"), ""},
		{"JSON with tabs", "{\n\t\"apiVersion\":\"v1\",\n\t\"kind\":\"ConfigMap\",\n\t\"metadata\":{\"name\":\"a\"}}", ""},
		{"NUL", "apiVersion: v1\nkind: Conf\x00igMap\n", "control characters"},
		{"binary", "\x7fELF\x02\x01\x01\x00\xff\xfe\x00", "not valid YAML"},
		{"Latin-1", "apiVersion: v1\nkind: Caf\xe9\n", "not valid YAML"},
		{"tabs", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\n", "a.yaml:4: not valid YAML: found character that cannot start any token"},
		{"flow nesting", "a: " + strings.Repeat("[", 100_000), "not valid YAML"},
		{"block nesting", nested.String(), "nested deeper than 1000 levels"},
		{"JSON nesting", `{"a":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + "}", "depth"},
		{"aliases", bomb, "aliases expand"},
		{"aliases over documents", strings.Repeat("---\n"+"a: &a ["+strings.Repeat("x,", 2000)+"x]\nb: ["+strings.Repeat("*a,", 20)+"*a]\n", 20), "not a Kubernetes object"},
		{"merge of itself", "a: &a\n  <<: *a\n", "contain themselves"},
		{"merge of a scalar", "a: &a 1\nb: {<<: *a}\n", "<< wants a mapping"},
		{"infinity", configMap + "x: .inf\n", "no form in JSON"},
		{"map as key", "{a: b}: c\n", "a key must be a scalar"},
		{"null as key", "~: c\n", "a key must not be null"},
		{"a list", "- a\n", "this is a list"},
		{"a string", "hello\n", "this is a string"},
		{"kind alone", "kind: ConfigMap\n", "apiVersion is missing"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\n", "metadata.name is missing"},
		{"numeric name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 12}\n", "metadata.name is a number"},
		{"items that are no list", "apiVersion: v1\nkind: List\nitems: {}\n", "items is a mapping"},
		{"Lists in Lists", strings.Repeat(`{apiVersion: v1, kind: List, items: [`, 20) + strings.Repeat("]}", 20), "Lists within Lists"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			objects, err := render.Decode("a.yaml", []byte(tc.data))
			if tc.want == "" {
				if err != nil || len(objects) != 1 || objects[0].GetName() != "a" {
					t.Errorf("%d objects, error %v", len(objects), err)
				}
				return
			}
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "a.yaml") {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}
