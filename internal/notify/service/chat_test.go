package service

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

func answer200(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func chatSubjects() []subject {
	// option is the address, and more.
	option := func(name, more string) func(string) string {
		return func(address string) string { return name + ": " + address + "\n" + more }
	}
	// secretAddress is one with a secret in its path and its query.
	secretAddress := func(name, path string) func(string) string {
		return func(address string) string {
			return name + ": {team: '" + address + path + canary2 + "/incoming?key=" + canary2 + "&token=" + canary2 + "'}"
		}
	}
	token, hello := "token: "+canary2, notify.Message{Text: "hello"}
	return []subject{
		{kind: "webhook", name: "ci", secrets: []string{canary1, canary2},
			options: func(address string) string {
				return "url: " + address + "/hook/" + canary2 + "?key=" + canary2 + "\nbasicAuth: {username: ci, password: " + quote(canary1) + "}\n" +
					"headers:\n- {name: X-Key, value: " + canary2 + "}\n- {name: X-More, value: Bearer " + canary2 + "}\n"
			},
			message: message("hello", "webhook", object{"ci": object{"method": "POST", "path": "/a?b=c", "body": "{}"}}), api: answer200("fine")},
		{kind: "slack", secrets: []string{canary2}, recipient: "deployments", options: option("apiURL", token),
			message: message("hello", "slack", object{"groupingKey": "abc", "deliveryPolicy": "PostAndUpdate"}), api: answer200(`{"ok": true, "channel": "C1", "ts": "1.2"}`)},
		{kind: "teams", secrets: []string{canary2}, recipient: "team", options: secretAddress("recipientUrls", "/webhookb2/"),
			message: message("hello", "teams", object{"title": "t"}), api: answer200("1")},
		{kind: "teams-workflows", secrets: []string{canary2}, recipient: "team", options: secretAddress("recipientUrls", "/workflows/"),
			message: hello, api: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }},
		{kind: "googlechat", secrets: []string{canary2}, recipient: "team", options: secretAddress("webhooks", "/v1/spaces/"),
			message: message("hello", "googlechat", object{"threadKey": "abc"}), api: answer200(`{"name": "spaces/x/messages/y"}`)},
		{kind: "mattermost", secrets: []string{canary2}, recipient: "id", options: option("apiURL", token), message: hello,
			api: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }},
		{kind: "rocketchat", secrets: []string{canary1, canary2}, recipient: "#deployments",
			options: option("serverUrl", "email: a@example.com\npassword: "+quote(canary1)), message: hello, api: rocketAPI},
		{kind: "telegram", secrets: []string{canary2}, recipient: "-100123|7", options: option("apiURL", "token: 12345:"+canary2), message: hello,
			api: answer200(`{"ok": true, "result": {}}`)},
		{kind: "webex", secrets: []string{canary2}, recipient: "a@example.com", options: option("apiURL", token), message: hello, api: answer200(`{}`)},
		{kind: "pushover", secrets: []string{canary1, canary2}, recipient: canary1, options: option("apiURL", token), message: hello, api: answer200(`{"status": 1}`)},
	}
}

// rocketAPI answers as Rocket.Chat does.
func rocketAPI(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/api/v1/login" {
		_, _ = w.Write([]byte(`{"status": "success", "data": {"authToken": "` + canary2 + `", "userId": "u1"}}`))
		return
	}
	if r.Header.Get("X-Auth-Token") != canary2 || r.Header.Get("X-User-Id") != "u1" {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = w.Write([]byte(`{"success": true}`))
}

func TestMattermost(t *testing.T) {
	var got recorder
	server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	s := build(t, "mattermost", "", "apiURL: "+server.URL+"\ntoken: t1")
	sent(t, s, message("hello", "mattermost", object{"attachments": `[{"color": "#18be52"}]`}), "id1")
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("Authorization")}, []string{"POST /api/v4/posts", "Bearer t1"})
	same(t, body, object{"channel_id": "id1", "message": "hello", "props": object{"attachments": []any{object{"color": "#18be52"}}}})
	sent(t, s, notify.Message{Text: "x"}, "id1")
	_, body, _ = got.last(t)
	same(t, body, object{"channel_id": "id1", "message": "x", "props": object{"attachments": []any{}}})
	wantFault(t, s.Send(t.Context(), message("", "mattermost", object{"attachments": "{"}), "x"), fault.Invalid, "attachments is no JSON")
}

func TestRocketChat(t *testing.T) {
	var got recorder
	valid, said := "one", `{"success": true}`
	server := serve(t, got.record(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/login":
			_, _ = w.Write([]byte(`{"data": {"authToken": "` + valid + `", "userId": "u1"}}`))
		case r.Header.Get("X-Auth-Token") != valid:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			_, _ = w.Write([]byte(said))
		}
	}))
	s := build(t, "rocketchat", "", "serverUrl: "+server.URL+"\nemail: a@example.com\npassword: p\nalias: bot\nicon: ':ok:'\navatar: https://example.com/a.png")
	sent(t, s, message("hello", "rocketchat", object{"attachments": `[{"title": "x"}]`}), "#deploys")
	sent(t, s, notify.Message{Text: "x"}, "room1")
	same(t, decoded(t, got.requests()[0].Body), any(object{"user": "a@example.com", "password": "p"}))
	same(t, decoded(t, got.requests()[1].Body), any(object{"channel": "#deploys", "text": "hello", "alias": "bot", "emoji": ":ok:", "avatar": "https://example.com/a.png",
		"attachments": []any{object{"title": "x"}}}))
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("X-User-Id")}, []string{"POST /api/v1/chat.postMessage", "u1"})
	same(t, body, object{"roomId": "room1", "text": "x", "alias": "bot", "emoji": ":ok:", "avatar": "https://example.com/a.png"})
	same(t, len(got.requests()), 3) // one login for two messages

	valid = "two" // the session has ended
	wantFault(t, s.Send(t.Context(), notify.Message{}, "#d"), fault.Transient, "401")
	sent(t, s, notify.Message{}, "#d")
	said = `{"success": false, "error": "error-room-not-found two"}`
	wantFault(t, s.Send(t.Context(), notify.Message{}, "#d"), fault.Invalid, "error-room-not-found ***")

	without := serve(t, answer200(`{"status": "error"}`))
	s = build(t, "rocketchat", "", "serverUrl: "+without.URL+"\nemail: a@example.com\npassword: p")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "#d"), fault.Denied, "check email and password")
}

func TestTelegram(t *testing.T) {
	var got recorder
	said := `{"ok": true}`
	server := serve(t, got.record(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(said)) }))
	s := build(t, "telegram", "", "apiURL: "+server.URL+"\ntoken: 12:ab")
	for recipient, want := range map[string]object{
		"-100123":   {"chat_id": -100123.0, "text": "hello", "parse_mode": "Markdown"},
		"-100123|7": {"chat_id": -100123.0, "text": "hello", "parse_mode": "Markdown", "message_thread_id": 7.0},
		"42":        {"chat_id": 42.0, "text": "hello", "parse_mode": "Markdown"},
		"deploys":   {"chat_id": "@deploys", "text": "hello", "parse_mode": "Markdown"},
		"@deploys":  {"chat_id": "@deploys", "text": "hello", "parse_mode": "Markdown"},
	} {
		sent(t, s, notify.Message{Text: "hello"}, recipient)
		line, body, _ := got.last(t)
		same(t, line, "POST /bot12:ab/sendMessage")
		same(t, body, want)
	}
	wantFault(t, s.Send(t.Context(), notify.Message{}, ""), fault.Invalid, "names no chat")
	wantFault(t, s.Send(t.Context(), notify.Message{}, "-1|x"), fault.Invalid, "no id of a topic")
	said = `{"ok": false, "description": "Bad Request: chat not found"}`
	wantFault(t, s.Send(t.Context(), notify.Message{}, "x"), fault.Invalid, "chat not found")
	_, err := New("telegram", "", []byte("token: a/b"), env())
	wantFault(t, err, fault.Invalid, "token is no token of a bot")
}

func TestWebex(t *testing.T) {
	var got recorder
	server := serve(t, got.record(answer200("{}")))
	s := build(t, "webex", "", "apiURL: "+server.URL+"/\ntoken: t1")
	sent(t, s, notify.Message{Text: "hello"}, "a@example.com")
	line, body, header := got.last(t)
	same(t, []string{line, header.Get("Authorization")}, []string{"POST /v1/messages", "Bearer t1"})
	same(t, body, object{"markdown": "hello", "toPersonEmail": "a@example.com"})
	sent(t, s, notify.Message{Text: "hello"}, "room")
	_, body, _ = got.last(t)
	same(t, body, object{"markdown": "hello", "roomId": "room"})
}

func TestPushover(t *testing.T) {
	var got recorder
	server := serve(t, got.record(answer200(`{"status": 1}`)))
	sent(t, build(t, "pushover", "", "apiURL: "+server.URL+"\ntoken: t1"), notify.Message{Text: strings.Repeat("ä", 2000)}, "user1")
	req := got.requests()[0]
	form, err := url.ParseQuery(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	same(t, []string{req.Line, form.Get("token"), form.Get("user"), form.Get("message"), req.Header.Get("Content-Type")},
		[]string{"POST /1/messages.json", "t1", "user1", strings.Repeat("ä", 1021) + "...", "application/x-www-form-urlencoded"})
}
