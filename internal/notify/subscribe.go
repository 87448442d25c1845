package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// Annotations of Applications and AppProjects.
const (
	annotationPrefix = "notifications.argoproj.io/"
	// AnnotationNotified is the record of what was sent, on Applications.
	AnnotationNotified = "notified.notifications.argoproj.io"
)

// mostSubscriptions bounds those of one application: whoever may annotate it may name recipients.
const mostSubscriptions = 200

// Subscription says that a destination wants to know of a trigger.
type Subscription struct {
	Trigger string
	Destination
	// General ones come from the ConfigMap, and not from an annotation.
	General bool
}

// Subscriptions are those of an application: the ones of the ConfigMap, its own and those of its project, each once and sorted.
// What cannot be read is told.
func (c *Config) Subscriptions(app, project map[string]string, set map[string]string) (list []Subscription, problems []error) {
	for _, s := range c.subscriptions {
		if !s.selector.Matches(labels.Set(set)) {
			continue
		}
		for _, r := range s.Recipients {
			name, recipient, _ := strings.Cut(r, ":")
			to := Destination{Service: name, Recipient: recipient}
			for _, t := range c.triggersOf(s.Triggers, "") {
				list = append(list, Subscription{t, to, true})
			}
		}
	}
	for _, annotations := range []map[string]string{app, project} {
		own, err := c.annotated(annotations)
		list, problems = append(list, own...), append(problems, err...)
	}
	slices.SortFunc(list, func(a, b Subscription) int {
		return cmp.Or(cmp.Compare(a.Trigger, b.Trigger), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Recipient, b.Recipient), compareBool(a.General, b.General))
	})
	// What is both general and annotated counts as annotated.
	list = slices.CompactFunc(list, func(a, b Subscription) bool { return a.Trigger == b.Trigger && a.Destination == b.Destination })
	for _, s := range list {
		if c.triggers[s.Trigger] == nil {
			problems = append(problems, fmt.Errorf("there is no trigger %s", s.Trigger))
		}
		if c.services[s.Service].Service == nil {
			problems = append(problems, fmt.Errorf("there is no service %s", s.Service))
		}
	}
	if len(list) > mostSubscriptions {
		problems = append(problems, fmt.Errorf("%d subscriptions are more than %d; the others are left out", len(list), mostSubscriptions))
		list = list[:mostSubscriptions]
	}
	return slices.DeleteFunc(list, func(s Subscription) bool { return c.triggers[s.Trigger] == nil || c.services[s.Service].Service == nil }), problems
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// triggersOf are the triggers that are named, or those that count where none is.
func (c *Config) triggersOf(named []string, service string) []string {
	if len(named) > 0 {
		return named
	}
	if own, ok := c.serviceTriggers[service]; ok {
		return own
	}
	return c.defaultTriggers
}

func (c *Config) annotated(annotations map[string]string) (list []Subscription, problems []error) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ours := strings.CutPrefix(key, annotationPrefix)
		if !ours {
			continue
		}
		value := annotations[key]
		if name == "subscriptions" || strings.HasPrefix(name, "subscribe_yaml") {
			own, err := c.listed(value)
			if err != nil {
				problems = append(problems, fmt.Errorf("annotation %s: %w", key, err))
			}
			list = append(list, own...)
			continue
		}
		subject, ok := strings.CutPrefix(name, "subscribe.")
		if !ok {
			continue
		}
		var triggers []string
		service := subject
		if trigger, rest, both := strings.Cut(subject, "."); both {
			triggers, service = []string{trigger}, rest
		}
		for _, t := range c.triggersOf(triggers, service) {
			for _, r := range recipients(value) {
				list = append(list, Subscription{t, Destination{service, r}, false})
			}
		}
	}
	return list, problems
}

// listed reads the annotation that holds a list.
func (c *Config) listed(text string) ([]Subscription, error) {
	var written []struct {
		Trigger      []string `json:"trigger"`
		Destinations []struct {
			Service    string   `json:"service"`
			Recipients []string `json:"recipients"`
		} `json:"destinations"`
	}
	if err := yaml.Unmarshal([]byte(text), &written); err != nil {
		return nil, fmt.Errorf("it is no list of trigger and destinations: %w", err)
	}
	var list []Subscription
	for _, w := range written {
		for _, d := range w.Destinations {
			if len(d.Recipients) == 0 {
				d.Recipients = []string{""}
			}
			for _, r := range d.Recipients {
				for _, t := range c.triggersOf(w.Trigger, d.Service) {
					list = append(list, Subscription{t, Destination{d.Service, r}, false})
				}
			}
		}
	}
	return list, nil
}

// recipients are separated by semicolons. A service may need none.
func recipients(value string) []string {
	if value == "" {
		return []string{""}
	}
	var out []string
	for r := range strings.SplitSeq(value, ";") {
		if r = strings.TrimSpace(r); r != "" {
			out = append(out, r)
		}
	}
	return out
}
