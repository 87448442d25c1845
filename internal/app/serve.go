package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// drainTime is how long open requests may go on after the end was asked for.
const drainTime = 5 * time.Second

// serve answers browsers, command lines and webhooks until ctx ends.
func serve(ctx context.Context, cfg Config, handler http.Handler) error {
	if cfg.Address == "" || cfg.Address == "0" {
		<-ctx.Done()
		return ctx.Err()
	}
	// Answers have no time limit of their own: a stream has none. Streams end by themselves when ctx does.
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
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
