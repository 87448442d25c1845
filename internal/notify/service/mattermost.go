package service

import (
	"context"

	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// mattermost posts to channels of Mattermost.
type mattermost struct{ to *endpoint }

func newMattermost(c config) (notify.Service, error) {
	o := c.options
	base := o.address("apiURL", o.required("apiURL"))
	access := remote.Access{BearerToken: o.secret("token"), Insecure: o.flag("insecureSkipVerify", false)}
	if err := o.err(); err != nil {
		return nil, err
	}
	to, err := c.endpoint("apiURL", base, access)
	return &mattermost{to}, err
}

// Send implements notify.Service. recipient is the id of a channel.
func (s *mattermost) Send(ctx context.Context, m notify.Message, recipient string) error {
	p := part(m, "mattermost")
	attachments := p.list("attachments")
	if err := p.err(); err != nil {
		return err
	}
	if attachments == nil {
		attachments = []any{}
	}
	return s.to.post(ctx, "api/v4/posts", nil, map[string]any{"channel_id": recipient, "message": m.Text, "props": map[string]any{"attachments": attachments}}, nil)
}
