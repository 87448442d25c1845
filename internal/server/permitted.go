package server

import (
	"context"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// defaultRecheck is how often it is looked at whether a caller may still have a stream.
const defaultRecheck = 5 * time.Second

// whilePermitted runs what may go on for hours, and ends it with the refusal once permit refuses. What keeps permit from deciding
// ends nothing.
func (s *Server) whilePermitted(ctx context.Context, permit, run func(context.Context) error) error {
	running, stop := context.WithCancelCause(ctx)
	every := s.Recheck
	if every == 0 {
		every = defaultRecheck
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-running.Done():
				return
			case <-ticker.C:
			}
			if err := permit(running); fault.Is(err, fault.Denied) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Unauthenticated) {
				stop(err)
				return
			}
		}
	}()
	err := run(running)
	refused := context.Cause(running)
	stop(nil)
	<-watched
	if refused != nil && ctx.Err() == nil {
		return refused
	}
	return err
}
