package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Run starts a demo, waits until it is ready and says what to try. With once it ends there; else it tells what happens
// until ctx ends. It cleans up behind itself.
func Run(ctx context.Context, cfg Config, once bool) error {
	d, err := Start(ctx, cfg)
	if err != nil {
		return interrupted(ctx, err)
	}
	err = d.Ready(ctx)
	if err != nil {
		// The logs stay.
		return interrupted(ctx, errors.Join(err, d.end()))
	}
	d.table()
	if !once {
		d.try()
		err = d.Follow(ctx)
	}
	if err != nil {
		return errors.Join(err, d.end())
	}
	d.out.line("")
	d.out.begin("stop")
	if err := d.Stop(); err != nil {
		d.out.failed("stop")
		return err
	}
	d.out.done("stop", "everything has ended, and "+d.out.path(d.cfg.Dir)+" is removed")
	return nil
}

// interrupted keeps a Ctrl-C from looking like a failure.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", ctx.Err())
	}
	return err
}

// Ready waits until the automatic applications are synced and healthy, and the others show what they wait for. On a
// cluster that was given it goes on after a while: the example's images exist only where somebody has pushed them.
func (d *Demo) Ready(ctx context.Context) error {
	limit := readyTimeout
	if d.box == nil {
		limit = givenTimeout
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	left := map[string]bool{}
	for _, name := range applicationNames() {
		left[name] = true
		d.out.begin(name)
	}
	for len(left) > 0 {
		if _, err := d.next(waiting); err != nil {
			if d.box == nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				d.out.line("! not ready yet:" + d.states())
				return nil
			}
			return fmt.Errorf("wait for %s: %w%s", strings.Join(slices.Sorted(maps.Keys(left)), ", "), err, d.states())
		}
		for _, name := range applicationNames() {
			if text, ok := ready(d.narrator.apps[name]); ok && left[name] {
				delete(left, name)
				d.out.done(name, text)
			}
		}
	}
	return nil
}

func applicationNames() []string {
	return []string{"callcenter-ai-dev", "callcenter-ai-staging", "callcenter-ai-prod"}
}

// ready reports whether an application has come as far as it can by itself.
func ready(a *v1alpha1.Application) (string, bool) {
	if a == nil {
		return "", false
	}
	s := a.Status
	where := fmt.Sprintf("%s, %s: branch %s at %s -> namespace %s", s.Sync.Status, s.Health.Status,
		a.Spec.GetSources()[0].TargetRevision, short(s.Sync.Revision), a.Spec.Destination.Namespace)
	if !a.Spec.SyncPolicy.IsAutomated() {
		return where + ", waits for an operator", s.Sync.Status == v1alpha1.SyncStatusOutOfSync
	}
	return where, s.Sync.Status == v1alpha1.SyncStatusSynced && s.Health.Status == v1alpha1.HealthHealthy &&
		(s.OperationState == nil || s.OperationState.Phase.Completed())
}

// states says, for an error, how far the applications have come.
func (d *Demo) states() string {
	var b strings.Builder
	for _, name := range applicationNames() {
		a := d.narrator.apps[name]
		if a == nil {
			fmt.Fprintf(&b, "\n  %s: not seen", name)
			continue
		}
		fmt.Fprintf(&b, "\n  %s: %s, %s %s", name, a.Status.Sync.Status, a.Status.Health.Status, a.Status.Health.Message)
		for _, c := range a.Status.Conditions {
			fmt.Fprintf(&b, "\n    %s: %s", c.Type, c.Message)
		}
	}
	return b.String() + "\n  the log of belay is " + d.out.path(d.belay.log)
}

// Follow tells what happens until ctx ends. It returns an error when a part of the demo ends before that.
func (d *Demo) Follow(ctx context.Context) error {
	for {
		sentences, err := d.next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range sentences {
			d.out.sentence(s)
		}
	}
}

// next takes one change and returns what it means.
func (d *Demo) next(ctx context.Context) ([]sentence, error) {
	var ended <-chan struct{} // never, for a cluster that was given
	if d.box != nil {
		ended = d.box.Done()
	}
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-d.belay.done:
		return nil, d.belay.failure()
	case <-ended:
		return nil, fmt.Errorf("the cluster ended: %w", orDone(d.box.Err()))
	case e := <-d.events:
		return d.narrator.tell(e), nil
	case p := <-d.pushes:
		return []sentence{d.narrator.pushed(p.push, p.err)}, nil
	}
}
