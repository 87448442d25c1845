package service

import (
	"context"
	"strings"

	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// grafana makes annotations.
type grafana struct {
	to   *endpoint
	tags string
}

func newGrafana(c config) (notify.Service, error) {
	o := c.options
	base := o.address("apiUrl", o.required("apiUrl"))
	access := remote.Access{BearerToken: o.secret("apiKey"), Insecure: o.flag("insecureSkipVerify", false)}
	s := &grafana{tags: o.text("tags")}
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	s.to, err = c.endpoint("apiUrl", base, access)
	return s, err
}

// Send implements notify.Service. Grafana sets the time of an annotation that has none to the present.
func (s *grafana) Send(ctx context.Context, m notify.Message, recipient string) error {
	p := part(m, "grafana")
	tags := []string{}
	for _, list := range []string{recipient, p.text("tags"), s.tags} {
		for _, tag := range strings.Split(list, "|") {
			if tag = strings.TrimSpace(tag); tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	return s.to.post(ctx, "annotations", nil, map[string]any{"tags": tags, "text": m.Text}, nil)
}
