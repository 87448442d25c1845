package service

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

const (
	facts   = `[{"name": "Sync", "value": "Synced"}, {"name": "Count", "value": 3}]`
	actions = `[{"@type": "OpenUri", "name": "Open", "targets": [{"os": "default", "uri": "https://cd.example.com"}]}, {"@type": "HttpPOST", "name": "no"}]`
)

func decoded(t *testing.T, text string) any {
	t.Helper()
	var out any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTeams(t *testing.T) {
	for name, test := range map[string]struct {
		part object
		want string
	}{
		"text alone": {nil, `{"@type": "MessageCard", "@context": "https://schema.org/extensions", "text": "hello"}`},
		"card": {object{"title": "T", "summary": "S", "text": "X", "themeColor": "#000080", "facts": facts, "potentialAction": actions,
			"sections": `[{"facts": [{"name": "a", "value": "b"}]}]`},
			`{"@type": "MessageCard", "@context": "https://schema.org/extensions", "title": "T", "summary": "S", "text": "X", "themeColor": "#000080",
			"sections": [{"facts": [{"name": "a", "value": "b"}]}, {"facts": ` + facts + `}], "potentialAction": ` + actions + `}`},
		"whole": {object{"title": "T", "template": `{"@type": "MessageCard", "text": "own"}`}, `{"@type": "MessageCard", "text": "own"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got recorder
			server := serve(t, got.record(answer200("1")))
			m := notify.Message{Text: "hello"}
			if test.part != nil {
				m = message("hello", "teams", test.part)
			}
			sent(t, build(t, "teams", "", "recipientUrls: {shop: '"+server.URL+"/webhookb2/x?y=z'}"), m, "shop")
			line, body, header := got.last(t)
			same(t, any(body), decoded(t, test.want))
			same(t, []string{line, header.Get("Content-Type")}, []string{"POST /webhookb2/x?y=z", "application/json"})
		})
	}
}

func TestTeamsRefusals(t *testing.T) {
	for said, kind := range map[string]fault.Kind{
		"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x": fault.Transient,
		"Microsoft Teams endpoint returned HTTP error 503":                                                              fault.Transient,
		"Microsoft Teams endpoint returned HTTP error 413":                                                              fault.Invalid,
		"Summary or Text is required.":                                                                                  fault.Invalid,
	} {
		server := serve(t, answer200(said))
		err := build(t, "teams", "", "recipientUrls: {shop: '"+server.URL+"'}").Send(t.Context(), notify.Message{}, "shop")
		wantFault(t, err, kind, said)
	}
	s := build(t, "teams", "", "recipientUrls: {shop: 'https://example.com', broken: $canary}")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "other"), fault.NotFound, `the recipient "other" is not in service.teams recipientUrls, which has broken, shop`)
	err := s.Send(t.Context(), notify.Message{}, "broken")
	wantFault(t, err, fault.Invalid, "service.teams recipientUrls.broken is no address")
	if contains(err.Error(), "canary") {
		t.Error(err)
	}
	wantFault(t, s.Send(t.Context(), message("", "teams", object{"facts": "{", "template": "x"}), "shop"), fault.Invalid, "template is no JSON")
	wantFault(t, s.Send(t.Context(), message("", "teams", object{"facts": "{"}), "shop"), fault.Invalid, "facts is no JSON")
	for _, kind := range []string{"teams", "teams-workflows"} {
		_, err := New(kind, "", []byte("recipientUrls: {}"), env())
		wantFault(t, err, fault.Invalid, "service."+kind+": recipientUrls is missing")
	}
}

func TestTeamsWorkflows(t *testing.T) {
	const envelope = `{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": `
	card := func(body string) string {
		return `{"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "body": ` + body + `}`
	}
	hello := card(`[{"type": "TextBlock", "text": "hello", "wrap": true}]`)
	own := `{"type": "AdaptiveCard", "body": [{"type": "Container", "items": []}]}`
	for name, test := range map[string]struct {
		options string
		part    object
		want    string
	}{
		"text alone": {"", nil, envelope + hello + "}]}"},
		"raw":        {"rawCardPayload: true", nil, hello},
		"message card": {"", object{"title": "T", "text": "X", "themeColor": "Good", "facts": facts, "sections": `[{"facts": [{"name": "a", "value": "b"}]}, {"text": "x"}]`,
			"potentialAction": actions}, envelope + `{"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "body": [
				{"type": "TextBlock", "text": "T", "size": "Large", "weight": "Bolder", "wrap": true, "color": "Good"},
				{"type": "TextBlock", "text": "X", "wrap": true},
				{"type": "FactSet", "facts": [{"title": "Sync", "value": "Synced"}, {"title": "Count", "value": "3"}]},
				{"type": "FactSet", "facts": [{"title": "a", "value": "b"}]}],
				"actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://cd.example.com"}]}}]}`},
		"own card":      {"", object{"title": "T", "adaptiveCard": own, "template": "{}"}, envelope + own + "}]}"},
		"own card, raw": {"rawCardPayload: true", object{"adaptiveCard": own}, own},
		"whole":         {"", object{"title": "T", "template": `{"a": 1}`}, `{"a": 1}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got recorder
			server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
			m := notify.Message{Text: "hello"}
			if test.part != nil {
				m = message("hello", "teams-workflows", test.part)
			}
			sent(t, build(t, "teams-workflows", "", "recipientUrls: {shop: '"+server.URL+"/workflows/x?sig=z'}\n"+test.options), m, "shop")
			line, body, _ := got.last(t)
			same(t, any(body), decoded(t, test.want))
			same(t, line, "POST /workflows/x?sig=z")
		})
	}
	s := build(t, "teams-workflows", "", "recipientUrls: {shop: 'https://example.com'}")
	wantFault(t, s.Send(t.Context(), message("", "teams-workflows", object{"adaptiveCard": "x"}), "shop"), fault.Invalid, "adaptiveCard is no JSON")
}

func TestGoogleChat(t *testing.T) {
	for name, test := range map[string]struct {
		part       object
		want, line string
	}{
		"text alone": {nil, `{"text": "hello"}`, "POST /v1/x?key=k&token=t"},
		"thread":     {object{"threadKey": "a b"}, `{"text": "hello"}`, "POST /v1/x?key=k&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&threadKey=a+b&token=t"},
		"cards as YAML": {object{"cardsV2": "- header: {title: T}\n- header:\n    title: U\n"},
			`{"cardsV2": [{"cardId": "card-1", "card": {"header": {"title": "T"}}}, {"cardId": "card-2", "card": {"header": {"title": "U"}}}]}`, "POST /v1/x?key=k&token=t"},
		"cards as JSON": {object{"cardsV2": "[{\"cardId\": \"own\",\n\t\"card\": {}}]", "cards": `[{"sections": []}]`},
			`{"cardsV2": [{"cardId": "own", "card": {}}], "cards": [{"sections": []}]}`, "POST /v1/x?key=k&token=t"},
	} {
		t.Run(name, func(t *testing.T) {
			var got recorder
			server := serve(t, got.record(answer200(`{"name": "spaces/a"}`)))
			m := notify.Message{Text: "hello"}
			if test.part != nil {
				m = message("hello", "googlechat", test.part)
			}
			sent(t, build(t, "googlechat", "", "webhooks: {shop: '"+server.URL+"/v1/x?key=k&token=t'}"), m, "shop")
			line, body, _ := got.last(t)
			same(t, any(body), decoded(t, test.want))
			same(t, line, test.line)
		})
	}
	for code, kind := range map[string]fault.Kind{"429": fault.Transient, "403": fault.Denied, "404": fault.NotFound, "400": fault.Invalid} {
		server := serve(t, answer200(`{"error": {"code": `+code+`, "status": "S", "message": "said canary-secret"}}`))
		err := build(t, "googlechat", "", "webhooks: {shop: '"+server.URL+"/v1/x?key=canary-secret'}").Send(t.Context(), notify.Message{}, "shop")
		wantFault(t, err, kind, code+" S: said ***")
	}
	s := build(t, "googlechat", "", "webhooks: {shop: 'https://example.com'}")
	wantFault(t, s.Send(t.Context(), message("", "googlechat", object{"cardsV2": "a: [canary"}), "shop"), fault.Invalid, "cardsV2 cannot be read (line 1)")
	wantFault(t, s.Send(t.Context(), message("", "googlechat", object{"cardsV2": "a: b"}), "shop"), fault.Invalid, "cardsV2 is no list of cards")
}
