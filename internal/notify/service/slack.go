package service

import (
	"cmp"
	"context"
	"regexp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// slack posts to channels, in threads where a template groups messages.
type slack struct {
	to             *endpoint
	username, icon string
	unfurl         bool
	threads        *threads
}

func newSlack(c config) (notify.Service, error) {
	o := c.options
	token := o.secret("token")
	base := o.address("apiURL", cmp.Or(o.text("apiURL"), "https://slack.com/api"))
	s := &slack{username: o.text("username"), icon: o.text("icon"), unfurl: !o.flag("disableUnfurl", false), threads: newThreads(maxThreads)}
	access := remote.Access{BearerToken: token, Insecure: o.flag("insecureSkipVerify", false)}
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	s.to, err = c.endpoint("apiURL", base, access, o.text("signingSecret"))
	return s, err
}

// slackMessage is the body of chat.postMessage and chat.update.
type slackMessage struct {
	Channel        string `json:"channel"`
	Text           string `json:"text"`
	Username       string `json:"username,omitempty"`
	IconEmoji      string `json:"icon_emoji,omitempty"`
	IconURL        string `json:"icon_url,omitempty"`
	Attachments    *[]any `json:"attachments,omitempty"`
	Blocks         *[]any `json:"blocks,omitempty"`
	ThreadTS       string `json:"thread_ts,omitempty"`
	ReplyBroadcast bool   `json:"reply_broadcast,omitempty"`
	UnfurlLinks    *bool  `json:"unfurl_links,omitempty"`
	UnfurlMedia    *bool  `json:"unfurl_media,omitempty"`
	TS             string `json:"ts,omitempty"`
}

type slackAnswer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Needed  string `json:"needed"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// Send implements notify.Service.
func (s *slack) Send(ctx context.Context, m notify.Message, channel string) error {
	if channel == "" {
		return s.to.fail(fault.Invalid, "the subscription names no channel")
	}
	p := part(m, "slack")
	msg := slackMessage{Channel: channel, Text: m.Text, Username: cmp.Or(p.text("username"), s.username)}
	if attachments := p.list("attachments"); attachments != nil {
		msg.Attachments = &attachments
	}
	if blocks := p.list("blocks"); blocks != nil {
		msg.Blocks = &blocks
	}
	if icon := cmp.Or(p.text("icon"), s.icon); emoji.MatchString(icon) {
		msg.IconEmoji = icon
	} else if _, err := parseAddress(icon); err == nil {
		msg.IconURL = icon
	}
	if !s.unfurl {
		msg.UnfurlLinks, msg.UnfurlMedia = new(bool), new(bool)
	}
	broadcast, group, policy := p.flag("notifyBroadcast", false), p.text("groupingKey"), p.text("deliveryPolicy")
	if err := p.err(); err != nil {
		return err
	}
	if group == "" || group == noValue {
		_, err := s.call(ctx, "chat.postMessage", msg)
		return err
	}
	return s.grouped(ctx, msg, group, policy, broadcast)
}

// emoji is an icon by name.
var emoji = regexp.MustCompile(`^:.+:$`)

// grouped sends a message of a group: the first one opens a thread, later ones go into it, or take the place of the first.
func (s *slack) grouped(ctx context.Context, msg slackMessage, group, policy string, broadcast bool) error {
	t, release, err := s.threads.take(ctx, msg.Channel, group)
	if err != nil {
		return s.to.unreached(ctx, err, nil)
	}
	defer release()
	if t.ts == "" {
		a, err := s.call(ctx, "chat.postMessage", msg)
		if err == nil {
			t.ts, t.channel = a.TS, cmp.Or(a.Channel, msg.Channel)
		}
		return err
	}
	// The update comes first: repeated after an error of the post, it changes nothing.
	if policy == "Update" || policy == "PostAndUpdate" {
		update := slackMessage{Channel: t.channel, TS: t.ts, Text: msg.Text, Attachments: orNone(msg.Attachments), Blocks: orNone(msg.Blocks)}
		if _, err := s.call(ctx, "chat.update", update); err != nil {
			return s.forget(t, err)
		}
	}
	if policy != "Update" {
		msg.ThreadTS, msg.ReplyBroadcast = t.ts, broadcast
		if _, err := s.call(ctx, "chat.postMessage", msg); err != nil {
			return s.forget(t, err)
		}
	}
	return nil
}

// orNone makes an update remove what the new message does not have.
func orNone(list *[]any) *[]any {
	if list == nil {
		return &[]any{}
	}
	return list
}

// forget drops a thread that somebody deleted, so that another attempt opens a new one.
func (s *slack) forget(t *thread, err error) error {
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	t.ts = ""
	return fault.As(fault.Transient, err)
}

// call calls a method. A refusal of Slack comes with status 200.
func (s *slack) call(ctx context.Context, method string, msg slackMessage) (slackAnswer, error) {
	var a slackAnswer
	if err := s.to.post(ctx, method, nil, msg, &a); err != nil {
		return a, err
	}
	if a.OK {
		return a, nil
	}
	a.Needed = s.to.clean(a.Needed)
	kind, advice := slackRefusal(a)
	text := method + " to channel " + s.to.clean(msg.Channel) + ": " + s.to.clean(cmp.Or(a.Error, "refused without a reason"))
	if advice != "" {
		text += ": " + advice
	}
	return a, s.to.fail(kind, text)
}

// slackRefusal says what an error of the API means and what to do about it. Conflict is a message that is gone.
func slackRefusal(a slackAnswer) (fault.Kind, string) {
	switch a.Error {
	case "ratelimited", "rate_limited", "message_limit_exceeded", "service_unavailable", "internal_error", "fatal_error", "request_timeout", "team_added_to_org":
		return fault.Transient, ""
	case "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed":
		return fault.Conflict, "the first message of the group can no longer be used, a new thread begins"
	case "channel_not_found":
		return fault.NotFound, "there is no such channel, or it is private and the app is not in it: check the name, or invite the app"
	case "is_archived":
		return fault.NotFound, "the channel is archived: subscribe another one"
	case "user_not_found", "users_not_found":
		return fault.NotFound, ""
	case "not_in_channel":
		return fault.Denied, "invite the app to the channel"
	case "missing_scope":
		return fault.Denied, "add the scope " + cmp.Or(a.Needed, "chat:write") + " to the app and install it again"
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type", "org_login_required":
		return fault.Denied, "the token is not accepted: set token to the app's OAuth token, which begins with xoxb-"
	case "access_denied", "no_permission", "ekm_access_denied", "team_access_not_granted", "restricted_action", "restricted_action_read_only_channel",
		"restricted_action_thread_only_channel", "restricted_action_non_threadable_channel", "restricted_action_thread_locked":
		return fault.Denied, "ask an administrator of the workspace to let the app post"
	case "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long", "no_text":
		return fault.Invalid, "correct the slack part of the template"
	}
	return fault.Invalid, ""
}
