package notify

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/belaycd/belay/internal/expression"
)

// messageTemplate is a template: a message and, for types of services, what else they are told.
type messageTemplate struct {
	written map[string]any
	text    *expression.Template
	parts   map[string]any // every text in it is an *expression.Template
}

func parseTemplate(text string, functions template.FuncMap) (*messageTemplate, error) {
	var written map[string]any
	if err := decode(text, &written); err != nil {
		return nil, err
	}
	t := &messageTemplate{written: written, parts: map[string]any{}}
	for _, key := range slices.Sorted(maps.Keys(written)) {
		compiled, err := compile(written[key], functions)
		if err != nil {
			return nil, fmt.Errorf("%s%w", key, err)
		}
		if key != "message" {
			t.parts[key] = compiled
			continue
		}
		message, ok := compiled.(*expression.Template)
		if !ok {
			return nil, errors.New("message is no text")
		}
		t.text = message
	}
	return t, nil
}

// compile replaces the texts of a tree by the templates that they are.
func compile(v any, functions template.FuncMap) (any, error) {
	return walk(v, func(v any) (any, error) {
		text, ok := v.(string)
		if !ok {
			return v, nil
		}
		return expression.ParseTemplate(text, functions)
	})
}

// mostOfText bounds each text of a message.
const mostOfText = 256 << 10

// fill replaces the templates of a tree by their texts.
func fill(v any, vars map[string]any) (any, error) {
	return walk(v, func(v any) (any, error) {
		t, ok := v.(*expression.Template)
		if !ok {
			return v, nil
		}
		return t.Fill(vars, mostOfText)
	})
}

// walk replaces the leaves of a tree. Its errors begin with the place.
func walk(v any, leaf func(any) (any, error)) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			var err error
			if out[key], err = walk(v[key], leaf); err != nil {
				return nil, fmt.Errorf(".%s%w", key, err)
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = walk(v[i], leaf); err != nil {
				return nil, fmt.Errorf("[%d]%w", i, err)
			}
		}
		return out, nil
	}
	out, err := leaf(v)
	if err != nil {
		return nil, fmt.Errorf(": %w", err)
	}
	return out, nil
}

// Render makes a message of templates, one after the other: what a later one says counts. Only the part for the kind of the
// destination's service is filled in, so that what one service needs fails no other.
func (c *Config) Render(templates []string, to Destination, vars map[string]any) (Message, error) {
	kind := cmp.Or(c.services[to.Service].kind, to.Service)
	vars = maps.Clone(vars)
	vars["serviceType"], vars["recipient"] = to.Service, to.Recipient
	m := Message{Parts: map[string]any{}}
	m.Repository, _ = vars["repoURL"].(string)
	m.Revision, _ = vars["commit"].(string)
	for _, name := range templates {
		t, ok := c.templates[name]
		if !ok {
			return Message{}, fmt.Errorf("there is no template %s", name)
		}
		m.Template = name
		if t.text != nil {
			text, err := t.text.Fill(vars, mostOfText)
			if err != nil {
				return Message{}, fmt.Errorf("template %s: message: %w", name, err)
			}
			m.Text = cmp.Or(strings.TrimRight(text, "\n"), m.Text)
		}
		if part, ok := t.parts[kind]; ok {
			filled, err := fill(part, vars)
			if err != nil {
				return Message{}, fmt.Errorf("template %s: %s%w", name, kind, err)
			}
			m.Parts[kind] = filled
		}
	}
	return m, nil
}
