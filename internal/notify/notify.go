// Package notify tells people and systems what happens to applications: two states of an Application and who has subscribed go in;
// messages to services come out, each of them once. Triggers, templates and subscriptions are those of argocd-notifications-cm.
package notify

import "context"

// Message is what a template made of an application.
type Message struct {
	// Text is for services that show a text, and for those that the template says nothing else for.
	Text string
	// Parts are the template's parts for types of services ("slack", "webhook", "email", ...): what JSON decodes to, with every text
	// in it filled in.
	Parts map[string]any
	// Template is the name of the last template, Repository and Revision what the application was last synced to or compared with.
	Template, Repository, Revision string
}

// Destination is where a message goes to.
type Destination struct {
	// Service is the name of a service: NAME of service.TYPE.NAME, or TYPE where it has no name of its own.
	Service string `json:"service"`
	// Recipient is a channel, an address or whatever the service knows; empty for services that have one only.
	Recipient string `json:"recipient"`
}

// String is the form that subscriptions have in the ConfigMap.
func (d Destination) String() string {
	if d.Recipient == "" {
		return d.Service
	}
	return d.Service + ":" + d.Recipient
}

// Service delivers messages.
type Service interface {
	// Send delivers one. It gives up when ctx ends. The kind of its error (package fault) says what to do about it: what is Transient
	// may get through later, everything else will not. Errors hold no credentials.
	Send(ctx context.Context, m Message, recipient string) error
}
