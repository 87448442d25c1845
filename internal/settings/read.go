package settings

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/belaycd/belay/internal/glob"
)

// reader reads the values of one ConfigMap.
type reader struct {
	name     string
	data     map[string]string
	good     map[string]string // what could be read this time
	last     map[string]string // what could be read last time
	problems []Problem
}

func newReader(name string, data map[string]string, out, last *Settings) *reader {
	r := &reader{name: name, data: data, good: out.good}
	if last != nil {
		r.last = last.good
	}
	return r
}

// value parses the text of key into dst. An absent key leaves dst, a broken one falls back to what was good last.
func value[T any](r *reader, key string, dst *T, parse func(string) (T, error)) {
	text, ok := r.data[key]
	if !ok {
		return
	}
	id := r.name + "/" + key
	v, err := parse(text)
	if err != nil {
		r.problem(key, err)
		if text, ok = r.last[id]; !ok {
			return
		}
		if v, err = parse(text); err != nil {
			return // cannot be: it was good
		}
	}
	r.good[id] = text
	*dst = v
}

// knows reports whether a key has a value that could be read, now or the last time.
func (r *reader) knows(key string) bool {
	_, ok := r.good[r.name+"/"+key]
	return ok
}

func (r *reader) problem(key string, err error) {
	p := Problem{Object: "ConfigMap/" + r.name, Key: key, Reason: err.Error()}
	p.Line, p.Reason = splitLine(p.Reason)
	r.problems = append(r.problems, p)
}

// splitLine takes the line out of the messages of the YAML library ("yaml: line 3: ...", "line 3: ...").
func splitLine(text string) (int, string) {
	rest := strings.TrimPrefix(text, "yaml: ")
	rest = strings.TrimPrefix(rest, "unmarshal errors:\n")
	rest = strings.TrimSpace(rest)
	after, ok := strings.CutPrefix(rest, "line ")
	if !ok {
		return 0, strings.Join(strings.Fields(rest), " ")
	}
	number, reason, _ := strings.Cut(after, ": ")
	line, err := strconv.Atoi(number)
	if err != nil {
		return 0, strings.Join(strings.Fields(rest), " ")
	}
	return line, strings.Join(strings.Fields(reason), " ")
}

func sorted(problems []Problem) []Problem {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Reason, b.Reason))
	})
	return problems
}

// fromYAML decodes text; errors name the line. Unknown fields are taken as Argo CD takes them: they have no effect.
func fromYAML[T any](text string) (T, error) {
	var v T
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return v, err
	}
	return v, nil
}

func trimmed(text string) (string, error) { return strings.TrimSpace(text), nil }

func boolean(text string) (bool, error) {
	v, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", clip(text))
	}
	return v, nil
}

func disabled(text string) (bool, error) {
	on, err := boolean(text)
	return !on && err == nil, err
}

func positive(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 100_000 {
		return 0, fmt.Errorf("%q is no whole number from 1 to 100000", clip(text))
	}
	return n, nil
}

func seconds(text string) (time.Duration, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 || n > 1<<30 {
		return 0, fmt.Errorf("%q is no number of seconds", clip(text))
	}
	return time.Duration(n) * time.Second, nil
}

// duration takes Go durations, days (1d) and the plain 0 that switches a timer off.
func duration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration; write for example 120s, 3m or 0s", clip(text))
	}
	return d, nil
}

func size(text string) (int64, error) {
	q, err := resource.ParseQuantity(strings.TrimSpace(text))
	if err != nil || q.Sign() < 0 {
		return 0, fmt.Errorf("%q is no size; write for example 10M", clip(text))
	}
	return q.Value(), nil
}

func commaList(text string) ([]string, error) {
	var out []string
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out, nil
}

func namespaces(text string) ([]string, error) {
	list, _ := commaList(text) // has no error
	for _, item := range list {
		if _, err := namespacePattern(item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func namespacePattern(text string) (func(string) bool, error) {
	if len(text) > 2 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		re, err := regexp.Compile(text[1 : len(text)-1])
		if err != nil {
			return nil, fmt.Errorf("%q is no regular expression: %w", clip(text), err)
		}
		return re.MatchString, nil
	}
	p, err := glob.Compile(text)
	return p.Match, err
}

// WatchesNamespace reports whether Applications of the namespace are served besides those of the control plane's own.
func (s *Settings) WatchesNamespace(namespace string) bool {
	for _, text := range s.ApplicationNamespaces {
		if match, err := namespacePattern(text); err == nil && match(namespace) {
			return true
		}
	}
	return false
}

func labelKey(text string) (string, error) {
	text = strings.TrimSpace(text)
	if errs := validation.IsQualifiedName(text); len(errs) > 0 {
		return "", fmt.Errorf("%q is no label key: %s", clip(text), errs[0])
	}
	return text, nil
}

func webAddress(text string) (string, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "/")
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return "", errors.New("the address is not of the form https://host[:port][/path]")
	}
	return text, nil
}

func compare(text string) (Compare, error) {
	type options struct {
		IgnoreStatus          string `yaml:"ignoreResourceStatusField"`
		IgnoreAggregatedRoles bool   `yaml:"ignoreAggregatedRoles"`
		OnUpdates             *bool  `yaml:"ignoreDifferencesOnResourceUpdates"`
	}
	in, err := fromYAML[options](text)
	if err != nil {
		return Compare{}, err
	}
	out := Default().Compare
	out.IgnoreAggregatedRoles = in.IgnoreAggregatedRoles
	if in.OnUpdates != nil {
		out.IgnoreDifferencesOnUpdates = *in.OnUpdates
	}
	switch in.IgnoreStatus {
	case "", "all":
	case "crd":
		out.IgnoreStatus = IgnoreStatusOfCRDs
	case "none", "off", "false":
		out.IgnoreStatus = IgnoreStatusOfNone
	default:
		return Compare{}, fmt.Errorf("ignoreResourceStatusField %q is none of all, crd, none", clip(in.IgnoreStatus))
	}
	return out, nil
}

// clip bounds a value that a message repeats.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "..."
	}
	return s
}
