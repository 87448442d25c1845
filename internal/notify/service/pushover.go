package service

import (
	"cmp"
	"context"
	"net/http"
	"net/url"

	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// pushover pushes to the devices of a user or a group.
type pushover struct {
	to    *endpoint
	token string
}

func newPushover(c config) (notify.Service, error) {
	o := c.options
	s := &pushover{token: o.secret("token")}
	base := o.address("apiURL", cmp.Or(o.text("apiURL"), "https://api.pushover.net"))
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	if s.to, err = c.endpoint("apiURL", base, remote.Access{}, s.token); err != nil {
		return nil, err
	}
	s.to.closedBody = true // which holds the token
	return s, nil
}

// maxPush is how long Pushover lets a message be, in characters.
const maxPush = 1024

// Send implements notify.Service. recipient is the key of a user or a group.
func (s *pushover) Send(ctx context.Context, m notify.Message, recipient string) error {
	body := url.Values{"token": {s.token}, "user": {recipient}, "message": {shorten(m.Text, maxPush)}}
	_, err := s.to.do(ctx, call{method: http.MethodPost, url: s.to.at("1/messages.json"), body: []byte(body.Encode()), secrets: []string{recipient},
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	return err
}
