package rest

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"reflect"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
)

// badgeRoute serves a picture that tells of an application, at Argo CD's address.
func badgeRoute(s *server.Server) Route {
	return Route{
		Method: http.MethodGet, Path: "/api/badge", Name: "Badge", Summary: "A picture that tells of an application or of projects", Public: true,
		request: reflect.TypeFor[server.BadgeQuery](), media: "image/svg+xml",
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
			defer cancel()
			q := new(server.BadgeQuery)
			if err := decode(r, q); err != nil {
				return err
			}
			b, err := s.Badge(ctx, q)
			if err != nil {
				return err
			}
			header := w.Header()
			header.Set("Content-Type", "image/svg+xml")
			header.Set("Cache-Control", "private, no-store")
			header.Set("Cross-Origin-Resource-Policy", "cross-origin") // it is made for pages of others
			_, _ = w.Write(drawBadge(b))                               // the caller is gone
			return nil
		},
	}
}

// badgeColors are those of the words of a badge.
func badgeColors() map[string]string {
	return map[string]string{
		string(v1alpha1.HealthHealthy): "#18be52", string(v1alpha1.HealthProgressing): "#0dadea", string(v1alpha1.HealthSuspended): "#766f94",
		string(v1alpha1.HealthDegraded): "#e96d76", string(v1alpha1.HealthMissing): "#f4c030",
		string(v1alpha1.SyncStatusSynced): "#18be52", string(v1alpha1.SyncStatusOutOfSync): "#f4c030",
	}
}

const (
	badgeOther   = "#6d7f8b"
	badgeHeight  = 20
	badgeLetter  = 7 // wide, about
	badgePadding = 12
)

// drawBadge draws one field for each word.
func drawBadge(b *server.Badge) []byte {
	colors := badgeColors()
	type field struct{ text, color string }
	var fields []field
	add := func(text string) {
		if text == "" {
			return
		}
		color, ok := colors[text]
		if !ok {
			color = badgeOther
		}
		fields = append(fields, field{text, color})
	}
	if b.Off {
		add("badges are off")
	}
	if b.AppName != "" {
		add(b.AppName)
	}
	add(string(b.Health))
	add(string(b.Sync))
	if b.Revision != "" {
		add("(" + b.Revision + ")")
	}
	var body strings.Builder
	var words []string
	at := 0
	for _, f := range fields {
		width := badgePadding + badgeLetter*len([]rune(f.text))
		fmt.Fprintf(&body, `<rect x="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="14">%s</text>`,
			at, width, badgeHeight, f.color, at+width/2, html.EscapeString(f.text))
		at += width
		words = append(words, html.EscapeString(f.text))
	}
	title := strings.Join(words, " ")
	return []byte(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s"><title>%s</title>`+
		`<g fill="#fff" text-anchor="middle" font-family="DejaVu Sans,Verdana,sans-serif" font-size="11">%s</g></svg>`,
		at, badgeHeight, title, title, body.String()))
}
