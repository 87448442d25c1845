package service

import (
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/remote"
)

// targets are recipients with an address each, which is a credential.
type targets struct {
	who, option string
	by          map[string]target
}

// target is what an address became: one that is wrong concerns its own recipient alone.
type target struct {
	to  *endpoint
	err error
}

// targets reads an option that maps recipients to addresses.
func (c config) targets(option string) (*targets, error) {
	o := c.options
	addresses, insecure := o.textMap(option), o.flag("insecureSkipVerify", false)
	if len(addresses) == 0 {
		o.problem(option, "is missing: it maps the names that subscriptions use to addresses")
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	t := &targets{who: c.kind, option: c.key() + " " + option, by: map[string]target{}}
	for name, address := range addresses {
		base, err := parseAddress(address)
		if err != nil {
			t.by[name] = target{err: fault.New(fault.Invalid, "%s.%s %w", t.option, name, err)}
			continue
		}
		to, err := c.endpoint(option+"."+name, base, remote.Access{Insecure: insecure}, secretsOf(base)...)
		t.by[name] = target{to, err}
	}
	return t, nil
}

// find returns the endpoint of a recipient.
func (t *targets) find(recipient string) (*endpoint, error) {
	found, ok := t.by[recipient]
	if !ok {
		return nil, unknownRecipient(t.who, t.option, recipient, slices.Sorted(maps.Keys(t.by)))
	}
	return found.to, found.err
}

func unknownRecipient(who, option, recipient string, known []string) error {
	return fault.New(fault.NotFound, "%s: the recipient %q is not in %s, which has %s", who, clean(recipient, nil), option, clean(strings.Join(known, ", "), nil))
}
