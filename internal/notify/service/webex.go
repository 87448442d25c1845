package service

import (
	"cmp"
	"context"
	"regexp"

	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// webex sends as a bot of Webex.
type webex struct{ to *endpoint }

func newWebex(c config) (notify.Service, error) {
	o := c.options
	base := o.address("apiURL", cmp.Or(o.text("apiURL"), "https://webexapis.com"))
	access := remote.Access{BearerToken: o.secret("token"), Insecure: o.flag("insecureSkipVerify", false)}
	if err := o.err(); err != nil {
		return nil, err
	}
	to, err := c.endpoint("apiURL", base, access)
	return &webex{to}, err
}

// person is a recipient that is no room.
var person = regexp.MustCompile(`^\S+@\S+\.\S+$`)

// Send implements notify.Service. recipient is the address of a person or the id of a room.
func (s *webex) Send(ctx context.Context, m notify.Message, recipient string) error {
	body := map[string]any{"markdown": m.Text}
	if person.MatchString(recipient) {
		body["toPersonEmail"] = recipient
	} else {
		body["roomId"] = recipient
	}
	return s.to.post(ctx, "v1/messages", nil, body, nil)
}
