package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"

	"github.com/belaycd/belay/internal/fault"
)

// maxListDepth bounds Lists within Lists.
const maxListDepth = 8

// Decode reads a stream of YAML or JSON documents as kubectl reads it: objects come out in order, Lists expanded,
// empty documents left out. Errors are Invalid and begin with name and, when known, the line. Duplicate keys,
// documents that are not Kubernetes objects and aliases that expand without measure are errors.
func Decode(name string, data []byte) ([]*unstructured.Unstructured, error) {
	if looksLikeJSON(name, data) {
		return decodeJSON(name, data)
	}
	return decodeYAML(name, data, &converter{scalar: scalar11})
}

// DecodeLenient is Decode for text that a template engine wrote: of duplicate keys the last one counts, as for
// kubectl, and each gives a warning.
func DecodeLenient(name string, data []byte) ([]*unstructured.Unstructured, []string, error) {
	conv := &converter{scalar: scalar11, permissive: true}
	out, err := decodeYAML(name, data, conv)
	for i, d := range conv.duplicates {
		conv.duplicates[i] = name + ": " + d
	}
	return out, conv.duplicates, err
}

// FromJSON turns the one JSON value that a program evaluated to into objects: an object, a List, or an array of these,
// nested as may be. Errors are Invalid and begin with name.
func FromJSON(name string, data []byte) ([]*unstructured.Unstructured, error) {
	var value any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &value); err != nil {
		return nil, fault.New(fault.Invalid, "%s: the result is not valid JSON: %s", name, err)
	}
	out, err := flatten(nil, value, "")
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: the result%s", name, err)
	}
	return out, nil
}

// flatten appends the objects of value; place is the path of value in the result, for errors.
func flatten(out []*unstructured.Unstructured, value any, place string) ([]*unstructured.Unstructured, error) {
	switch v := value.(type) {
	case nil:
		return out, nil
	case []any:
		for i, element := range v {
			var err error
			if out, err = flatten(out, element, fmt.Sprintf("%s[%d]", place, i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if len(v) > 0 && v["kind"] == nil && v["apiVersion"] == nil && allObjects(v) {
			return nil, fmt.Errorf("%s is a mapping of objects: turn it into an array, for example with std.objectValues", place)
		}
	}
	out, err := appendObjects(out, value, maxListDepth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return out, nil
}

// allObjects reports whether every value looks like an object of Kubernetes.
func allObjects(fields map[string]any) bool {
	for _, value := range fields {
		if object, ok := value.(map[string]any); !ok || object["kind"] == nil {
			return false
		}
	}
	return true
}

// decodeYAML decodes a stream with one budget: a bomb cut into documents is still a bomb.
func decodeYAML(name string, data []byte, conv *converter) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for index := 1; ; index++ {
		doc, err := nextDocument(dec)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, yamlFault(name, index, err)
		}
		value, err := conv.value(doc, 0)
		if err != nil {
			line := lineOf(doc)
			if inner := (*lineError)(nil); errors.As(err, &inner) {
				line = inner.line
			}
			return nil, fault.New(fault.Invalid, "%s%s", at(name, line, index), err)
		}
		if value == nil {
			continue
		}
		if out, err = appendObjects(out, value, maxListDepth); err != nil {
			return nil, fault.New(fault.Invalid, "%s%s", at(name, lineOf(doc), index), err)
		}
	}
}

// nextDocument returns the content of the next document, nil when it is empty, or io.EOF.
func nextDocument(dec *yaml.Decoder) (node *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return nil, nil
}

func lineOf(n *yaml.Node) int {
	if n == nil {
		return 0
	}
	return n.Line
}

// at writes the place of a document for people: file:line: document n: .
func at(name string, line, index int) string {
	place := name
	if line > 0 {
		place += ":" + strconv.Itoa(line)
	}
	if index > 1 {
		place += ": document " + strconv.Itoa(index)
	}
	return place + ": "
}

// yamlFault turns "yaml: line 3: did not find ..." into "file:3: did not find ...".
func yamlFault(name string, index int, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			if n, convErr := strconv.Atoi(number); convErr == nil {
				line, text = n, message
			}
		}
	}
	return fault.New(fault.Invalid, "%snot valid YAML: %s", at(name, line, index), text)
}

func looksLikeJSON(name string, data []byte) bool {
	if strings.HasSuffix(name, ".json") {
		return true
	}
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	// A flow mapping of YAML looks the same; only what parses as JSON is taken as JSON.
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed)
}

func decodeJSON(name string, data []byte) ([]*unstructured.Unstructured, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fault.New(fault.Invalid, "%s: not valid JSON: the text is not UTF-8", name)
	}
	var out []*unstructured.Unstructured
	dec := json.NewDecoder(bytes.NewReader(data))
	for index := 1; ; index++ {
		var raw json.RawMessage
		start := dec.InputOffset()
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			line := 1 + bytes.Count(data[:min(int(dec.InputOffset()), len(data))], []byte("\n"))
			return nil, fault.New(fault.Invalid, "%snot valid JSON: %s", at(name, line, index), err)
		}
		for int(start) < len(data) && strings.IndexByte(" \t\r\n", data[start]) >= 0 {
			start++
		}
		line := 1 + bytes.Count(data[:start], []byte("\n"))
		var value any
		strict, err := kjson.UnmarshalStrict(raw, &value)
		if err == nil && len(strict) > 0 {
			err = strict[0]
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%snot valid JSON: %s", at(name, line, index), err)
		}
		if value == nil {
			continue
		}
		if elements, ok := value.([]any); ok {
			return nil, fault.New(fault.Invalid, "%sa list of %d values is not a Kubernetes object", at(name, line, index), len(elements))
		}
		if out, err = appendObjects(out, value, maxListDepth); err != nil {
			return nil, fault.New(fault.Invalid, "%s%s", at(name, line, index), err)
		}
	}
}

// appendObjects checks that value is a Kubernetes object, expands Lists and appends.
func appendObjects(out []*unstructured.Unstructured, value any, depth int) ([]*unstructured.Unstructured, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("not a Kubernetes object: a mapping with apiVersion and kind is wanted, this is %s", describe(value))
	}
	obj := &unstructured.Unstructured{Object: fields}
	kind, _ := fields["kind"].(string)
	apiVersion, _ := fields["apiVersion"].(string)
	switch {
	case kind == "" && apiVersion == "":
		return nil, errors.New("not a Kubernetes object: apiVersion and kind are missing")
	case kind == "":
		return nil, fmt.Errorf("not a Kubernetes object: kind is missing (apiVersion %s)", apiVersion)
	case apiVersion == "":
		return nil, fmt.Errorf("not a Kubernetes object: apiVersion is missing (kind %s)", kind)
	}
	if items, present := fields["items"]; present && strings.HasSuffix(kind, "List") {
		return appendItems(out, obj, items, depth)
	}
	if err := checkMetadata(fields); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return append(out, obj), nil
}

func appendItems(out []*unstructured.Unstructured, list *unstructured.Unstructured, items any, depth int) ([]*unstructured.Unstructured, error) {
	if items == nil {
		return out, nil
	}
	elements, ok := items.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: items is %s, a list is wanted", list.GetKind(), describe(items))
	}
	if depth == 0 {
		return nil, fmt.Errorf("%s: more than %d Lists within Lists", list.GetKind(), maxListDepth)
	}
	for i, element := range elements {
		// Items of a typed list, as kubectl get prints them, may leave out what the list says.
		if fields, ok := element.(map[string]any); ok && list.GetKind() != "List" {
			if fields["kind"] == nil {
				fields["kind"] = strings.TrimSuffix(list.GetKind(), "List")
			}
			if fields["apiVersion"] == nil {
				fields["apiVersion"] = list.GetAPIVersion()
			}
		}
		var err error
		if out, err = appendObjects(out, element, depth-1); err != nil {
			return nil, fmt.Errorf("%s item %d: %w", list.GetKind(), i, err)
		}
	}
	return out, nil
}

// checkMetadata wants a name, and labels and annotations that later stages can read: one number among them would
// make the accessors of unstructured objects report none at all.
func checkMetadata(fields map[string]any) error {
	meta, ok := fields["metadata"].(map[string]any)
	if !ok {
		if fields["metadata"] == nil {
			return errors.New("metadata.name is missing")
		}
		return fmt.Errorf("metadata is %s, a mapping is wanted", describe(fields["metadata"]))
	}
	name, generate := meta["name"], meta["generateName"]
	if name == nil && generate == nil {
		return errors.New("metadata.name is missing")
	}
	for _, field := range []string{"name", "generateName", "namespace"} {
		value, present := meta[field]
		if _, isString := value.(string); present && value != nil && !isString {
			return fmt.Errorf("metadata.%s is %s, a string is wanted; quote it", field, describe(value))
		}
	}
	for _, field := range []string{"labels", "annotations"} {
		if err := checkStrings(meta, field); err != nil {
			return err
		}
	}
	return nil
}

func checkStrings(meta map[string]any, field string) error {
	value, present := meta[field]
	if !present || value == nil {
		return nil
	}
	entries, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("metadata.%s is %s, a mapping is wanted", field, describe(value))
	}
	for key, entry := range entries {
		switch entry.(type) {
		case string:
		case nil:
			entries[key] = "" // what the API server reads
		default:
			return fmt.Errorf("metadata.%s[%s] is %s, a string is wanted; quote it", field, key, describe(entry))
		}
	}
	return nil
}

// describe names a decoded value without quoting content, which could be secret.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return fmt.Sprintf("a %T", v)
}
