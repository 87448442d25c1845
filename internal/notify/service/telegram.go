package service

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// telegram sends as a bot.
type telegram struct {
	to    *endpoint
	token string
}

func newTelegram(c config) (notify.Service, error) {
	o := c.options
	s := &telegram{token: o.secret("token")}
	if strings.ContainsAny(s.token, "/?#%") {
		o.problem("token", "is no token of a bot")
	}
	base := o.address("apiURL", cmp.Or(o.text("apiURL"), "https://api.telegram.org"))
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	s.to, err = c.endpoint("apiURL", base, remote.Access{}, s.token)
	return s, err
}

// Send implements notify.Service. recipient is the id of a chat, the id of a group with that of a topic (-100|7), or the name of a
// channel.
func (s *telegram) Send(ctx context.Context, m notify.Message, recipient string) error {
	chat, topic, _ := strings.Cut(recipient, "|")
	body := map[string]any{"text": m.Text, "parse_mode": "Markdown"}
	if id, err := strconv.ParseInt(chat, 10, 64); err == nil {
		body["chat_id"] = id
	} else if chat != "" {
		body["chat_id"] = "@" + strings.TrimPrefix(chat, "@")
	} else {
		return s.to.fail(fault.Invalid, "the subscription names no chat")
	}
	if topic != "" {
		id, err := strconv.ParseInt(topic, 10, 64)
		if err != nil {
			return s.to.fail(fault.Invalid, "what follows | in the recipient is no id of a topic")
		}
		body["message_thread_id"] = id
	}
	var said struct {
		OK          bool   `json:"ok"`
		Description string `json:"description"`
	}
	if err := s.to.post(ctx, "bot"+s.token+"/sendMessage", nil, body, &said); err != nil {
		return err
	}
	if !said.OK {
		return s.to.fail(fault.Invalid, "the message was refused: "+s.to.clean(said.Description))
	}
	return nil
}
