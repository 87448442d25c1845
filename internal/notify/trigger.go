package notify

import (
	"crypto/sha1" //nolint:gosec // Argo CD's keys are made with it
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/expression"
)

// condition is one of a trigger.
type condition struct {
	written Condition
	// id is what the record of what was sent calls it, as Argo CD does.
	id                   string
	description          string
	when, oncePer, until *expression.Condition
	hold                 time.Duration
	send, resolved       []string
	// timed conditions ask for the time, so that they may hold without a change.
	timed bool
}

// Condition is a condition of a trigger as it is written. For, Until and Resolved are Belay's own.
type Condition struct {
	When        string   `json:"when,omitempty"`
	OncePer     string   `json:"oncePer,omitempty"`
	Description string   `json:"description,omitempty"`
	Send        []string `json:"send,omitempty"`
	For         string   `json:"for,omitempty"`
	Until       string   `json:"until,omitempty"`
	Resolved    []string `json:"resolved,omitempty"`
}

func parseTrigger(text string) ([]condition, error) {
	var list []Condition
	if err := decode(text, &list); err != nil {
		return nil, err
	}
	var out []condition
	for i, w := range list {
		c, err := w.compile(i)
		if err != nil {
			return nil, fmt.Errorf("condition %d: %w", i+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("it has no condition")
	}
	return out, nil
}

func (w *Condition) compile(i int) (condition, error) {
	sum := sha1.Sum([]byte(w.When)) //nolint:gosec // no secret
	c := condition{
		written:     *w,
		id:          fmt.Sprintf("[%d].%s", i, base64.RawURLEncoding.EncodeToString(sum[:])),
		description: w.Description, send: w.Send, resolved: w.Resolved, timed: strings.Contains(w.When+w.Until, "time."),
	}
	for _, e := range []struct {
		name, text string
		into       **expression.Condition
	}{{"when", w.When, &c.when}, {"oncePer", w.OncePer, &c.oncePer}, {"until", w.Until, &c.until}} {
		if e.text == "" {
			continue
		}
		var err error
		if *e.into, err = expression.ParseCondition(e.text); err != nil {
			return c, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	if w.For != "" {
		var err error
		if c.hold, err = time.ParseDuration(w.For); err != nil || c.hold < 0 {
			return c, errors.New(`for: a time such as "5m" is expected`)
		}
	}
	if c.when == nil {
		return c, errors.New("it has no when")
	}
	return c, nil
}

// Result is what a condition of a trigger says of an application.
type Result struct {
	// Condition counts from 0.
	Condition   int
	Description string
	Triggered   bool
	// OncePer is the value that it holds once for.
	OncePer string
	// Err is why it could not be evaluated; it does not hold then.
	Err error

	*condition
}

// Run evaluates the conditions of a trigger.
func (c *Config) Run(trigger string, vars map[string]any) ([]Result, error) {
	conditions, ok := c.triggers[trigger]
	if !ok {
		return nil, fmt.Errorf("there is no trigger %s", trigger)
	}
	out := make([]Result, len(conditions))
	for i := range conditions {
		cond := &conditions[i]
		r := Result{Condition: i, Description: cond.description, condition: cond}
		r.Triggered, r.Err = holds(cond.when, vars)
		if r.Triggered && cond.oncePer != nil {
			value, err := cond.oncePer.Value(vars)
			if err != nil {
				r.Err = fmt.Errorf("oncePer: %w", err)
			} else if value != nil {
				r.OncePer = fmt.Sprint(value)
			}
		}
		out[i] = r
	}
	return out, nil
}

// holds takes what cannot be evaluated, such as a field of what is not there yet, for false.
func holds(c *expression.Condition, vars map[string]any) (bool, error) {
	value, err := c.Value(vars)
	if err != nil {
		return false, err
	}
	b, _ := value.(bool)
	return b, nil
}
