package configmap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
)

// errAgain says that somebody else wrote in between.
var errAgain = errors.New("the record was written by somebody else")

// write appends a batch and returns what is left of it, with the error that stopped it.
func (s *Store) write(ctx context.Context, batch []audit.Activity) (rest []audit.Activity, err error) {
	backoff := wait.Backoff{Steps: 20, Duration: 10 * time.Millisecond, Factor: 1.3, Jitter: 1}
	for len(batch) > 0 {
		rest, err := s.append(ctx, batch)
		switch {
		case err == nil:
			batch = rest
		case errors.Is(err, errAgain) && backoff.Steps > 0:
			select {
			case <-ctx.Done():
				return batch, ctx.Err()
			case <-time.After(backoff.Step()):
			}
		default:
			return batch, err
		}
	}
	return nil, nil
}

// append writes as many activities as fit into one chunk, and returns the others.
func (s *Store) append(ctx context.Context, batch []audit.Activity) (rest []audit.Activity, err error) {
	chunks, err := s.chunks(ctx)
	if err != nil {
		return batch, err
	}
	last, known, err := s.last(ctx, chunks)
	if err != nil {
		return batch, err
	}
	fresh := make([]audit.Activity, 0, len(batch))
	for _, a := range batch {
		if !known[a.ID] {
			known[a.ID] = true
			fresh = append(fresh, a)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	if last != nil && len(last.Data[dataKey]) < s.ChunkBytes {
		return s.fill(ctx, last, fresh)
	}
	number := 1
	if n := len(chunks); n > 0 {
		number = chunks[n-1].number + 1
	}
	next := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: chunkName(number), Namespace: s.Namespace,
		Labels: map[string]string{Label: "true", "app.kubernetes.io/part-of": "argocd"}}}
	rest, err = s.fill(ctx, next, fresh)
	if err == nil {
		if err := s.tidy(ctx); err != nil {
			s.Log.Warn("tidy record of activities; it is tried again", "error", err.Error())
		}
	}
	return rest, err
}

// last reads the last chunk, nil when there is none, and the ids of it and of the one before: what two processes see, they see
// within seconds of each other.
func (s *Store) last(ctx context.Context, chunks []chunk) (*corev1.ConfigMap, map[string]bool, error) {
	known := map[string]bool{}
	var last *corev1.ConfigMap
	for _, c := range chunks[max(0, len(chunks)-2):] {
		cm, err := s.read(ctx, c.name)
		if apierrors.IsNotFound(err) {
			return nil, nil, errAgain // it was deleted since it was listed
		}
		if err != nil {
			return nil, nil, err
		}
		for _, a := range decode(cm.Data[dataKey]) {
			known[a.ID] = true
		}
		last = cm
	}
	return last, known, nil
}

func (s *Store) read(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	cm := &corev1.ConfigMap{}
	if err := s.Reader.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, cm); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", s.Namespace, name, err)
	}
	return cm, nil
}

// fill writes activities to a chunk until it is full.
func (s *Store) fill(ctx context.Context, cm *corev1.ConfigMap, batch []audit.Activity) (rest []audit.Activity, err error) {
	text := []byte(cm.Data[dataKey])
	until, err := time.Parse(time.RFC3339, cm.Annotations[noteUntil])
	if err != nil {
		until = time.Time{}
	}
	n := 0
	for n < len(batch) && len(text) < s.ChunkBytes {
		line, err := encode(batch[n])
		if err != nil {
			return batch, fmt.Errorf("encode activity %s: %w", batch[n].ID, err)
		}
		text = append(text, line...)
		if batch[n].Time.After(until) {
			until = batch[n].Time.Time
		}
		n++
	}
	cm.Data = map[string]string{dataKey: string(text)}
	if cm.Annotations == nil {
		cm.Annotations = map[string]string{}
	}
	cm.Annotations[noteUntil], cm.Annotations[noteSize] = until.UTC().Format(time.RFC3339), strconv.Itoa(len(text))
	if cm.ResourceVersion == "" {
		err = s.Client.Create(ctx, cm)
	} else {
		err = s.Client.Update(ctx, cm)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && cm.ResourceVersion != "":
		return batch, errAgain
	case err != nil:
		return batch, fmt.Errorf("write ConfigMap %s/%s: %w", cm.Namespace, cm.Name, err)
	}
	s.announce(ctx, batch[:n])
	return batch[n:], nil
}

// tidy deletes the oldest chunks: those of which everything is too old, and as many as the record is too large. The last one
// always stays, because its number must not be used again.
func (s *Store) tidy(ctx context.Context) error {
	chunks, err := s.chunks(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, c := range chunks {
		total += c.size
	}
	oldest := s.Now().Add(-s.MaxAge)
	for i := 0; i < len(chunks)-1; i++ {
		c := chunks[i]
		if total <= s.MaxBytes && !c.until.Before(oldest) {
			break
		}
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: s.Namespace}}
		if err := s.Client.Delete(ctx, cm); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete ConfigMap %s/%s: %w", s.Namespace, c.name, err)
		}
		total -= c.size
	}
	return nil
}
