package rest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

// Tags of the fields of requests. A field with the tag body holds the whole body; without such a field the body is the
// request itself. What the path says wins over the query, and that over the body.
const (
	tagPath   = "path"
	tagQuery  = "query"
	tagHeader = "header"
	tagBody   = "body"
)

// decode fills the request that q points to.
func decode(r *http.Request, q any) error {
	v := reflect.ValueOf(q).Elem()
	if hasBody(r.Method) {
		if err := decodeBody(r, bodyOf(v)); err != nil {
			return err
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Invalid, "the query of the address cannot be read") // it may hold anything: do not repeat it
	}
	return eachField(v, func(f reflect.StructField, field reflect.Value) error {
		for _, name := range names(f.Tag.Get(tagQuery)) {
			if values := query[name]; len(values) > 0 {
				if err := set(field, values); err != nil {
					return fault.New(fault.Invalid, "parameter %s: %w", name, err)
				}
			}
		}
		if name := f.Tag.Get(tagHeader); name != "" && r.Header.Get(name) != "" {
			if err := set(field, []string{r.Header.Get(name)}); err != nil {
				return fault.New(fault.Invalid, "header %s: %w", name, err)
			}
		}
		if name := f.Tag.Get(tagPath); name != "" {
			if value := r.PathValue(name); value != "" {
				if err := set(field, []string{value}); err != nil {
					return fault.New(fault.Invalid, "path, %s: %w", name, err)
				}
			}
		}
		return nil
	})
}

func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// names splits a tag: a parameter may have an older name too.
func names(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, ",")
}

// eachField visits the fields of a struct, those of embedded structs as its own.
func eachField(v reflect.Value, visit func(reflect.StructField, reflect.Value) error) error {
	if v.Kind() != reflect.Struct {
		return nil
	}
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		if f.Anonymous && f.Type.Kind() == reflect.Struct && f.Tag.Get(tagBody) == "" {
			if err := eachField(v.Field(i), visit); err != nil {
				return err
			}
			continue
		}
		if err := visit(f, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// bodyOf returns what the body is decoded into.
func bodyOf(v reflect.Value) any {
	target := v.Addr().Interface()
	_ = eachField(v, func(f reflect.StructField, field reflect.Value) error { // the visitor returns no error
		if f.Tag.Get(tagBody) != "" {
			target = field.Addr().Interface()
		}
		return nil
	})
	return target
}

// decodeBody reads one JSON value. An empty body is an empty request; unknown fields are passed over, as Argo CD does.
func decodeBody(r *http.Request, target any) error {
	d := json.NewDecoder(r.Body)
	err := d.Decode(target)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = more
			if more == nil {
				return fault.New(fault.Invalid, "the body holds more than one JSON value")
			}
		}
	}
	return bodyError(err)
}

// bodyError says where a body is wrong, and nothing of what it holds.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return errTooLarge{tooLarge.Limit}
	case errors.As(err, &syntax):
		return fault.New(fault.Invalid, "the body is no JSON: wrong at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fault.New(fault.Invalid, "the body has a value of a wrong type at %s: %s expected", kind.Field, kind.Type)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, "the body is no JSON: it ends too early")
	}
	return fault.New(fault.Invalid, "the body cannot be read as JSON")
}

// set gives a field the values of a parameter. A list also takes values that are joined by commas nowhere: as Argo CD's
// gateway does, each repetition is one element.
func set(field reflect.Value, values []string) error {
	last := values[len(values)-1]
	switch field.Kind() {
	case reflect.Pointer:
		p := reflect.New(field.Type().Elem())
		if err := set(p.Elem(), values); err != nil {
			return err
		}
		field.Set(p)
	case reflect.String:
		field.SetString(last)
	case reflect.Bool:
		b, err := strconv.ParseBool(last)
		if err != nil {
			return errors.New("the value is neither true nor false")
		}
		field.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(last, 10, field.Type().Bits())
		if err != nil {
			return errors.New("the value is no number in the range")
		}
		field.SetInt(n)
	case reflect.Slice:
		if field.Type().Elem().Kind() != reflect.String {
			return errors.New("the parameter cannot be set")
		}
		field.Set(reflect.ValueOf(append([]string(nil), values...)).Convert(field.Type()))
	default:
		return errors.New("the parameter cannot be set")
	}
	return nil
}
