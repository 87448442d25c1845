package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// bench is one run.
type bench struct {
	o      options
	w      workload
	api    *api
	repo   *repo
	sys    system
	plane  system // the control plane, if it was started for the run
	apps   *view
	maps   *view
	head   string // the newest commit
	token  int    // the newest content
	report *report
}

// quiet is how long the system is left alone between two measures, and how long its CPU time is counted after the
// moment that a measure waits for.
const quiet = 2 * time.Second

// measure runs everything, in order.
func (b *bench) measure(ctx context.Context) error {
	steps := []struct {
		name string
		run  func(context.Context) error
	}{
		{"cold", b.cold}, {"idle", b.idle}, {"one", b.one}, {"all", b.all}, {"drift", b.drift},
	}
	for _, s := range steps {
		if !b.o.measures(s.name) {
			continue
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("measure %s: %w", s.name, err)
		}
		if err := pause(ctx, quiet); err != nil {
			return err
		}
	}
	return nil
}

func synced(t *thing) bool {
	return t.Status.Sync.Status == "Synced" && t.Status.Health.Status == "Healthy"
}

// cold creates all Applications and waits until they are delivered.
func (b *bench) cold(ctx context.Context) error {
	u, err := b.use(ctx)
	if err != nil {
		return err
	}
	peak := b.sys.peak(ctx)
	goal := b.apps.expect(b.w.appKeys(), synced)
	start := time.Now()
	if err := b.create(ctx); err != nil {
		return err
	}
	created := time.Since(start)
	at, err := b.apps.wait(ctx, goal, "all Applications are Synced and Healthy")
	if err != nil {
		return err
	}
	used, err := u.done(ctx)
	if err != nil {
		return err
	}
	mb, err := peak()
	if err != nil {
		return err
	}
	if err := b.same(ctx); err != nil {
		return err
	}
	b.report.add(result{Measure: "cold.time", Value: at.Sub(start).Seconds(), Unit: "s",
		Note: fmt.Sprintf("creating the Applications took %.2f s of it; writes: %s", created.Seconds(), used.words)})
	b.report.add(result{Measure: "cold.cpu", Value: used.cpu, Unit: "CPU-s"})
	b.server("cold.server", used)
	b.report.add(result{Measure: "cold.peak", Value: mb, Unit: "MB"})
	return nil
}

// create makes all Applications, as many at once as the limit has writes.
func (b *bench) create(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i := range b.w.apps {
		group.Go(func() error {
			body, err := b.w.application(i)
			if err != nil {
				return fmt.Errorf("encode Application: %w", err)
			}
			return b.api.do(ctx, request{method: http.MethodPost, path: b.applicationsPath(), contentType: plainJSON, body: body})
		})
	}
	return group.Wait()
}

// same proves that Synced means synced: every object is there.
func (b *bench) same(ctx context.Context) error {
	var keys []string
	for i := range b.w.apps {
		keys = append(keys, b.w.shared(i))
		for o := range b.w.objects - 1 {
			keys = append(keys, b.w.own(i, o))
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("wait until all say Synced"))
	defer cancel()
	_, err := b.maps.wait(ctx, b.maps.expect(keys, func(*thing) bool { return true }), "every object exists")
	return err
}

// idle leaves the system alone.
func (b *bench) idle(ctx context.Context) error {
	if err := pause(ctx, 3*quiet); err != nil {
		return err
	}
	before, err := b.api.writes(ctx)
	if err != nil {
		return err
	}
	events := b.apps.seen() + b.maps.seen()
	u, err := b.use(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, b.o.idle); err != nil {
		return err
	}
	used, err := u.done(ctx)
	if err != nil {
		return err
	}
	mb, err := b.sys.rss()
	if err != nil {
		return err
	}
	after, err := b.api.writes(ctx)
	if err != nil {
		return err
	}
	writes, words := after.since(before)
	moved := b.apps.seen() + b.maps.seen() - events
	b.report.add(result{Measure: "idle.cpu", Value: used.cpu, Unit: "CPU-s", Note: fmt.Sprintf("in %s", b.o.idle)})
	b.report.add(result{Measure: "idle.writes", Value: writes, Unit: "requests",
		Note: fmt.Sprintf("write requests in the API server's count, without node leases; %d watch events; %s", moved, words)})
	b.report.add(result{Measure: "idle.memory", Value: mb, Unit: "MB"})
	return nil
}

// one commits a change of one file of one application, some times.
func (b *bench) one(ctx context.Context) error {
	var took, cpu []float64
	var words string
	var last time.Time
	for k := range b.o.repeat {
		i := b.spread(k, b.o.repeat)
		p, token, err := b.commit(ctx, b.w.path(i, 0), "settings-00")
		if err != nil {
			return err
		}
		p.apps = []int{i}
		goal := b.maps.expect([]string{b.w.own(i, 0)}, hasToken(token))
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		u, err := b.use(ctx)
		if err != nil {
			return err
		}
		last = time.Now()
		if err := b.tell(ctx, p); err != nil {
			return err
		}
		at, err := b.maps.wait(ctx, goal, "the live object has the new content")
		if err != nil {
			return err
		}
		if err := pause(ctx, quiet); err != nil {
			return err
		}
		used, err := u.done(ctx)
		if err != nil {
			return err
		}
		took, cpu, words = append(took, at.Sub(last).Seconds()), append(cpu, used.cpu), used.words
	}
	b.report.add(result{Measure: "one.time", Value: median(took), Unit: "s", Runs: took, Note: "writes of the last: " + words})
	b.report.add(result{Measure: "one.cpu", Value: median(cpu), Unit: "CPU-s", Runs: cpu, Note: fmt.Sprintf("until %s after", quiet)})
	return b.fanout(ctx, last)
}

// fanout tells what comes after the one application: until all Applications name the new revision. It shows what a
// system has put off.
func (b *bench) fanout(ctx context.Context, since time.Time) error {
	if b.o.fanout <= 0 || b.o.trigger == byRefresh {
		return nil
	}
	goal := b.apps.expect(b.w.appKeys(), b.at(b.head))
	u, err := b.use(ctx)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeoutCause(ctx, b.o.fanout, errors.New("--fanout is over"))
	defer cancel()
	at, missing := b.apps.wait(bounded, goal, "all Applications name the new revision")
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	used, err := u.done(ctx)
	if err != nil {
		return err
	}
	r := result{Measure: "one.fanout", Unit: "s", Value: at.Sub(since).Seconds(), Note: "until all Applications name the revision; writes: " + used.words}
	if missing != nil {
		r.Value, r.Note = b.o.fanout.Seconds(), "not reached: "+missing.Error()
	}
	b.report.add(r)
	b.report.add(result{Measure: "one.fanout.cpu", Value: used.cpu, Unit: "CPU-s", Note: "from 2 s after the commit is live until then"})
	return nil
}

// all commits a change of the shared base, which concerns every application.
func (b *bench) all(ctx context.Context) error {
	p, token, err := b.commit(ctx, sharedPath, "shared")
	if err != nil {
		return err
	}
	for i := range b.w.apps {
		p.apps = append(p.apps, i)
	}
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	u, err := b.use(ctx)
	if err != nil {
		return err
	}
	live := b.maps.expect(b.w.sharedKeys(), hasToken(token))
	at := b.at(p.after)
	done := b.apps.expect(b.w.appKeys(), func(t *thing) bool { return synced(t) && at(t) })
	peak := b.sys.peak(ctx)
	start := time.Now()
	if err := b.tell(ctx, p); err != nil {
		return err
	}
	liveAt, err := b.maps.wait(ctx, live, "all live objects have the new content")
	if err != nil {
		return err
	}
	doneAt, err := b.apps.wait(ctx, done, "all Applications are Synced at the new revision")
	if err != nil {
		return err
	}
	used, err := u.done(ctx)
	if err != nil {
		return err
	}
	mb, err := peak()
	if err != nil {
		return err
	}
	b.report.add(result{Measure: "all.live", Value: liveAt.Sub(start).Seconds(), Unit: "s"})
	b.report.add(result{Measure: "all.time", Value: doneAt.Sub(start).Seconds(), Unit: "s", Note: "writes: " + used.words})
	b.report.add(result{Measure: "all.cpu", Value: used.cpu, Unit: "CPU-s"})
	b.server("all.server", used)
	b.report.add(result{Measure: "all.peak", Value: mb, Unit: "MB"})
	return nil
}

// drift edits live fields by hand, of one application after the other.
func (b *bench) drift(ctx context.Context) error {
	var took []float64
	u, err := b.use(ctx)
	if err != nil {
		return err
	}
	for k := range b.o.drifts {
		i := b.spread(k, b.o.drifts)
		key := b.w.shared(i)
		goal := b.maps.expect([]string{key}, hasToken("edited"))
		start := time.Now()
		if err := b.api.patch(ctx, "/api/v1/namespaces/"+b.w.app(i)+"/configmaps/shared", `{"data":{"token":"edited"}}`); err != nil {
			return err
		}
		if _, err := b.maps.wait(ctx, goal, "the edit is seen"); err != nil {
			return err
		}
		back := b.maps.expect([]string{key}, func(t *thing) bool { return t.Data["token"] != "edited" })
		at, err := b.maps.wait(ctx, back, "the edit is reverted")
		if err != nil {
			return err
		}
		took = append(took, at.Sub(start).Seconds())
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	used, err := u.done(ctx)
	if err != nil {
		return err
	}
	b.report.add(result{Measure: "drift.time", Value: median(took), Unit: "s", Runs: took, Note: "writes: " + used.words})
	b.report.add(result{Measure: "drift.cpu", Value: used.cpu / float64(len(took)), Unit: "CPU-s", Note: "each"})
	return nil
}

// server reports what the control plane used, if it was started for the run.
func (b *bench) server(measure string, used usage) {
	if len(b.plane.pids) > 0 {
		b.report.add(result{Measure: measure, Value: used.plane, Unit: "CPU-s", Note: "of the control plane, bench's own requests among it"})
	}
}

// commit pushes a file with content that was never there.
func (b *bench) commit(ctx context.Context, path, object string) (push, string, error) {
	b.token++
	token := strconv.Itoa(b.token)
	after, err := b.repo.change(ctx, path, b.w.configMap(object, token))
	if err != nil {
		return push{}, "", err
	}
	p := push{before: b.head, after: after, files: []string{path}}
	b.head = after
	return p, token, nil
}

func hasToken(token string) func(*thing) bool {
	return func(t *thing) bool { return t.Data["token"] == token }
}

func (b *bench) at(revision string) func(*thing) bool {
	return func(t *thing) bool { return t.Status.Sync.Revision == revision }
}

// spread picks applications evenly.
func (b *bench) spread(k, of int) int { return (k*b.w.apps/of + b.w.apps/2) % b.w.apps }

// usage is what was used since a moment.
type usage struct {
	b      *bench
	cpu    float64
	plane  float64
	writes counts
	words  string
}

func (b *bench) use(ctx context.Context) (usage, error) {
	writes, err := b.api.writes(ctx)
	if err != nil {
		return usage{}, err
	}
	plane, err := b.plane.cpu()
	if err != nil {
		return usage{}, err
	}
	cpu, err := b.sys.cpu()
	return usage{b: b, cpu: cpu, plane: plane, writes: writes}, err
}

// done returns the differences. CPU is read first: reading the counts takes a while.
func (u usage) done(ctx context.Context) (usage, error) {
	cpu, err := u.b.sys.cpu()
	if err != nil {
		return usage{}, err
	}
	plane, err := u.b.plane.cpu()
	if err != nil {
		return usage{}, err
	}
	writes, err := u.b.api.writes(ctx)
	if err != nil {
		return usage{}, err
	}
	_, words := writes.since(u.writes)
	return usage{cpu: cpu - u.cpu, plane: plane - u.plane, words: words}, nil
}
