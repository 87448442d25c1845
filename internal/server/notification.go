package server

import (
	"context"

	"github.com/belaycd/belay/internal/notify"
)

// NotificationQuery asks for what notifications are made of.
type NotificationQuery struct{}

// NotificationNames are the names of services, triggers or templates.
type NotificationNames struct {
	Items []NotificationName `json:"items"`
}

// NotificationName is one of them.
type NotificationName struct {
	Name string `json:"name"`
}

// ListNotificationServices returns what messages can be sent to.
func (s *Server) ListNotificationServices(ctx context.Context, _ *NotificationQuery) (*NotificationNames, error) {
	return s.notifications(ctx, (*notify.Config).Services)
}

// ListNotificationTriggers returns what there is to subscribe to.
func (s *Server) ListNotificationTriggers(ctx context.Context, _ *NotificationQuery) (*NotificationNames, error) {
	return s.notifications(ctx, (*notify.Config).Triggers)
}

// ListNotificationTemplates returns what messages are made of.
func (s *Server) ListNotificationTemplates(ctx context.Context, _ *NotificationQuery) (*NotificationNames, error) {
	return s.notifications(ctx, (*notify.Config).Templates)
}

// notifications names something to everybody who has signed in, as Argo CD does.
func (s *Server) notifications(ctx context.Context, names func(*notify.Config) []string) (*NotificationNames, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	out := &NotificationNames{Items: []NotificationName{}}
	if s.Notifications == nil {
		return out, nil
	}
	for _, name := range names(s.Notifications()) {
		out.Items = append(out.Items, NotificationName{name})
	}
	return out, nil
}
