package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/notify"
)

// googleChat posts to webhooks of spaces of Google Chat.
type googleChat struct{ to *targets }

func newGoogleChat(c config) (notify.Service, error) {
	to, err := c.targets("webhooks")
	return &googleChat{to}, err
}

// Send implements notify.Service. Cards take the place of the text.
func (s *googleChat) Send(ctx context.Context, m notify.Message, recipient string) error {
	to, err := s.to.find(recipient)
	if err != nil {
		return err
	}
	p := part(m, "googlechat")
	body := map[string]any{}
	if cards := p.cards("cardsV2"); len(cards) > 0 {
		body["cardsV2"] = identified(cards)
	}
	if cards := p.cards("cards"); len(cards) > 0 {
		body["cards"] = cards
	}
	if len(body) == 0 {
		body["text"] = m.Text
	}
	thread := p.text("threadKey")
	if err := p.err(); err != nil {
		return err
	}
	u := *to.base
	if thread != "" {
		query := u.Query()
		query.Set("threadKey", thread)
		query.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
		u.RawQuery = query.Encode()
	}
	return s.post(ctx, to, &u, body)
}

// post posts a message. Some refusals come with status 200.
func (s *googleChat) post(ctx context.Context, to *endpoint, u *url.URL, body any) error {
	var said struct {
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
			Status  string `json:"status"`
		} `json:"error"`
	}
	if err := to.send(ctx, call{method: http.MethodPost, url: u}, body, &said); err != nil {
		return err
	}
	if e := said.Error; e != nil {
		return to.fail(kindOf(answer{status: e.Code}), to.clean(fmt.Sprintf("%d %s: %s", e.Code, e.Status, e.Message)))
	}
	return nil
}

// cards returns a list that is written as YAML or JSON in a text, or as it is.
func (v *values) cards(key string) []any {
	x := v.structure(key, func(text []byte, out any) error {
		if err := json.Unmarshal(text, out); err == nil {
			return nil
		}
		return yaml.Unmarshal(text, out)
	})
	list, ok := x.([]any)
	if x != nil && !ok {
		v.problem(key, "is no list of cards")
	}
	return list
}

// identified gives cards the ids that Chat wants, which need to differ within a message.
func identified(cards []any) []any {
	out := make([]any, 0, len(cards))
	for i, card := range cards {
		if m, ok := card.(map[string]any); ok && m["card"] != nil {
			out = append(out, m)
			continue
		}
		out = append(out, map[string]any{"cardId": fmt.Sprintf("card-%d", i+1), "card": card})
	}
	return out
}
