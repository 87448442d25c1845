package app

import (
	"slices"

	"github.com/belaycd/belay/internal/fault"
)

// Component is a part of Belay that can run in a process of its own.
type Component string

// Components: the controller keeps clusters in step with Git, one of several replicas at a time; the server answers browsers,
// command lines and webhooks, any number of replicas side by side. What a webhook tells a server, the controller hears through the
// Applications.
const (
	ControllerComponent Component = "controller"
	ServerComponent     Component = "server"
)

// ParseComponents reads names of components.
func ParseComponents(names []string) (out []Component, err error) {
	for _, name := range names {
		c := Component(name)
		if c != ControllerComponent && c != ServerComponent {
			return nil, fault.New(fault.Invalid, "unknown component %q: one of %s, %s", name, ControllerComponent, ServerComponent)
		}
		out = append(out, c)
	}
	return out, nil
}

// runs reports whether a component runs in this process.
func (c *Config) runs(part Component) bool {
	return len(c.Components) == 0 || slices.Contains(c.Components, part)
}
