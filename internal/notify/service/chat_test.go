package service

import (
	"encoding/json"
	"net/http"

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
