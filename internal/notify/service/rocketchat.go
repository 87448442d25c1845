package service

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// rocketChat posts as a user of Rocket.Chat.
type rocketChat struct {
	to              *endpoint
	email, password string
	alias           string
	emoji, avatar   string

	mu    sync.Mutex
	login *rocketLogin // nil before the first message, and when it is no longer accepted
}

// rocketLogin is a session. Logins are limited to a few per minute, so that one is kept.
type rocketLogin struct {
	Token string `json:"authToken"`
	User  string `json:"userId"`
}

func newRocketChat(c config) (notify.Service, error) {
	o := c.options
	s := &rocketChat{email: o.required("email"), password: o.required("password"), alias: o.text("alias")}
	if icon := o.text("icon"); emoji.MatchString(icon) {
		s.emoji = icon
	}
	if avatar := o.text("avatar"); avatar != "" {
		if _, err := parseAddress(avatar); err == nil {
			s.avatar = avatar
		}
	}
	base := o.address("serverUrl", o.required("serverUrl"))
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	if s.to, err = c.endpoint("serverUrl", base, remote.Access{}, s.password); err != nil {
		return nil, err
	}
	s.to.closedBody = true // that of the login
	return s, nil
}

// Send implements notify.Service. recipient is #channel, @user or the id of a room.
func (s *rocketChat) Send(ctx context.Context, m notify.Message, recipient string) error {
	p := part(m, "rocketchat")
	body := map[string]any{"text": m.Text, "alias": s.alias, "emoji": s.emoji, "avatar": s.avatar}
	omitEmpty(body)
	if strings.HasPrefix(recipient, "#") || strings.HasPrefix(recipient, "@") {
		body["channel"] = recipient
	} else {
		body["roomId"] = recipient
	}
	if attachments := p.list("attachments"); attachments != nil {
		body["attachments"] = attachments
	}
	if err := p.err(); err != nil {
		return err
	}
	login, kept, err := s.session(ctx)
	if err != nil {
		return err
	}
	var said struct {
		Success bool   `json:"success"`
		Error   string `json:"error"`
	}
	err = s.to.send(ctx, call{method: http.MethodPost, url: s.to.at("api/v1/chat.postMessage"), secrets: []string{login.Token},
		header: map[string]string{"X-Auth-Token": login.Token, "X-User-Id": login.User}}, body, &said)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusUnauthorized && kept {
		s.end(login)
		return fault.As(fault.Transient, err) // the session may have ended: the next attempt logs in
	}
	if err == nil && !said.Success {
		return s.to.fail(fault.Invalid, "the message was refused: "+s.to.clean(cmp.Or(said.Error, "no reason"), login.Token))
	}
	return err
}

// session returns the login; kept says that it is one of before.
func (s *rocketChat) session(ctx context.Context) (login *rocketLogin, kept bool, err error) {
	s.mu.Lock()
	login = s.login
	s.mu.Unlock()
	if login != nil {
		return login, true, nil
	}
	var said struct {
		Data rocketLogin `json:"data"`
	}
	if err := s.to.post(ctx, "api/v1/login", nil, map[string]any{"user": s.email, "password": s.password}, &said); err != nil {
		return nil, false, err
	}
	if said.Data.Token == "" {
		return nil, false, s.to.fail(fault.Denied, "the login was answered without a token: check email and password")
	}
	s.mu.Lock()
	s.login = &said.Data
	s.mu.Unlock()
	return &said.Data, false, nil
}

// end forgets a login, unless there is a newer one.
func (s *rocketChat) end(login *rocketLogin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login == login {
		s.login = nil
	}
}
