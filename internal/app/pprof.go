package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// servePprof answers Go's profiler until ctx ends. Profiles hold what is in memory, so only this machine may ask.
func servePprof(ctx context.Context, cfg Config) error {
	if cfg.PprofAddr == "" || cfg.PprofAddr == "0" {
		<-ctx.Done()
		return ctx.Err()
	}
	host, _, err := net.SplitHostPort(cfg.PprofAddr)
	if err != nil {
		return fault.New(fault.Invalid, "--pprof-addr %s: %w", cfg.PprofAddr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return fault.New(fault.Invalid, "--pprof-addr %s: only a loopback address is accepted, for example 127.0.0.1:6060", cfg.PprofAddr)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ln, err := net.Listen("tcp", cfg.PprofAddr)
	if err != nil {
		return fmt.Errorf("listen for the profiler: %w", err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = srv.Close() // a profile that is cut off is asked for again
	})
	defer stop()
	if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the profiler: %w", err)
	}
	return ctx.Err()
}
