package app

import (
	"context"
	"net/http"
)

// newHandler puts together what is served at Address.
func newHandler(ctx context.Context, _ Config, p parts) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("POST /api/webhook", webhookHandler(ctx, p))
	return mux, nil
}
