package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

// kubectlReads decodes one document in the way of kubectl: YAML to JSON, then JSON with int64.
func kubectlReads(text string) (map[string]any, error) {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, kjson.Unmarshal(data, &out)
}

const object = "apiVersion: v1\nkind: Thing\nmetadata: {name: thing}\nvalue: "

var scalars = []string{
	"1", "-1", "+1", "0", "-0", "007", "0o17", "0x1F", "0b11", "-0b11", "1_000", "1.", "1.0", ".5", "-.5", "1e3", "1E-3", "1.5e300", "1e400",
	"9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "1e19", "1e18", "123456789012345678901234567890",
	"y", "Y", "yes", "Yes", "n", "no", "on", "off", "true", "True", "TRUE", "tRue", "false", "null", "Null", "~", "''", "'1'", `"yes"`, "!!str 1",
	"!!int 3", "!!float 3", "!!float '1'", "!!binary aGk=", "!custom x", "2001-01-01", "2001-01-01T00:00:00Z", "1:30", "190:20:30.15", "1.2.3", "v1",
	"0.1.2", "- a", "-", "[1, yes, 'no', {a: 1}]", "{1: a, yes: b, 1.5: c, x: {}}", "|\n  yes\n", ">\n  1\n", "'*'", "=", "<<", "._1", "1__0", "0x", "0b2", "08", "09.5", "+.5", "1e", "_1", "é", "\"\\u00e9\\x41\"",
}

func TestDecodeReadsScalarsAsKubectl(t *testing.T) {
	for _, s := range scalars {
		want, wantErr := kubectlReads(object + s)
		got, err := render.Decode("a.yaml", []byte(object+s))
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%q: error %v, kubectl says %v", s, err, wantErr)
			continue
		}
		if err == nil {
			if diff := cmp.Diff(want, got[0].Object); diff != "" {
				t.Errorf("%q -kubectl +got:\n%s", s, diff)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range scalars {
		f.Add([]byte(object + s))
	}
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"kind":"List","apiVersion":"v1","items":[]}]}`))
	f.Add([]byte("a: &a [*a]\n---\n<<: {a: 1}\na: 2\n"))
	f.Add([]byte("\xff\xfea\x00:\x00 \x001\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := render.Decode("a.yaml", data)
		if err != nil {
			if !fault.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "a.yaml") {
				t.Fatalf("error without kind or place: %v", err)
			}
			return
		}
		for _, u := range got {
			if u.GetKind() == "" || u.GetAPIVersion() == "" || u.GetName() == "" && u.GetGenerateName() == "" {
				t.Fatalf("not an object: %v", u.Object)
			}
			u.DeepCopy() // panics on values that JSON does not have
		}
		// One document without merges and lists reads as kubectl reads it.
		text := string(data)
		if len(got) != 1 || strings.Contains(text, "<<") || strings.Contains(text, "List") || strings.Contains(text, "---") || strings.Contains(text, "...") {
			return
		}
		if strings.Contains(strings.ReplaceAll(text, "!!", ""), "!") {
			return // the tag "!" alone, which nobody writes, is not kept by the parser
		}
		if want, err := kubectlReads(text); err == nil && want["metadata"] != nil {
			delete(want, "metadata") // nulls in labels are empty strings here
			have := got[0].DeepCopy().Object
			delete(have, "metadata")
			if diff := cmp.Diff(want, have); diff != "" {
				t.Fatalf("-kubectl +got:\n%s", diff)
			}
		}
	})
}
