package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// inFlight is how many writes the limit has under way at once.
const inFlight = 16

// limits is what the API server itself can do on this machine at this moment, in seconds.
type limits struct {
	Cold float64 `json:"cold"` // as many creations as the workload has objects
	All  float64 `json:"all"`  // a change of one object of every application
	One  float64 `json:"one"`  // median of single writes
	// ColdCPU and AllCPU are what the control plane used for it, in CPU seconds, if it was started for the run. On a
	// busy machine they say more than times.
	ColdCPU float64 `json:"coldCPU,omitempty"`
	AllCPU  float64 `json:"allCPU,omitempty"`
}

const limitNamespaces = 10

func (w workload) limitNamespace(i int) string {
	return fmt.Sprintf("%s-limit-%d", w.name, i%limitNamespaces)
}

// limit writes the workload's objects straight to the API server, by server-side apply.
func (b *bench) limit(ctx context.Context) (limits, error) {
	var out limits
	for i := range limitNamespaces {
		if err := b.api.apply(ctx, "/api/v1/namespaces/"+b.w.limitNamespace(i), namespaceJSON(b.w.limitNamespace(i))); err != nil {
			return out, err
		}
	}
	var err error
	if out.Cold, out.ColdCPU, err = b.writeAll(ctx, b.w.apps*b.w.objects, "0"); err != nil {
		return out, err
	}
	if out.All, out.AllCPU, err = b.writeAll(ctx, b.w.apps, "1"); err != nil {
		return out, err
	}
	var single []float64
	for i := range 20 {
		start := time.Now()
		if err := b.writeLimit(ctx, i, "2"); err != nil {
			return out, err
		}
		single = append(single, time.Since(start).Seconds())
	}
	out.One = median(single)
	return out, b.cleanLimit(ctx)
}

func (b *bench) writeAll(ctx context.Context, n int, token string) (seconds, cpu float64, err error) {
	before, err := b.plane.cpu()
	if err != nil {
		return 0, 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	start := time.Now()
	for i := range n {
		group.Go(func() error { return b.writeLimit(ctx, i, token) })
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	seconds = time.Since(start).Seconds()
	after, err := b.plane.cpu()
	return seconds, after - before, err
}

func (b *bench) writeLimit(ctx context.Context, i int, token string) error {
	namespace, name := b.w.limitNamespace(i), fmt.Sprintf("settings-%05d", i)
	body, err := b.w.limitObject(namespace, name, token)
	if err != nil {
		return fmt.Errorf("encode object: %w", err)
	}
	return b.api.apply(ctx, "/api/v1/namespaces/"+namespace+"/configmaps/"+name, body)
}

// cleanLimit deletes what the limit wrote and waits until it is gone: it must not weigh on the system under test.
func (b *bench) cleanLimit(ctx context.Context) error {
	for i := range limitNamespaces {
		ns := b.w.limitNamespace(i)
		if err := b.api.do(ctx, request{method: http.MethodDelete, path: "/api/v1/namespaces/" + ns}); err != nil {
			return err
		}
	}
	for i := range limitNamespaces {
		if err := b.gone(ctx, "/api/v1/namespaces/"+b.w.limitNamespace(i)); err != nil {
			return err
		}
	}
	return nil
}

// gone waits until an object does not exist.
func (b *bench) gone(ctx context.Context, path string) error {
	for {
		err := b.api.do(ctx, request{method: http.MethodGet, path: path})
		var answer *statusError
		if errors.As(err, &answer) && answer.code == http.StatusNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("wait until %s is gone: %w", path, err)
		}
	}
}

func namespaceJSON(name string) []byte {
	return []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `"}}`)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
