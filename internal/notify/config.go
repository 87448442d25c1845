package notify

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	yamlnode "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/expression"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// Names of what notifications are set up with.
const (
	ConfigMapName = "argocd-notifications-cm"
	SecretName    = "argocd-notifications-secret" //nolint:gosec // a name
)

//go:embed catalogue.yaml
var catalogue string

// Config is what argocd-notifications-cm says, besides the catalogue of triggers and templates that are always there. It does not
// change.
type Config struct {
	services  map[string]service
	triggers  map[string][]condition
	templates map[string]*messageTemplate

	subscriptions   []subscription
	defaultTriggers []string
	serviceTriggers map[string][]string
	context         map[string]string
	secrets         map[string]string
	now             func() time.Time
}

type service struct {
	Service
	kind string
	hash string // of what it was opened with
}

// Inputs are what a Config is read from.
type Inputs struct {
	// Data are those of the ConfigMap.
	Data map[string]string
	// Secrets are the data of SecretName.
	Secrets map[string]string
	// Secret returns what $ref stands for, besides Secrets; it may be nil.
	Secret func(ref string) (string, bool)
	// URL is the address of the user interface, which context.argocdUrl is where the ConfigMap does not say it.
	URL string
	// Trust stands for what services are reached with besides their options, such as certificates: with another one they are opened anew.
	Trust string
	// Open makes a service of its kind, its name and its options in YAML.
	Open func(kind, name string, options []byte) (Service, error)
	Now  func() time.Time
}

// Parse reads the settings. What cannot be read is left out and told; of last, which may be nil, services are kept that are set up
// as before.
func Parse(in Inputs, last *Config) (*Config, []settings.Problem) {
	c := &Config{
		services: map[string]service{}, triggers: map[string][]condition{}, templates: map[string]*messageTemplate{},
		serviceTriggers: map[string][]string{}, context: map[string]string{}, secrets: in.Secrets, now: in.Now,
	}
	data := map[string]string{}
	if err := yaml.Unmarshal([]byte(catalogue), &data); err != nil {
		return c, []settings.Problem{{Reason: "the catalogue cannot be read: " + err.Error()}} // a defect, which a test rules out
	}
	maps.Copy(data, in.Data)
	var problems []settings.Problem
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if err := c.read(in, last, key, data[key]); err != nil {
			problems = append(problems, settings.Problem{Object: "ConfigMap/" + ConfigMapName, Key: key, Reason: err.Error()})
		}
	}
	c.context["argocdUrl"] = cmp.Or(c.context["argocdUrl"], strings.TrimRight(in.URL, "/"))
	return c, append(problems, c.unknown()...)
}

func (c *Config) read(in Inputs, last *Config, key, text string) error {
	kind, name, _ := strings.Cut(key, ".")
	switch {
	case key == "subscriptions":
		return c.readSubscriptions(text)
	case key == "defaultTriggers":
		return decode(text, &c.defaultTriggers)
	case key == "context":
		return decode(text, &c.context)
	case kind == "defaultTriggers":
		var list []string
		err := decode(text, &list)
		c.serviceTriggers[name] = list
		return err
	case kind == "trigger":
		conditions, err := parseTrigger(text)
		if err == nil {
			c.triggers[name] = conditions
		}
		return err
	case kind == "template":
		t, err := parseTemplate(text, expression.Prose(c.now))
		if err == nil {
			c.templates[name] = t
		}
		return err
	case kind == "service":
		return c.open(in, last, name, text)
	}
	return nil // Argo CD takes other keys as well
}

// decode reads YAML; errors do not repeat what is written there.
func decode(text string, into any) error {
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("it is not what is expected here: %w", err)
	}
	return nil
}

// reference is how options name a secret.
var reference = regexp.MustCompile(`\$[-\w]+(?::[-.\w]+)?`)

func (c *Config) open(in Inputs, last *Config, name, text string) error {
	kind, name, named := strings.Cut(name, ".")
	if !named {
		name = kind
	}
	if strings.Contains(name, ".") || name == "" {
		return errors.New("a service is service.TYPE or service.TYPE.NAME")
	}
	var node yamlnode.Node
	if err := yamlnode.Unmarshal([]byte(text), &node); err != nil {
		return errors.New("the options are no YAML")
	}
	var missing []string
	replaceStrings(&node, func(s string) string {
		return reference.ReplaceAllStringFunc(s, func(ref string) string {
			value, ok := in.secret(ref[1:])
			if !ok {
				missing = append(missing, ref)
			}
			return value
		})
	})
	if len(missing) > 0 {
		return fmt.Errorf("there is no %s in Secret %s", strings.Join(missing, ", "), SecretName)
	}
	options, err := yamlnode.Marshal(&node)
	if err != nil {
		return errors.New("the options cannot be read")
	}
	hash := object.Hash([]any{kind, name, string(options), in.Trust})
	if last != nil && last.services[name].hash == hash {
		c.services[name] = last.services[name]
		return nil
	}
	s, err := in.Open(kind, name, options)
	if err != nil {
		return err
	}
	c.services[name] = service{s, kind, hash}
	return nil
}

func (in *Inputs) secret(ref string) (string, bool) {
	if value, ok := in.Secrets[ref]; ok {
		return strings.TrimRight(value, "\r\n"), true
	}
	if in.Secret == nil {
		return "", false
	}
	return in.Secret(ref)
}

func replaceStrings(n *yamlnode.Node, replace func(string) string) {
	if n.Kind == yamlnode.ScalarNode && n.Tag == "!!str" {
		if value := replace(n.Value); value != n.Value {
			n.Value, n.Style = value, yamlnode.DoubleQuotedStyle
		}
	}
	for _, child := range n.Content {
		replaceStrings(child, replace)
	}
}

// unknown names what refers to nothing.
func (c *Config) unknown() []settings.Problem {
	var out []settings.Problem
	tell := func(key, format string, args ...any) {
		out = append(out, settings.Problem{Object: "ConfigMap/" + ConfigMapName, Key: key, Reason: fmt.Sprintf(format, args...)})
	}
	for _, name := range slices.Sorted(maps.Keys(c.triggers)) {
		for _, cond := range c.triggers[name] {
			for _, t := range append(slices.Clone(cond.send), cond.resolved...) {
				if c.templates[t] == nil {
					tell("trigger."+name, "there is no template %s", t)
				}
			}
		}
	}
	triggers := func(key string, names []string) {
		for _, t := range names {
			if c.triggers[t] == nil {
				tell(key, "there is no trigger %s", t)
			}
		}
	}
	triggers("defaultTriggers", c.defaultTriggers)
	for _, name := range slices.Sorted(maps.Keys(c.serviceTriggers)) {
		triggers("defaultTriggers."+name, c.serviceTriggers[name])
	}
	for _, s := range c.subscriptions {
		triggers("subscriptions", s.Triggers)
		for _, r := range s.Recipients {
			if name, _, _ := strings.Cut(r, ":"); c.services[name].Service == nil {
				tell("subscriptions", "there is no service %s", name)
			}
		}
	}
	return out
}

// Services are the names of what messages can be sent to, sorted.
func (c *Config) Services() []string { return slices.Sorted(maps.Keys(c.services)) }

// Triggers are the names of the triggers, sorted.
func (c *Config) Triggers() []string { return slices.Sorted(maps.Keys(c.triggers)) }

// Templates are the names of the templates, sorted.
func (c *Config) Templates() []string { return slices.Sorted(maps.Keys(c.templates)) }

// Trigger returns the conditions of a trigger as they are written; nil when there is none of that name.
func (c *Config) Trigger(name string) []Condition {
	var out []Condition
	for i := range c.triggers[name] {
		out = append(out, c.triggers[name][i].written)
	}
	return out
}

// Template returns a template as it is written; nil when there is none of that name.
func (c *Config) Template(name string) map[string]any {
	if t := c.templates[name]; t != nil {
		return t.written
	}
	return nil
}

// Service returns a service by its name; nil when there is none.
func (c *Config) Service(name string) Service { return c.services[name].Service }

// subscription is an entry of the key subscriptions.
type subscription struct {
	Recipients []string `json:"recipients"`
	Triggers   []string `json:"triggers"`
	Selector   string   `json:"selector"`
	selector   labels.Selector
}

func (c *Config) readSubscriptions(text string) error {
	var list []subscription
	if err := decode(text, &list); err != nil {
		return err
	}
	var errs []error
	for i, s := range list {
		var err error
		if s.selector, err = labels.Parse(s.Selector); err != nil {
			errs = append(errs, fmt.Errorf("subscription %d: the selector cannot be read: %w", i+1, err))
			continue
		}
		c.subscriptions = append(c.subscriptions, s)
	}
	return errors.Join(errs...)
}
