package service

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// teams posts message cards to connectors of Microsoft Teams.
type teams struct{ to *targets }

func newTeams(c config) (notify.Service, error) {
	to, err := c.targets("recipientUrls")
	return &teams{to}, err
}

// messageCard is what connectors show.
type messageCard struct {
	Type            string `json:"@type"`
	Context         string `json:"@context"`
	Title           string `json:"title,omitempty"`
	Summary         string `json:"summary,omitempty"`
	Text            string `json:"text,omitempty"`
	ThemeColor      string `json:"themeColor,omitempty"`
	Sections        []any  `json:"sections,omitempty"`
	PotentialAction []any  `json:"potentialAction,omitempty"`
}

// Send implements notify.Service.
func (s *teams) Send(ctx context.Context, m notify.Message, recipient string) error {
	to, err := s.to.find(recipient)
	if err != nil {
		return err
	}
	p := part(m, "teams")
	body, whole := p.whole("template")
	if !whole {
		card := messageCard{Type: "MessageCard", Context: "https://schema.org/extensions", Title: p.text("title"), Summary: p.text("summary"),
			Text: cmp.Or(p.body("text"), m.Text), ThemeColor: p.text("themeColor"), Sections: p.list("sections"), PotentialAction: p.list("potentialAction")}
		if facts := p.list("facts"); facts != nil {
			card.Sections = append(card.Sections, map[string]any{"facts": facts})
		}
		body = card
	}
	if err := p.err(); err != nil {
		return err
	}
	return s.post(ctx, to, body)
}

// connectorStatus is the status that a connector tells in a text, since its own is 200.
var connectorStatus = regexp.MustCompile(`HTTP error (\d{3})`)

// post posts a card. A connector that took it answers 1.
func (s *teams) post(ctx context.Context, to *endpoint, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return to.fail(fault.Invalid, "the message cannot be written as JSON")
	}
	a, err := to.do(ctx, call{method: http.MethodPost, url: to.base, header: map[string]string{"Content-Type": "application/json"}, body: text})
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(string(a.body)); said == "" || said == "1" {
		return nil
	}
	kind := fault.Invalid
	if status := connectorStatus.FindStringSubmatch(string(a.body[:min(len(a.body), 4096)])); status != nil {
		if n := status[1]; n == "429" || n == "408" || n >= "500" {
			kind = fault.Transient
		}
	}
	return to.fail(kind, "the connector refused the message: "+to.excerpt(a, nil))
}

// whole returns a body that a template writes in full, as JSON.
func (v *values) whole(key string) (any, bool) {
	x := v.structure(key, json.Unmarshal)
	return x, x != nil || v.text(key) != ""
}

// teamsWorkflows posts adaptive cards to workflows of Microsoft Teams.
type teamsWorkflows struct {
	to *targets
	// raw sends the card alone.
	raw bool
}

func newTeamsWorkflows(c config) (notify.Service, error) {
	raw := c.options.flag("rawCardPayload", false)
	to, err := c.targets("recipientUrls")
	return &teamsWorkflows{to, raw}, err
}

// Send implements notify.Service. A card beats a template, which beats everything else.
func (s *teamsWorkflows) Send(ctx context.Context, m notify.Message, recipient string) error {
	to, err := s.to.find(recipient)
	if err != nil {
		return err
	}
	p := part(m, "teams-workflows")
	body, whole := p.whole("adaptiveCard")
	switch {
	case whole:
		body = s.envelope(body)
	default:
		if body, whole = p.whole("template"); !whole {
			body = s.envelope(adaptiveCard(p, m.Text))
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	return to.send(ctx, call{method: http.MethodPost, url: to.base}, body, nil)
}

func (s *teamsWorkflows) envelope(card any) any {
	if s.raw {
		return card
	}
	return map[string]any{"type": "message", "attachments": []any{
		map[string]any{"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
	}}
}

// adaptiveCard makes a card of the parts of a message card.
func adaptiveCard(p *values, text string) any {
	body := []any{}
	if title := p.text("title"); title != "" {
		block := map[string]any{"type": "TextBlock", "text": title, "size": "Large", "weight": "Bolder", "wrap": true}
		if color := p.text("themeColor"); color != "" {
			block["color"] = color
		}
		body = append(body, block)
	}
	if text := cmp.Or(p.body("text"), text); text != "" {
		body = append(body, map[string]any{"type": "TextBlock", "text": text, "wrap": true})
	}
	body = appendFacts(body, p.list("facts"))
	for _, section := range p.list("sections") {
		if s, ok := section.(map[string]any); ok {
			facts, _ := s["facts"].([]any)
			body = appendFacts(body, facts)
		}
	}
	card := map[string]any{"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "body": body}
	if actions := openURLs(p.list("potentialAction")); len(actions) > 0 {
		card["actions"] = actions
	}
	return card
}

func appendFacts(body, facts []any) []any {
	set := []any{}
	for _, f := range facts {
		fact, _ := f.(map[string]any)
		name, _ := scalar(fact["name"])
		if value, ok := scalar(fact["value"]); ok && name != "" {
			set = append(set, map[string]any{"title": name, "value": value})
		}
	}
	if len(set) == 0 {
		return body
	}
	return append(body, map[string]any{"type": "FactSet", "facts": set})
}

// openURLs returns the actions that an adaptive card knows too: those that open an address.
func openURLs(actions []any) []any {
	var out []any
	for _, a := range actions {
		action, _ := a.(map[string]any)
		if action["@type"] != "OpenUri" {
			continue
		}
		targets, _ := action["targets"].([]any)
		if len(targets) == 0 {
			continue
		}
		first, _ := targets[0].(map[string]any)
		if uri, _ := scalar(first["uri"]); uri != "" {
			title, _ := scalar(action["name"])
			out = append(out, map[string]any{"type": "Action.OpenUrl", "title": title, "url": uri})
		}
	}
	return out
}
