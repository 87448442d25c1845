package service

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// keyed is a service with a key for each recipient.
type keyed struct {
	to     *endpoint
	option string
	keys   map[string]string
}

// keyed reads an option that maps recipients to keys. The address of the service is given in another one.
func (c config) keyed(keys, address, text string) (keyed, error) {
	o := c.options
	k := keyed{option: c.key() + " " + keys, keys: o.textMap(keys)}
	if len(k.keys) == 0 {
		o.problem(keys, "is missing: it maps the names that subscriptions use to keys")
	}
	for name, key := range k.keys {
		o.printable(keys+"."+name, key)
	}
	base := o.address(address, text)
	if err := o.err(); err != nil {
		return k, err
	}
	var err error
	k.to, err = c.endpoint(address, base, remote.Access{}, slices.Collect(maps.Values(k.keys))...)
	return k, err
}

func (k keyed) find(recipient string) (string, error) {
	key, ok := k.keys[recipient]
	if !ok {
		return "", unknownRecipient(k.to.who, k.option, recipient, slices.Sorted(maps.Keys(k.keys)))
	}
	if key == "" {
		return "", fault.New(fault.Invalid, "%s.%s is empty", k.option, recipient)
	}
	return key, nil
}

// pagerDuty triggers events (Events API v2).
type pagerDuty struct{ keyed }

func newPagerDuty(c config) (notify.Service, error) {
	k, err := c.keyed("serviceKeys", "apiURL", cmp.Or(c.options.text("apiURL"), "https://events.pagerduty.com"))
	if err != nil {
		return nil, err
	}
	k.to.closedBody = true // which holds the key
	return &pagerDuty{k}, nil
}

// maxSummary is how long PagerDuty lets a summary be.
const maxSummary = 1024

// Send implements notify.Service.
func (s *pagerDuty) Send(ctx context.Context, m notify.Message, recipient string) error {
	key, err := s.find(recipient)
	if err != nil {
		return err
	}
	p := part(m, "pagerdutyv2")
	if p == nil {
		return fault.New(fault.Invalid, "pagerdutyv2: the template has no pagerdutyv2 part: summary, severity and source")
	}
	payload := map[string]any{"summary": shorten(cmp.Or(p.text("summary"), m.Text), maxSummary), "severity": p.required("severity"), "source": p.required("source"),
		"component": p.text("component"), "group": p.text("group"), "class": p.text("class")}
	omitEmpty(payload)
	event := map[string]any{"routing_key": key, "event_action": "trigger", "client": "ArgoCD", "client_url": p.text("url"), "payload": payload}
	omitEmpty(event)
	if err := p.err(); err != nil {
		return err
	}
	return s.to.post(ctx, "v2/enqueue", nil, event, nil)
}
