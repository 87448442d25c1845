package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/fault"
)

// values are the settings of a service, or what a template says for it. What is wrong is gathered, by name and never by value, and
// comes out of err. Numbers and booleans may be texts, as they are when a template or a Secret provides them.
type values struct {
	where string
	path  string // of a map within
	of    map[string]any
	wrong *[]string
}

func newValues(where string) *values { return &values{where: where, wrong: new([]string)} }

// err says what was wrong in what has been asked for.
func (v *values) err() error {
	if v == nil || len(*v.wrong) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s: %s", v.where, strings.Join(*v.wrong, "; "))
}

func (v *values) problem(key, format string, args ...any) {
	if text := v.path + key + " " + fmt.Sprintf(format, args...); !slices.Contains(*v.wrong, text) {
		*v.wrong = append(*v.wrong, text)
	}
}

func (v *values) get(key string) any {
	if v == nil {
		return nil
	}
	return v.of[key]
}

// body returns a text as it is.
func (v *values) body(key string) string {
	s, ok := scalar(v.get(key))
	if !ok {
		v.problem(key, "is no text")
	}
	return s
}

// text returns a text without surrounding space: Secrets and block texts of YAML tend to end with a line end.
func (v *values) text(key string) string { return strings.TrimSpace(v.body(key)) }

// required is text for what must be there. "<no value>" is what a template makes of something that does not exist.
func (v *values) required(key string) string {
	s := v.text(key)
	if s == "" || s == noValue {
		v.problem(key, "is missing")
		return ""
	}
	return s
}

const noValue = "<no value>"

// secret is required for what goes into a header or an address.
func (v *values) secret(key string) string {
	s := v.required(key)
	v.printable(key, s)
	return s
}

func (v *values) printable(key, s string) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		v.problem(key, "holds line ends or control characters")
	}
}

func (v *values) flag(key string, otherwise bool) bool {
	s := v.text(key)
	if s == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		v.problem(key, "is neither true nor false")
	}
	return b
}

func (v *values) number(key string, otherwise int64) int64 {
	s := v.text(key)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		v.problem(key, "is no whole number")
	}
	return n
}

// texts returns a list of texts; one text is a list too.
func (v *values) texts(key string) []string {
	list, ok := v.get(key).([]any)
	if !ok {
		if s := v.text(key); s != "" {
			return []string{s}
		}
		return nil
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := scalar(e)
		if !ok {
			v.problem(key, "is no list of texts")
			return nil
		}
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// textMap returns names with texts.
func (v *values) textMap(key string) map[string]string {
	within := v.within(key)
	if within == nil {
		return nil
	}
	out := map[string]string{}
	for k := range within.of {
		out[k] = within.text(k)
	}
	return out
}

// within returns a map of the values; nil if it is not there.
func (v *values) within(key string) *values {
	x := v.get(key)
	if x == nil {
		return nil
	}
	return &values{where: v.where, path: v.path + key + ".", of: v.asMap(key, x), wrong: v.wrong}
}

// each returns the maps of a list.
func (v *values) each(key string) []*values {
	list, ok := v.get(key).([]any)
	if !ok && v.get(key) != nil {
		v.problem(key, "is no list")
	}
	var out []*values
	for i, x := range list {
		at := key + "[" + strconv.Itoa(i) + "]"
		out = append(out, &values{where: v.where, path: v.path + at + ".", of: v.asMap(at, x), wrong: v.wrong})
	}
	return out
}

// asMap returns what is in a map, whether its values are texts or anything.
func (v *values) asMap(key string, x any) map[string]any {
	switch m := x.(type) {
	case map[string]any:
		return m
	case map[string]string:
		out := map[string]any{}
		for k, s := range m {
			out[k] = s
		}
		return out
	}
	v.problem(key, "is no map")
	return nil
}

// list returns a list that is written as JSON in a text, or as it is.
func (v *values) list(key string) []any {
	x := v.structure(key, json.Unmarshal)
	if x == nil {
		return nil
	}
	list, ok := x.([]any)
	if !ok {
		v.problem(key, "is no list in JSON")
	}
	return list
}

// structure returns what is written in a text, or as it is; nil for nothing.
func (v *values) structure(key string, decode func([]byte, any) error) any {
	x := v.get(key)
	s, ok := scalar(x)
	if !ok {
		return x
	}
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	var out any
	if err := decode([]byte(s), &out); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			v.problem(key, "is no JSON: %s at character %d", syntax, syntax.Offset)
		} else {
			v.problem(key, "cannot be read%s", lineOf(err))
		}
	}
	return out
}

// address returns an address of HTTP; nil if it is none. That it is missing, required has told.
func (v *values) address(key, text string) *url.URL {
	if text == "" {
		return nil
	}
	u, err := parseAddress(text)
	if err != nil {
		v.problem(key, "%s", err)
		return nil
	}
	return u
}

var errNoAddress = errors.New("is no address that starts with http:// or https:// and a host")

func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errNoAddress // url.Parse quotes the address, which may be a secret
	}
	return u, nil
}

// scalar returns a single value as text; nothing is an empty one.
func scalar(x any) (string, bool) {
	switch s := x.(type) {
	case nil:
		return "", true
	case string:
		return s, true
	case bool:
		return strconv.FormatBool(s), true
	case int:
		return strconv.Itoa(s), true
	case int64:
		return strconv.FormatInt(s, 10), true
	case float64:
		return strconv.FormatFloat(s, 'f', -1, 64), true
	case json.Number:
		return s.String(), true
	}
	return "", false
}

// parseOptions reads the YAML of a service.
func parseOptions(key string, text []byte) (*values, error) {
	v := newValues(key)
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fault.New(fault.Invalid, "%s is no YAML%s: a value with special characters needs quotes", key, lineOf(err))
	}
	if len(doc.Content) == 0 {
		return v, nil
	}
	budget := maxNodes
	switch options := plain(doc.Content[0], &budget).(type) {
	case map[string]any:
		v.of = options
	case nil, string:
		if s, _ := options.(string); s != "" {
			return nil, fault.New(fault.Invalid, "%s is a single text and not a map of options", key)
		}
	default:
		return nil, fault.New(fault.Invalid, "%s is no map of options", key)
	}
	if budget < 0 {
		return nil, fault.New(fault.Invalid, "%s has more than %d values, with those that aliases repeat", key, maxNodes)
	}
	return v, nil
}

// maxNodes bounds what aliases can make of a small text.
const maxNodes = 10_000

// plain returns what a node holds, with scalars as they are written: a password 0123 is not the number 83.
func plain(n *yaml.Node, budget *int) any {
	if *budget--; *budget < 0 {
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return plain(n.Alias, budget)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, e := range n.Content {
			list = append(list, plain(e, budget))
		}
		return list
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1], budget)
		}
		return m
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return nil
		}
		return n.Value
	case yaml.DocumentNode:
	}
	return nil
}

var lineNumber = regexp.MustCompile(`line \d+`)

// lineOf returns the place that an error of YAML names. The rest of its text may quote a value.
func lineOf(err error) string {
	if at := lineNumber.FindString(err.Error()); at != "" {
		return " (" + at + ")"
	}
	return ""
}
