package service

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/belaycd/belay/internal/notify"
)

// opsgenie creates alerts for teams.
type opsgenie struct{ keyed }

func newOpsgenie(c config) (notify.Service, error) {
	address := cmp.Or(c.options.text("apiUrl"), "api.opsgenie.com")
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	k, err := c.keyed("apiKeys", "apiUrl", address)
	return &opsgenie{k}, err
}

// maxAlert is how long Opsgenie lets the message of an alert be.
const maxAlert = 130

// Send implements notify.Service.
func (s *opsgenie) Send(ctx context.Context, m notify.Message, recipient string) error {
	key, err := s.find(recipient)
	if err != nil {
		return err
	}
	p := part(m, "opsgenie")
	priority := strings.ToUpper(p.text("priority"))
	if priority != "" && !slices.Contains([]string{"P1", "P2", "P3", "P4", "P5"}, priority) {
		p.problem("priority", "is none of P1 to P5")
	}
	team := map[string]any{"type": "team", "name": recipient}
	if uuid.Validate(recipient) == nil {
		team = map[string]any{"type": "team", "id": recipient}
	}
	alert := map[string]any{"message": shorten(strings.TrimSpace(m.Text), maxAlert), "description": p.body("description"), "priority": priority,
		"alias": p.text("alias"), "note": p.body("note"), "responders": []any{team}, "source": "Argo CD"}
	if err := p.err(); err != nil {
		return err
	}
	for _, key := range []string{"description", "priority", "alias", "note"} {
		if alert[key] == "" {
			delete(alert, key)
		}
	}
	return s.to.post(ctx, "v2/alerts", map[string]string{"Authorization": "GenieKey " + key}, alert, nil)
}
