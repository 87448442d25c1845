package native

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/belaycd/belay/internal/check"
)

// longest is how many characters of a value a message shows.
const longest = 100

// teller reports what the API server says about one object.
type teller struct {
	o      *check.Object
	report func(check.Finding)
}

// refusal reports an error. Where the object was something else before, the place is narrowed to what has changed.
func (t teller) refusal(rule string, err *field.Error, before map[string]any) {
	path, at := t.path(err.Field)
	detail, _, _ := strings.Cut(err.Detail, "\n") // what follows is a dump of the object
	if before != nil {
		path = narrow(path, at, check.Lookup(before, check.ServerSteps(err.Field)), detail)
	}
	t.report(check.Finding{Rule: rule, Object: t.o, Path: path, Message: sentence(path, t.body(err, detail))})
}

// warning reports a warning, whose text begins with the field that it is about.
func (t teller) warning(text string) {
	path := ""
	if named, rest, ok := strings.Cut(text, ": "); ok && fieldName.MatchString(named) {
		path, _ = t.path(named)
		text = sentence(path, rest)
	}
	f := check.Finding{Rule: warned, Object: t.o, Path: path, Message: text}
	if strings.HasPrefix(text, "unrecognized format") {
		f.Severity = check.Note // definitions of other projects are full of them, and nobody here can change that
	}
	t.report(f)
}

// fieldName matches what a warning begins with when it is about a field.
var fieldName = regexp.MustCompile(`^(spec|metadata|data|webhooks|template|rules)\b[^ ]*$`)

func sentence(path, text string) string {
	if path == "" {
		return text
	}
	return path + ": " + text
}

// body is what the API server says, without the field: values that are objects, long or secret are left out.
func (t teller) body(err *field.Error, detail string) string {
	var said string
	switch err.Type {
	case field.ErrorTypeRequired, field.ErrorTypeForbidden, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTooFew:
		said = err.Type.String()
	case field.ErrorTypeInternal, field.ErrorTypeTypeInvalid:
		return detail
	case field.ErrorTypeInvalid:
		if t.secret(err) {
			return fmt.Sprintf("not valid for a Secret of type %v", t.o.Object["type"])
		}
		fallthrough
	default:
		value, shown := t.value(err)
		if !shown {
			said = ""
			if detail == "" {
				said = err.Type.String()
			}
			break
		}
		said = err.Type.String() + ": " + value
	}
	switch {
	case detail == "":
		return said
	case said == "":
		return detail
	}
	return said + ": " + detail
}

// value is the value of an error as it is shown. Of a Secret only keys are.
func (t teller) value(err *field.Error) (text string, shown bool) {
	v := reflect.ValueOf(err.BadValue)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		text = strconv.Quote(v.String())
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		text = fmt.Sprint(v.Interface())
	default:
		s, ok := err.BadValue.(fmt.Stringer)
		if !ok {
			return "", false
		}
		text = strconv.Quote(s.String())
	}
	if len(text) > longest {
		return "", false
	}
	return text, !t.secret(err)
}

// secret reports whether an error may show something of the value of a Secret: all that are not about a key.
func (t teller) secret(err *field.Error) bool {
	key, isKey := err.BadValue.(string)
	return t.o.GetKind() == "Secret" && strings.HasPrefix(err.Field, "data") && !(isKey && strings.Contains(err.Field, "["+key+"]"))
}

// undecodable is the error of a document that does not fit its type, although its shape is right: a number that is too large, a
// text that is no time. The decoder names the type of Go, which people do not know, and no list elements.
func undecodable(err error, object map[string]any) *field.Error {
	text := strings.TrimPrefix(err.Error(), "json: ")
	m := misfit.FindStringSubmatch(text)
	if m == nil {
		return field.TypeInvalid(nil, nil, "cannot be read: "+text)
	}
	names := slices.DeleteFunc(strings.Split(m[2], "."), func(name string) bool {
		return name == "" || unicode.IsUpper(rune(name[0])) // an embedded structure
	})
	path, ok := find(object, names, "")
	if !ok {
		path = strings.Join(names, ".")
	}
	return field.TypeInvalid(fieldPath(path), nil, fmt.Sprintf("must be %s, not %s", wanted(m[3]), article(m[1])))
}

// find returns the path of the first number below v that no field takes, following names through all elements of lists.
func find(v any, names []string, path string) (string, bool) {
	if list, ok := v.([]any); ok {
		for i, element := range list {
			if at, ok := find(element, names, fmt.Sprintf("%s[%d]", path, i)); ok {
				return at, true
			}
		}
		return "", false
	}
	if len(names) == 0 {
		switch n := v.(type) {
		case int64:
			return path, n > math.MaxInt32 || n < math.MinInt32
		case float64:
			return path, true
		}
		return "", false
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return "", false
	}
	return find(fields[names[0]], names[1:], strings.TrimPrefix(path+"."+names[0], "."))
}

// misfit takes the decoder's message apart: what was found, the field, the type wanted.
var misfit = regexp.MustCompile(`^cannot unmarshal (\w+).* into Go (?:struct field \w+\.|value)(\S*) ?of type (\S+)$`)

// wanted names a Go type as the documentation of the API does.
func wanted(goType string) string {
	switch {
	case goType == "[]uint8":
		return "a string in base64"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "map["):
		return "a mapping"
	case goType == "int32":
		return "an integer of 32 bits"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "an integer"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "a boolean"
	case goType == "string":
		return "a string"
	}
	return "of type " + goType
}

func article(found string) string {
	switch found {
	case "array":
		return "a list"
	case "object":
		return "a mapping"
	case "bool":
		return "a boolean"
	}
	if found == "number" {
		return "a larger one or a fraction"
	}
	return "a " + found
}

// undeclared is the warning about an unknown field.
func undeclared(err error) string {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		if name, uerr := strconv.Unquote(name); uerr == nil {
			return name + ": no such field: the API server leaves it out"
		}
	}
	return text
}

// fieldPath makes a path of a text that is one already.
func fieldPath(text string) *field.Path {
	if text == "" {
		return nil
	}
	return field.NewPath(text)
}
