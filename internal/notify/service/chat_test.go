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
	return []subject{
		{kind: "webhook", name: "ci", secrets: []string{canary1, canary2},
			options: func(address string) string {
				return "url: " + address + "/hook/" + canary2 + "?key=" + canary2 + "\nbasicAuth: {username: ci, password: " + quote(canary1) + "}\n" +
					"headers:\n- {name: X-Key, value: " + canary2 + "}\n- {name: X-More, value: Bearer " + canary2 + "}\n"
			},
			message: notify.Message{Text: "hello", Parts: map[string]any{"webhook": map[string]any{"ci": map[string]any{"method": "POST", "path": "/a?b=c", "body": "{}"}}}},
			api:     answer200("fine")},
		{kind: "slack", secrets: []string{canary2}, recipient: "deployments",
			options: func(address string) string { return "apiURL: " + address + "/api\ntoken: " + canary2 },
			message: notify.Message{Text: "hello", Parts: map[string]any{"slack": map[string]any{"groupingKey": "abc", "deliveryPolicy": "PostAndUpdate"}}},
			api:     answer200(`{"ok": true, "channel": "C1", "ts": "1.2"}`)},
	}
}

func incidentSubjects() []subject { return nil }
