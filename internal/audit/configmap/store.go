// Package configmap keeps the record of activities in ConfigMaps of the control plane: activities go in, batched; pages of
// them, the latest first, come out.
//
// The record is a row of ConfigMaps with ascending numbers, each a list of lines of JSON. The last one is appended to until it
// is full; the oldest ones are deleted when the record is too large or they are too old. Several processes append: each write
// names the version that it builds on, and whoever comes too late reads again and leaves out what is there by now.
//
// What was recorded is written within the interval of a batch. A process that ends in order writes the rest first; one that is
// killed loses what it recorded in that interval, of which its log has a line each.
package configmap

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/object"
)

// Label is on the ConfigMaps of the record. Caches of ConfigMaps leave them out by it.
const Label = "belay.dev/audit"

// Options say where the record is and how large it may become.
type Options struct {
	// Client writes; Reader reads past every cache.
	Client    client.Client
	Reader    client.Reader
	Namespace string
	// Writer is another string in each process.
	Writer string
	Now    func() time.Time
	Log    *slog.Logger
	// Interval is how long activities are gathered for one write; 2 s when it is not set.
	Interval time.Duration
	// MaxBytes bounds the record, 8 MiB when it is not set, and MaxAge says when what was recorded is deleted, 400 days when it
	// is not set.
	MaxBytes int64
	MaxAge   time.Duration
	// ChunkBytes is the size at which a new ConfigMap is begun; 64 KiB when it is not set.
	ChunkBytes int
}

// The defaults. A year and a month of activities are kept, so that a yearly review sees the one before.
const (
	defaultInterval = 2 * time.Second
	defaultBytes    = 8 << 20
	defaultAge      = 400 * 24 * time.Hour
	defaultChunk    = 64 << 10
	// mostQueued bounds what waits to be written while the API server does not answer.
	mostQueued = 20_000
	// longestLine bounds one activity.
	longestLine = 8 << 10
	// tidyEvery is how often the age of the record is looked at.
	tidyEvery = time.Hour
	// lastWrite bounds the write with which a process ends.
	lastWrite = 10 * time.Second
)

// Store implements audit.Recorder and audit.Log.
type Store struct {
	Options

	mu     sync.Mutex
	queue  []audit.Activity
	damper audit.Damper
	lost   int
	count  uint64

	writing sync.Mutex // one write at a time
}

// New returns the record. Run writes what is recorded.
func New(o Options) *Store {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultBytes
	}
	if o.MaxAge <= 0 {
		o.MaxAge = defaultAge
	}
	if o.ChunkBytes <= 0 {
		o.ChunkBytes = defaultChunk
	}
	return &Store{Options: o}
}

// Record implements audit.Recorder.
func (s *Store) Record(ctx context.Context, a audit.Activity) {
	now := s.Now()
	if a.Time.IsZero() {
		a.Time = metav1.NewTime(now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pass, also := s.damper.Pass(&a, now)
	if also != nil {
		s.put(ctx, *also)
	}
	if pass {
		s.put(ctx, a)
	}
}

// put queues an activity; s.mu is held.
func (s *Store) put(ctx context.Context, a audit.Activity) {
	if a.ID == "" {
		s.count++
		a.ID = object.Hash([]any{s.Writer, s.count, a.Time.UnixNano()})[:24]
	}
	s.Log.LogAttrs(ctx, slog.LevelInfo, "activity", slog.String("kind", a.Kind), slog.String("application", a.Namespace+"/"+a.Application),
		slog.String("actor", a.Actor), slog.String("address", a.Address), slog.String("text", a.Text), slog.String("reason", a.Reason),
		slog.String("outcome", a.Outcome), slog.String("id", a.ID))
	if len(s.queue) >= mostQueued {
		s.queue = s.queue[1:]
		s.lost++
	}
	s.queue = append(s.queue, a)
}

// Run writes what is recorded until ctx ends, and then the rest.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	tidied := time.Time{}
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			if err := s.Flush(last); err != nil {
				s.Log.Error("activities are not in the record", "error", err.Error())
			}
			return ctx.Err()
		case <-tick.C:
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn("write record of activities; it is tried again", "error", err.Error())
		}
		if now := s.Now(); now.Sub(tidied) >= tidyEvery {
			tidied = now
			if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("tidy record of activities; it is tried again", "error", err.Error())
			}
		}
	}
}

// take empties the queue.
func (s *Store) take() []audit.Activity {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.queue
	s.queue = nil
	if s.lost > 0 {
		s.count++
		batch = append(batch, audit.Activity{Kind: audit.KindLost, Time: metav1.NewTime(s.Now()), Outcome: audit.Failure,
			ID:   object.Hash([]any{s.Writer, s.count, "lost"})[:24],
			Text: fmt.Sprintf("%d activities could not be recorded, because the API server did not answer", s.lost)})
		s.lost = 0
	}
	return batch
}

// giveBack queues what could not be written, before what came since.
func (s *Store) giveBack(batch []audit.Activity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(batch, s.queue...)
	if more := len(s.queue) - mostQueued; more > 0 {
		s.queue, s.lost = s.queue[more:], s.lost+more
	}
}

// Flush writes what waits. What cannot be written waits for the next time.
func (s *Store) Flush(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	batch := s.take()
	if len(batch) == 0 {
		return nil
	}
	rest, err := s.write(ctx, batch)
	if len(rest) > 0 {
		s.giveBack(rest)
	}
	return err
}

// chunks lists the record's ConfigMaps by their metadata, the oldest first.
func (s *Store) chunks(ctx context.Context) ([]chunk, error) {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	if err := s.Reader.List(ctx, &list, client.InNamespace(s.Namespace), client.HasLabels{Label}); err != nil {
		return nil, fmt.Errorf("list ConfigMaps of the record in %s: %w", s.Namespace, err)
	}
	return chunksOf(list.Items), nil
}
