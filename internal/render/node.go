package render

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/fault"
)

const (
	maxYAMLDepth      = 1000
	maxDuplicateNotes = 10
	// maxAliased bounds the nodes that aliases may add to one stream of documents; real manifests stay below 1,000.
	maxAliased = 250_000
)

// FromNodes turns parsed YAML documents, one object each, into objects. Scalars follow the rules of kustomize's
// own output (YAML 1.2: yes and on are strings). Errors are Invalid and begin with name.
func FromNodes(name string, nodes []*yaml.Node) ([]*unstructured.Unstructured, error) {
	out := make([]*unstructured.Unstructured, 0, len(nodes))
	conv := converter{scalar: scalar12}
	for i, node := range nodes {
		value, err := conv.value(node, 0)
		if err == nil {
			out, err = appendObjects(out, value, maxListDepth)
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s: object %d: %s", name, i+1, err)
		}
	}
	return out, nil
}

// CheckAliases refuses a stream of YAML whose aliases expand without measure or contain themselves; streams that
// are not YAML at all are left to the parser that follows.
func CheckAliases(name string, data []byte) error {
	if !strings.Contains(string(data), "*") || !strings.Contains(string(data), "&") {
		return nil
	}
	conv := converter{scalar: scalar12, permissive: true}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		doc, err := nextDocument(dec)
		if err != nil {
			return nil // end of the stream, or the syntax error that the caller's own parser reports better
		}
		if _, err := conv.value(doc, 0); errors.Is(err, errAliases) {
			return fault.New(fault.Invalid, "%s: %s", name, err)
		}
	}
}

// lineError is an error at a line of the stream.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return e.text }

func atLine(n *yaml.Node, format string, args ...any) error {
	return &lineError{n.Line, fmt.Sprintf(format, args...)}
}

var errAliases = errors.New("aliases expand to too many values or contain themselves")

// converter turns YAML nodes into the values that decoding JSON with int64 gives.
type converter struct {
	scalar func(*yaml.Node) (any, error)
	// permissive keeps the last of duplicate keys and notes them instead of failing.
	permissive bool
	duplicates []string

	aliased int          // nodes that aliases added so far
	open    []*yaml.Node // anchors being expanded, to find one that contains itself
}

func (c *converter) value(n *yaml.Node, depth int) (any, error) {
	if n == nil {
		return nil, nil
	}
	if depth > maxYAMLDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxYAMLDepth)
	}
	if len(c.open) > 0 {
		if c.aliased++; c.aliased > maxAliased {
			return nil, errAliases
		}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return c.value(n.Content[0], depth+1)
	case yaml.ScalarNode:
		return c.scalar(n)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, child := range n.Content {
			v, err := c.value(child, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.AliasNode:
		return c.alias(n, depth)
	}
	return nil, fmt.Errorf("unknown YAML node kind %d", n.Kind)
}

func (c *converter) alias(n *yaml.Node, depth int) (any, error) {
	if n.Alias == nil {
		return nil, errors.New("an alias without an anchor")
	}
	for _, open := range c.open {
		if open == n.Alias {
			return nil, errAliases
		}
	}
	c.open = append(c.open, n.Alias)
	v, err := c.value(n.Alias, depth+1)
	c.open = c.open[:len(c.open)-1]
	return v, err
}

func (c *converter) mapping(n *yaml.Node, depth int) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	var explicit map[string]bool // only needed beside merges: elsewhere out itself tells duplicates
	for i := 0; i+1 < len(n.Content); i += 2 {
		keyNode, valueNode := n.Content[i], n.Content[i+1]
		if isMergeKey(keyNode) {
			if explicit == nil {
				explicit = make(map[string]bool, len(out))
				for key := range out {
					explicit[key] = true
				}
			}
			if err := c.merge(out, valueNode, depth); err != nil {
				return nil, err
			}
			continue
		}
		key, err := c.key(keyNode)
		if err != nil {
			return nil, err
		}
		_, duplicate := out[key]
		if explicit != nil {
			duplicate = explicit[key]
			explicit[key] = true
		}
		if duplicate && c.permissive {
			if len(c.duplicates) < maxDuplicateNotes {
				c.duplicates = append(c.duplicates, fmt.Sprintf("key %q is set twice, the last one counts", key))
			}
		} else if duplicate {
			return nil, atLine(keyNode, "key %q is set twice", key)
		}
		if out[key], err = c.value(valueNode, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style&(quotedStyles|yaml.TaggedStyle) == 0
}

// merge lays the mapping, or the list of mappings of which earlier ones win, over out.
func (c *converter) merge(out map[string]any, n *yaml.Node, depth int) error {
	v, err := c.value(n, depth+1)
	if err != nil {
		return err
	}
	sources, isList := v.([]any)
	if !isList {
		sources = []any{v}
	}
	for i := len(sources) - 1; i >= 0; i-- {
		fields, ok := sources[i].(map[string]any)
		if !ok {
			return atLine(n, "<< wants a mapping or a list of mappings")
		}
		for key, value := range fields {
			out[key] = value
		}
	}
	return nil
}

// key writes a key as the JSON form of the document has it.
func (c *converter) key(n *yaml.Node) (string, error) {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return "", atLine(n, "a key must be a scalar")
	}
	v, err := c.scalar(n)
	if err != nil {
		return "", err
	}
	switch k := v.(type) {
	case string:
		return k, nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case float64:
		return strconv.FormatFloat(k, 'g', -1, 64), nil
	case bool:
		return strconv.FormatBool(k), nil
	}
	return "", atLine(n, "a key must not be null")
}

const quotedStyles = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle

// scalar11 reads a scalar as kubectl does, by the rules of YAML 1.1: plain yes, no, on, off, y and n are booleans.
func scalar11(n *yaml.Node) (any, error) {
	if n.Style&yaml.TaggedStyle != 0 {
		return taggedScalar(n)
	}
	if n.Style&quotedStyles != 0 {
		return n.Value, nil
	}
	v, err := plainScalar(n.Value)
	if err != nil {
		return nil, atLine(n, "%s", err)
	}
	return v, nil
}

func taggedScalar(n *yaml.Node) (any, error) {
	bad := func() (any, error) {
		return nil, atLine(n, "cannot read this value as %s", n.ShortTag())
	}
	v, err := plainScalar(n.Value)
	if err != nil {
		return bad()
	}
	switch n.ShortTag() {
	case "!!binary":
		data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return bad()
		}
		return string(data), nil
	case "!!int":
		if _, ok := v.(int64); !ok {
			return bad()
		}
		return v, nil
	case "!!float":
		switch v.(type) {
		case int64, float64:
			return v, nil
		}
		return bad()
	case "!!bool":
		if _, ok := v.(bool); !ok {
			return bad()
		}
		return v, nil
	case "!!null":
		if v != nil {
			return bad()
		}
		return nil, nil
	}
	return n.Value, nil
}

// A number of YAML 1.1 in decimal; ParseFloat alone would take hexadecimal floats, "infinity" and underscores too.
var decimalFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// plainScalar resolves a scalar without quotes.
func plainScalar(s string) (any, error) {
	if s == "" {
		return nil, nil
	}
	switch s {
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, nil
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, nil
	case "~", "null", "Null", "NULL":
		return nil, nil
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN":
		return nil, fmt.Errorf("%s has no form in JSON", s)
	}
	first := s[0]
	if first == '.' {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return number(f)
		}
		return s, nil
	}
	if first != '-' && first != '+' && (first < '0' || first > '9') {
		return s, nil
	}
	digits := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(digits, 0, 64); err == nil {
		return float64(u), nil // beyond int64 the API machinery falls back to a float
	}
	if decimalFloat.MatchString(digits) {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return number(f)
		}
	}
	return s, nil
}

// number is what decoding the JSON form of f gives: whole numbers within int64 are integers.
func number(f float64) (any, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, errors.New("an infinite number has no form in JSON")
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e19 {
		if i, err := strconv.ParseInt(strconv.FormatFloat(f, 'f', -1, 64), 10, 64); err == nil {
			return i, nil
		}
	}
	return f, nil
}

// scalar12 reads a scalar as kustomize writes it out: by the tag that its parser or its transformers gave the node.
func scalar12(n *yaml.Node) (any, error) {
	if n.Style&quotedStyles != 0 && n.Style&yaml.TaggedStyle == 0 {
		return n.Value, nil
	}
	switch n.ShortTag() {
	case "!!str":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		switch n.Value {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	case "!!int":
		// A leading 0 would mean octal; signs are left to the library as well.
		if n.Value == "0" || n.Value != "" && n.Value[0] >= '1' && n.Value[0] <= '9' {
			if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
				return i, nil
			}
		}
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, atLine(n, "%s", err)
	}
	return normalize(v)
}

// normalize maps what the YAML library decodes to the types of decoded JSON.
func normalize(v any) (any, error) {
	switch x := v.(type) {
	case nil, string, bool, int64:
		return x, nil
	case int:
		return int64(x), nil
	case uint64:
		return float64(x), nil
	case float64:
		return number(x)
	case time.Time:
		text, err := json.Marshal(x)
		if err != nil {
			return nil, err
		}
		return strings.Trim(string(text), `"`), nil
	}
	return nil, fmt.Errorf("a %T has no form in JSON", v)
}
