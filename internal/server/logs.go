package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// Bounds of a reading of logs: so many streams at once, and so many bytes a line.
const (
	maxLogStreams = 50
	maxLogLine    = 1 << 20
)

// ApplicationPodLogsQuery is of Application.PodLogs.
type ApplicationPodLogsQuery struct {
	Named `json:",inline"`
	// PodName is one pod; without it the pods below the named object are read, or all of the application.
	PodName      string `path:"podName" query:"podName" json:"podName,omitempty"`
	Namespace    string `query:"namespace" json:"namespace,omitempty"`
	Container    string `query:"container" json:"container,omitempty"`
	SinceSeconds int64  `query:"sinceSeconds" json:"sinceSeconds,omitempty"`
	// SinceTime and UntilTime are RFC 3339.
	SinceTime string `query:"sinceTimeStr,sinceTime" json:"sinceTime,omitempty"`
	UntilTime string `query:"untilTime" json:"untilTime,omitempty"`
	TailLines int64  `query:"tailLines" json:"tailLines,omitempty"`
	Follow    bool   `query:"follow" json:"follow,omitempty"`
	// Filter is a text that lines have, or with a ! in front have not.
	Filter       string `query:"filter" json:"filter,omitempty"`
	MatchCase    bool   `query:"matchCase" json:"matchCase,omitempty"`
	Kind         string `query:"kind" json:"kind,omitempty"`
	Group        string `query:"group" json:"group,omitempty"`
	ResourceName string `query:"resourceName" json:"resourceName,omitempty"`
	Previous     bool   `query:"previous" json:"previous,omitempty"`
}

// LogEntry is a line of a log. The last one of all has no content and says so.
type LogEntry struct {
	Content      string       `json:"content"`
	TimeStamp    *metav1.Time `json:"timeStamp,omitempty"`
	Last         bool         `json:"last"`
	TimeStampStr string       `json:"timeStampStr"`
	PodName      string       `json:"podName"`
}

// PodLogs sends the lines of the logs of pods: those that are there in the order of time, then those that come. It needs
// the right to get logs besides that to get the application.
func (s *Server) PodLogs(ctx context.Context, q *ApplicationPodLogsQuery, send func(*LogEntry) error) error {
	app, err := s.logsOf(ctx, q.Named)
	if err != nil {
		return err
	}
	options, until, err := q.options()
	if err != nil {
		return err
	}
	pods, err := s.podsOf(ctx, app, q)
	if err != nil {
		return err
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return err
	}
	if err := send(nil); err != nil {
		return err
	}
	sink := &logSink{q: q, until: until, send: send}
	return s.whilePermitted(ctx, func(ctx context.Context) error {
		_, err := s.logsOf(ctx, q.Named)
		return err
	}, func(ctx context.Context) error { return sink.readAll(ctx, dest, pods, options) })
}

// logsOf reads an application of which the caller may read logs.
func (s *Server) logsOf(ctx context.Context, a Named) (*v1alpha1.Application, error) {
	app, err := s.namedApplication(ctx, a, "get")
	if err != nil {
		return nil, err
	}
	return app, s.require(ctx, "logs", "get", s.rbacObject(app))
}

// readAll reads the logs of pods side by side.
func (l *logSink) readAll(ctx context.Context, dest Destination, pods []object.Ref, options *corev1.PodLogOptions) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, pod := range pods {
		group.Go(func() error {
			in, err := dest.Pods.Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
			if err != nil {
				return kubeFault(dest.explained(err), "read log of pod %s/%s", pod.Namespace, pod.Name)
			}
			defer in.Close()
			return l.read(in, pod.Name)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.finish()
}

func (q *ApplicationPodLogsQuery) options() (*corev1.PodLogOptions, time.Time, error) {
	o := &corev1.PodLogOptions{Container: q.Container, Follow: q.Follow, Previous: q.Previous, Timestamps: true}
	if q.SinceSeconds > 0 {
		o.SinceSeconds = &q.SinceSeconds
	}
	if q.TailLines > 0 {
		o.TailLines = &q.TailLines
	}
	var until time.Time
	for text, set := range map[string]func(time.Time){
		q.SinceTime: func(at time.Time) { since := metav1.NewTime(at); o.SinceTime, o.SinceSeconds = &since, nil },
		q.UntilTime: func(at time.Time) { until = at },
	} {
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, until, fault.New(fault.Invalid, "time %q is not of the form of RFC 3339", text)
		}
		set(at)
	}
	return o, until, nil
}

// podsOf are the pods of the application that the query means.
func (s *Server) podsOf(ctx context.Context, app *v1alpha1.Application, q *ApplicationPodLogsQuery) ([]object.Ref, error) {
	nodes, err := s.Engine.Tree(ctx, app)
	if err != nil {
		return nil, err
	}
	parents := map[string][]string{}
	wanted := map[string]bool{}
	for _, n := range nodes {
		parents[n.UID] = n.Parents
		wanted[n.UID] = n.Ref.Name == q.ResourceName && n.Ref.Kind == q.Kind && (q.Group == "" || n.Ref.Group == q.Group) &&
			(q.Namespace == "" || n.Ref.Namespace == q.Namespace)
	}
	var below func(uid string, depth int) bool
	below = func(uid string, depth int) bool {
		return wanted[uid] || depth > 0 && slices.ContainsFunc(parents[uid], func(p string) bool { return below(p, depth-1) })
	}
	var out []object.Ref
	for _, n := range nodes {
		if n.Ref.Group != "" || n.Ref.Kind != "Pod" || n.Orphaned || q.PodName != "" && n.Ref.Name != q.PodName ||
			q.Namespace != "" && n.Ref.Namespace != q.Namespace || q.Kind != "" && q.ResourceName != "" && !below(n.UID, 10) {
			continue
		}
		out = append(out, n.Ref)
	}
	switch {
	case len(out) == 0 && q.PodName != "":
		return nil, fault.New(fault.NotFound, "pod %s is no object of application %s in the cluster", q.PodName, app.Name)
	case len(out) > maxLogStreams:
		return nil, fault.New(fault.Invalid, "%d pods match, and the logs of at most %d can be read at once: name an object or a pod", len(out), maxLogStreams)
	}
	return out, nil
}

// logSink passes lines on: as they come when they are followed, else sorted by time at the end.
type logSink struct {
	q     *ApplicationPodLogsQuery
	until time.Time
	send  func(*LogEntry) error

	mu      sync.Mutex
	waiting []*LogEntry
}

func (l *logSink) read(in io.Reader, pod string) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLogLine)
	for lines.Scan() {
		entry := logEntry(lines.Text(), pod)
		if !l.until.IsZero() && entry.TimeStamp != nil && entry.TimeStamp.After(l.until) {
			return nil
		}
		if !l.q.selects(entry.Content) {
			continue
		}
		if err := l.take(entry); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, context.Canceled) {
		return fault.New(fault.Transient, "read log of pod %s: %w", pod, err)
	}
	return nil
}

// maxWaiting bounds what is kept for sorting; beyond it lines go out as they come.
const maxWaiting = 20000

func (l *logSink) take(e *LogEntry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.q.Follow && len(l.waiting) < maxWaiting {
		l.waiting = append(l.waiting, e)
		return nil
	}
	return l.send(e)
}

func (l *logSink) finish() error {
	slices.SortStableFunc(l.waiting, func(a, b *LogEntry) int { return strings.Compare(a.TimeStampStr, b.TimeStampStr) })
	for _, e := range l.waiting {
		if err := l.send(e); err != nil {
			return err
		}
	}
	return l.send(&LogEntry{Last: true})
}

// logEntry splits a line into time and content.
func logEntry(line, pod string) *LogEntry {
	e := &LogEntry{Content: line, PodName: pod}
	stamp, content, ok := strings.Cut(line, " ")
	if !ok {
		stamp, content = line, ""
	}
	if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
		t := metav1.NewTime(at)
		e.TimeStamp, e.TimeStampStr, e.Content = &t, at.UTC().Format("2006-01-02T15:04:05.000000000Z"), content
	}
	return e
}

// selects reports whether the filter of the query lets a line pass.
func (q *ApplicationPodLogsQuery) selects(line string) bool {
	text, inverse := strings.CutPrefix(q.Filter, "!")
	if text == "" {
		return true
	}
	if !q.MatchCase {
		line, text = strings.ToLower(line), strings.ToLower(text)
	}
	return strings.Contains(line, text) != inverse
}
