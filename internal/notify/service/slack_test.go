package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// slackAPI answers as Slack does: a time stamp for each message, and an id for each channel.
type slackAPI struct {
	recorder
	posts int
	// fail is an error for the next request of a method.
	fail map[string]string
}

func (a *slackAPI) handle(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.fail[r.URL.Path]; e != "" {
		delete(a.fail, r.URL.Path)
		fmt.Fprintf(w, `{"ok": false, "error": %q, "needed": "chat:write.customize"}`, e)
		return
	}
	if r.URL.Path == "/api/chat.postMessage" {
		a.posts++
	}
	fmt.Fprintf(w, `{"ok": true, "channel": "C42", "ts": "170000.%d"}`, a.posts)
}

func newSlackAPI(t *testing.T, options string) (*slackAPI, notify.Service) {
	t.Helper()
	api := &slackAPI{fail: map[string]string{}}
	server := serve(t, api.record(api.handle))
	return api, build(t, "slack", "", "token: xoxb-1\napiURL: "+server.URL+"/api/\n"+options)
}

func TestSlackMessage(t *testing.T) {
	for name, test := range map[string]struct {
		options string
		part    object
		want    object
	}{
		"text alone": {"", nil, object{"channel": "deploys", "text": "hello"}},
		"options": {"username: bot\nicon: ':robot_face:'\ndisableUnfurl: true", nil,
			object{"channel": "deploys", "text": "hello", "username": "bot", "icon_emoji": ":robot_face:", "unfurl_links": false, "unfurl_media": false}},
		"the template wins": {"username: bot\nicon: ':robot_face:'", object{"username": "b2", "icon": "https://example.com/i.png"},
			object{"channel": "deploys", "text": "hello", "username": "b2", "icon_url": "https://example.com/i.png"}},
		"neither emoji nor address": {"icon: robot", nil, object{"channel": "deploys", "text": "hello"}},
		"JSON": {"", object{"attachments": `[{"color": "#18be52"}]` + "\n", "blocks": []any{object{"type": "divider"}}, "notifyBroadcast": "true"},
			object{"channel": "deploys", "text": "hello", "attachments": []any{object{"color": "#18be52"}}, "blocks": []any{object{"type": "divider"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			api, s := newSlackAPI(t, test.options)
			m := notify.Message{Text: "hello"}
			if test.part != nil {
				m = message("hello", "slack", test.part)
			}
			sent(t, s, m, "deploys")
			line, body, header := api.last(t)
			same(t, body, test.want)
			same(t, []string{line, header.Get("Authorization"), header.Get("Content-Type")},
				[]string{"POST /api/chat.postMessage", "Bearer xoxb-1", "application/json; charset=utf-8"})
		})
	}
}

// steps are what happened at the API: method, channel, time stamps.
func (a *slackAPI) steps(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, req := range a.requests() {
		var m slackMessage
		if err := json.Unmarshal([]byte(req.Body), &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s thread=%s ts=%s broadcast=%v", req.Line[len("POST /api/chat."):], m.Channel, m.ThreadTS, m.TS, m.ReplyBroadcast))
	}
	return out
}

func TestSlackThreads(t *testing.T) {
	first := "postMessage deploys thread= ts= broadcast=false"
	for policy, want := range map[string][]string{
		"":     {first, "postMessage deploys thread=170000.1 ts= broadcast=true"},
		"Post": {first, "postMessage deploys thread=170000.1 ts= broadcast=true"},
		"PostAndUpdate": {first, "update C42 thread= ts=170000.1 broadcast=false",
			"postMessage deploys thread=170000.1 ts= broadcast=true"},
		"Update": {first, "update C42 thread= ts=170000.1 broadcast=false"},
	} {
		api, s := newSlackAPI(t, "")
		m := message("x", "slack", object{"groupingKey": "abc", "deliveryPolicy": policy, "notifyBroadcast": true})
		sent(t, s, m, "deploys")
		sent(t, s, m, "deploys")
		same(t, api.steps(t), want)
	}
	api, s := newSlackAPI(t, "")
	sent(t, s, message("x", "slack", object{"groupingKey": "abc"}), "deploys")
	sent(t, s, message("x", "slack", object{"groupingKey": "abc"}), "alerts")
	sent(t, s, message("x", "slack", object{"groupingKey": "def"}), "deploys")
	sent(t, s, message("x", "slack", object{"groupingKey": "<no value>", "deliveryPolicy": "Update"}), "deploys")
	sent(t, s, message("x", "slack", object{"groupingKey": "<no value>", "deliveryPolicy": "Update"}), "deploys")
	for _, step := range api.steps(t) {
		if contains(step, "170000") {
			t.Errorf("groups are mixed up: %v", api.steps(t))
		}
	}
}

// What an update does not have, the first message loses.
func TestSlackUpdateClears(t *testing.T) {
	api, s := newSlackAPI(t, "username: bot")
	sent(t, s, message("a", "slack", object{"groupingKey": "k", "deliveryPolicy": "Update", "blocks": "[{}]"}), "c")
	sent(t, s, message("b", "slack", object{"groupingKey": "k", "deliveryPolicy": "Update"}), "c")
	line, body, _ := api.last(t)
	same(t, line, "POST /api/chat.update")
	same(t, body, object{"channel": "C42", "ts": "170000.1", "text": "b", "attachments": []any{}, "blocks": []any{}})
	sent(t, s, message("b", "slack", object{"groupingKey": "k", "deliveryPolicy": "Update", "attachments": "[{}]"}), "c")
	_, body, _ = api.last(t)
	same(t, body["attachments"], any([]any{object{}}))
}

func TestSlackThreadThatWasDeleted(t *testing.T) {
	for _, policy := range []string{"Post", "Update", "PostAndUpdate"} {
		api, s := newSlackAPI(t, "")
		m := message("x", "slack", object{"groupingKey": "abc", "deliveryPolicy": policy})
		sent(t, s, m, "deploys")
		api.mu.Lock()
		api.fail["/api/chat.update"], api.fail["/api/chat.postMessage"] = "message_not_found", "thread_not_found"
		if policy != "Post" {
			delete(api.fail, "/api/chat.postMessage")
		}
		api.mu.Unlock()
		wantFault(t, s.Send(t.Context(), m, "deploys"), fault.Transient, "a new thread begins")
		sent(t, s, m, "deploys")
		steps := api.steps(t)
		same(t, steps[len(steps)-1], "postMessage deploys thread= ts= broadcast=false")
	}
}

// Of messages of a group that go out at once, one opens the thread and the others reply.
func TestSlackThreadsAtOnce(t *testing.T) {
	api, s := newSlackAPI(t, "")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := s.Send(t.Context(), message("x", "slack", object{"groupingKey": "abc"}), "deploys"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	first := 0
	for _, step := range api.steps(t) {
		if contains(step, "thread= ") {
			first++
		}
	}
	same(t, first, 1)
}

func TestSlackRefusals(t *testing.T) {
	for code, want := range map[string]struct {
		kind fault.Kind
		text string
	}{
		"ratelimited":       {fault.Transient, "ratelimited"},
		"internal_error":    {fault.Transient, "internal_error"},
		"channel_not_found": {fault.NotFound, "to channel deploys: channel_not_found: there is no such channel, or it is private"},
		"is_archived":       {fault.NotFound, "subscribe another one"},
		"not_in_channel":    {fault.Denied, "invite the app"},
		"invalid_auth":      {fault.Denied, "set token to the app's OAuth token"},
		"missing_scope":     {fault.Denied, "add the scope chat:write.customize"},
		"invalid_blocks":    {fault.Invalid, "correct the slack part"},
		"something_new":     {fault.Invalid, "something_new"},
	} {
		api, s := newSlackAPI(t, "")
		api.fail["/api/chat.postMessage"] = code
		wantFault(t, s.Send(t.Context(), notify.Message{Text: "x"}, "deploys"), want.kind, want.text)
	}
	limited := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s := build(t, "slack", "", "token: x\napiURL: "+limited.URL)
	wantFault(t, s.Send(t.Context(), notify.Message{}, "c"), fault.Transient, "429")
	page := serve(t, answer200("<html>sign in</html>"))
	s = build(t, "slack", "", "token: x\napiURL: "+page.URL)
	wantFault(t, s.Send(t.Context(), notify.Message{}, "c"), fault.Invalid, "its address may be wrong (service.slack apiURL)")
}

func TestSlackParts(t *testing.T) {
	api, s := newSlackAPI(t, "")
	for part, want := range map[string]string{
		`{"attachments": "[{"}`:       "attachments is no JSON",
		`{"attachments": "{}"}`:       "attachments is no list",
		`{"blocks": "x"}`:             "blocks is no JSON",
		`{"notifyBroadcast": "si"}`:   "notifyBroadcast is neither",
		`{"username": ["a"]}`:         "username is no text",
		`{"blocks": {"type": "x"}}`:   "blocks is no list",
		`{"groupingKey": {"a": "b"}}`: "groupingKey is no text",
	} {
		var p object
		if err := json.Unmarshal([]byte(part), &p); err != nil {
			t.Fatal(err)
		}
		wantFault(t, s.Send(t.Context(), message("x", "slack", p), "c"), fault.Invalid, want)
	}
	wantFault(t, s.Send(t.Context(), notify.Message{}, ""), fault.Invalid, "names no channel")
	if len(api.requests()) != 0 {
		t.Error("something was posted")
	}
}

func TestThreadsAreBounded(t *testing.T) {
	s := newThreads(3)
	for _, key := range []string{"a", "b", "c", "a", "d"} {
		th, release, err := s.take(t.Context(), "chan", key)
		if err != nil {
			t.Fatal(err)
		}
		th.ts += key
		release()
	}
	same(t, []int{s.recent.Len(), len(s.of)}, []int{3, 3})
	for key, want := range map[string]string{"a": "aa", "c": "c", "d": "d"} {
		same(t, s.of[threadKey{"chan", key}].Value.(*thread).ts, want)
	}
}
