package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/belaycd/belay/internal/server/rest"
)

// drainTime is how long open requests may go on after the end was asked for.
const drainTime = 5 * time.Second

// serve answers browsers, command lines and webhooks until ctx ends.
func serve(ctx context.Context, cfg Config, handler *rest.Handler) error {
	if cfg.Address == "" || cfg.Address == "0" {
		<-ctx.Done()
		return ctx.Err()
	}
	srv := rest.NewServer(handler)
	ln, err := net.Listen("tcp", cfg.Address)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", cfg.Address, err)
	}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if srv.Shutdown(late) != nil {
			_ = srv.Close() // what has not ended by now is cut off
		}
	})
	if cfg.TLSCert != "" {
		err = srv.ServeTLS(ln, cfg.TLSCert, cfg.TLSKey)
	} else {
		err = srv.Serve(ln)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve at %s: %w", cfg.Address, err)
	}
	<-drained
	return ctx.Err()
}
