package cli

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
)

// maxLine bounds one line of a log; longer ones are cut.
const maxLine = 1 << 20

// followInterval is how often --follow looks for new pods.
const followInterval = 2 * time.Second

// logReader reads the logs of containers and prints their lines.
type logReader struct {
	open    func(context.Context, target, *corev1.PodLogOptions) (io.ReadCloser, error)
	options *logOptions
	filter  func(string) bool
	note    func(t target, format string, args ...any)
	prefix  bool

	mu  sync.Mutex // guards out: streams that are followed write side by side
	out io.Writer
}

// line is one line of a log with the time that the kubelet gave it.
type line struct {
	at   time.Time
	text string
}

// stream is an open log.
type stream struct {
	target target
	body   io.ReadCloser
	lines  *bufio.Reader
	head   line
	order  int
}

func (r *logReader) stream(ctx context.Context, t target, fresh bool) (*stream, error) {
	body, err := r.open(ctx, t, r.options.podLogOptions(t, fresh))
	if err != nil {
		return nil, err
	}
	return &stream{target: t, body: body, lines: bufio.NewReaderSize(body, 32<<10)}, nil
}

// next reads the next line into head. Lines without a time, which continue one, keep the last.
func (s *stream) next() error {
	raw, err := readLine(s.lines)
	if err != nil {
		return err
	}
	stamp, rest, found := strings.Cut(raw, " ")
	if at, perr := time.Parse(time.RFC3339Nano, stamp); perr == nil {
		if !found {
			rest = ""
		}
		s.head = line{at, rest}
		return nil
	}
	s.head = line{s.head.at, raw}
	return nil
}

// readLine reads one line without its end, at most maxLine bytes of it.
func readLine(r *bufio.Reader) (string, error) {
	var buf bytes.Buffer
	for {
		part, more, err := r.ReadLine()
		if err != nil {
			if err == io.EOF && buf.Len() > 0 {
				return buf.String(), nil
			}
			return "", err
		}
		if room := maxLine - buf.Len(); room > 0 {
			buf.Write(part[:min(len(part), room)])
		}
		if !more {
			return buf.String(), nil
		}
	}
}

// merge prints the present logs of all containers in the order of time.
func (r *logReader) merge(ctx context.Context, targets []target) error {
	streams, refused, err := r.openAll(ctx, targets)
	defer func() {
		for _, s := range streams {
			s.body.Close()
		}
	}()
	if err != nil {
		return err
	}
	if len(streams) == 0 && refused != nil {
		return fmt.Errorf("read logs: %w", refused)
	}
	var h streamHeap
	for _, s := range streams {
		switch err := s.next(); {
		case err == nil:
			h = append(h, s)
		case err != io.EOF:
			return fmt.Errorf("read log of %s: %w", s.target, err)
		}
	}
	heap.Init(&h)
	for h.Len() > 0 {
		s := h[0]
		if err := r.print(s.target, s.head); err != nil {
			return err
		}
		switch err := s.next(); {
		case err == nil:
			heap.Fix(&h, 0)
		case err == io.EOF:
			heap.Pop(&h)
		default:
			return fmt.Errorf("read log of %s: %w", s.target, err)
		}
	}
	return nil
}

// openAll opens the logs. Containers that have none yet, waiting to start, are named and left out; refused is the last
// such answer.
func (r *logReader) openAll(ctx context.Context, targets []target) (streams []*stream, refused, err error) {
	slots := make([]*stream, len(targets))
	refusals := make([]error, len(targets))
	var g errgroup.Group
	g.SetLimit(parallelReads)
	for i, t := range targets {
		g.Go(func() error {
			s, err := r.stream(ctx, t, false)
			slots[i], refusals[i] = s, err
			return nil
		})
	}
	_ = g.Wait() // the functions above keep their errors
	for i, s := range slots {
		if s != nil {
			s.order = i
			streams = append(streams, s)
			continue
		}
		if ctx.Err() != nil {
			return streams, nil, ctx.Err()
		}
		refused = refusals[i]
		r.note(targets[i], "%v", refused)
	}
	return streams, refused, nil
}

// print prints one line if it passes the filter.
func (r *logReader) print(t target, l line) error {
	if !r.filter(l.text) || r.tooLate(l.at) {
		return nil
	}
	var b strings.Builder
	if r.prefix {
		fmt.Fprintf(&b, "%s ", clean(t.String()))
	}
	if r.options.timestamps {
		b.WriteString(l.at.Format(time.RFC3339Nano) + " ")
	}
	b.WriteString(l.text)
	b.WriteByte('\n')
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := io.WriteString(r.out, b.String())
	return err
}

func (r *logReader) tooLate(at time.Time) bool {
	if r.options.until == "" || at.IsZero() {
		return false
	}
	until, err := time.Parse(time.RFC3339, r.options.until)
	return err == nil && at.After(until)
}

// follow prints the logs of all containers as they grow, of pods that come later as well, until it is interrupted.
func (r *logReader) follow(ctx context.Context, w PodFinder, targets []target) error {
	g, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	active := map[target]bool{}
	start := func(t target, fresh bool) {
		mu.Lock()
		defer mu.Unlock()
		if active[t] {
			return
		}
		active[t] = true
		g.Go(func() error {
			ended, err := r.followOne(ctx, t, fresh)
			mu.Lock()
			defer mu.Unlock()
			// A container that waits to start is tried again; one that ended keeps its place, or its log would repeat.
			if !ended {
				delete(active, t)
			}
			return err
		})
	}
	for _, t := range targets {
		start(t, false)
	}
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return ctx.Err()
		case <-tick.C:
			pods, err := w.Pods(ctx)
			if err != nil {
				continue // an outage of the API does not end the streams
			}
			found, err := r.options.targets(running(pods))
			if err != nil {
				continue // no pod has that container at the moment
			}
			for _, t := range found {
				start(t, true)
			}
		}
	}
}

// running leaves out pods whose containers cannot have a log yet.
func running(pods []corev1.Pod) []corev1.Pod {
	var out []corev1.Pod
	for _, p := range pods {
		if p.Status.Phase != corev1.PodPending {
			out = append(out, p)
		}
	}
	return out
}

// followOne prints one log until it ends. ended is false when there was none to read.
func (r *logReader) followOne(ctx context.Context, t target, fresh bool) (ended bool, err error) {
	s, err := r.stream(ctx, t, fresh)
	if err != nil {
		return false, nil // waiting to start, or gone: the next look decides
	}
	defer s.body.Close()
	for {
		if err := s.next(); err != nil {
			if err != io.EOF && ctx.Err() == nil {
				r.note(t, "log ended: %v", err)
			}
			return true, nil
		}
		if err := r.print(t, s.head); err != nil {
			return true, err
		}
	}
}

// streamHeap orders streams by the time of their next line.
type streamHeap []*stream

func (h streamHeap) Len() int { return len(h) }
func (h streamHeap) Less(i, j int) bool {
	if h[i].head.at.Equal(h[j].head.at) {
		return h[i].order < h[j].order
	}
	return h[i].head.at.Before(h[j].head.at)
}
func (h streamHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *streamHeap) Push(x any)   { *h = append(*h, x.(*stream)) }
func (h *streamHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
