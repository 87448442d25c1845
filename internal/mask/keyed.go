package mask

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

// Keyed masks values so that equal ones look equal, in all objects of one run, and tells nothing else about them: no length, and
// nothing that another run or a guess could be held against. The key is random and used for one run alone.
type Keyed struct{ key []byte }

// NewKeyed returns what masks with a key.
func NewKeyed(key []byte) Keyed { return Keyed{key: key} }

// Token stands for a value.
func (k Keyed) Token(value string) string {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte(value))
	return Hidden + hex.EncodeToString(m.Sum(nil)[:3])
}

// Text takes credentials out of running text.
func (k Keyed) Text(s string) string { return replaceValues(s, k.Token) }

// Object returns a copy of u without secret values: those of Secrets and of the given annotations, and in other objects what is
// named like a credential or looks like one. nil stays nil.
func (k Keyed) Object(u *unstructured.Unstructured, annotations ...string) *unstructured.Unstructured {
	if u == nil {
		return nil
	}
	out := u.DeepCopy()
	if isSecret(object.RefOf(out)) {
		k.secret(out, "data", func(s string) string { return s })
		k.secret(out, "stringData", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })
	}
	notes := out.GetAnnotations()
	for _, key := range append([]string{LastApplied}, annotations...) {
		if v, present := notes[key]; present {
			notes[key] = k.Token(v)
		}
	}
	if len(notes) > 0 {
		out.SetAnnotations(notes)
	}
	for field, v := range out.Object {
		if isSecret(object.RefOf(out)) && (field == "data" || field == "stringData") {
			continue // masked already
		}
		out.Object[field] = k.Value(field, v)
	}
	return out
}

func (k Keyed) secret(u *unstructured.Unstructured, field string, encode func(string) string) {
	v, present := u.Object[field]
	if !present {
		return
	}
	data, ok := v.(map[string]any)
	if !ok {
		u.Object[field] = Hidden // a wrong type is masked as a whole
		return
	}
	for key, v := range data {
		text, _ := v.(string)
		data[key] = k.Token(encode(text))
	}
}

// Value masks what a field of that name holds.
func (k Keyed) Value(name string, v any) any {
	switch v := v.(type) {
	case string:
		if v != "" && Credential(name) && !strings.HasPrefix(v, Hidden) && !strings.HasPrefix(v, "$(") {
			return k.Token(v)
		}
		return k.Text(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = k.Value(elementName(name, v, i), e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		named, _ := v["name"].(string)
		for key, e := range v {
			if key == "value" && Credential(named) { // an environment variable, a parameter
				if text, ok := e.(string); ok && text != "" {
					e = k.Token(text)
				}
			}
			out[key] = k.Value(key, e)
		}
		return out
	}
	return v
}

// elementName is the name of the value of an element: what follows a flag is the value of it.
func elementName(name string, list []any, i int) string {
	if i > 0 {
		if flag, ok := list[i-1].(string); ok && strings.HasPrefix(flag, "-") && !strings.ContainsAny(flag, "= ") {
			return strings.TrimLeft(flag, "-")
		}
	}
	return strings.TrimSuffix(name, "s") + "Name" // the elements of secrets, tokens and the like are names of them
}

// Changes masks the values of changed fields of an object.
func (k Keyed) Changes(ref object.Ref, changes []object.Change, annotations ...string) []object.Change {
	out := make([]object.Change, len(changes))
	for i, c := range changes {
		hide := isSecret(ref) && !harmless(c.Path, annotations)
		c.Live, c.Desired = k.changed(c.Path, c.Live, hide), k.changed(c.Path, c.Desired, hide)
		out[i] = c
	}
	return out
}

func (k Keyed) changed(path string, v any, hide bool) any {
	if v == nil {
		return nil
	}
	if hide {
		return k.Token(object.Hash(v))
	}
	leaf := path[strings.LastIndexAny(path, ".[")+1:]
	if strings.HasSuffix(path, ".value") { // of an element with a name: env[name=X].value
		if at := strings.LastIndex(path, "[name="); at >= 0 {
			leaf = strings.TrimSuffix(path[at+len("[name="):], "].value")
		}
	}
	return k.Value(strings.Trim(leaf, "]"), v)
}
