package service

import (
	"cmp"
	"context"
	"net/url"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// newRelic marks deployments.
type newRelic struct {
	to  *endpoint
	key string
}

func newNewRelic(c config) (notify.Service, error) {
	o := c.options
	s := &newRelic{key: o.secret("apiKey")}
	base := o.address("apiURL", cmp.Or(o.text("apiURL"), "https://api.newrelic.com"))
	if err := o.err(); err != nil {
		return nil, err
	}
	var err error
	s.to, err = c.endpoint("apiURL", base, remote.Access{}, s.key)
	return s, err
}

// Send implements notify.Service. recipient is the id of the application at New Relic.
func (s *newRelic) Send(ctx context.Context, m notify.Message, recipient string) error {
	p := part(m, "newrelic")
	if p == nil {
		return fault.New(fault.Invalid, "newrelic: the template has no newrelic part")
	}
	if recipient == "" {
		return fault.New(fault.Invalid, "newrelic: the subscription names no application: the recipient is its id at New Relic")
	}
	revision := cmp.Or(filledIn(p, "revision"), m.Revision)
	if revision == "" {
		p.problem("revision", "is missing: the application has not been synced yet, or has several sources")
	}
	deployment := map[string]any{"revision": revision, "description": cmp.Or(p.body("description"), m.Text),
		"changelog": p.body("changelog"), "user": p.text("user")}
	if err := p.err(); err != nil {
		return err
	}
	omitEmpty(deployment)
	path := "v2/applications/" + url.PathEscape(recipient) + "/deployments.json"
	return s.to.post(ctx, path, map[string]string{"X-Api-Key": s.key}, map[string]any{"deployment": deployment}, nil)
}
