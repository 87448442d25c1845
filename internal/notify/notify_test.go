package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
)

// recorder is a service that keeps what it is given, and refuses with what fail returns.
type recorder struct {
	mu   sync.Mutex
	got  []string
	fail func(attempt int) error
	n    int
}

func (r *recorder) Send(_ context.Context, m Message, recipient string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.fail != nil {
		if err := r.fail(r.n); err != nil {
			return err
		}
	}
	line := recipient + "| " + m.Text
	for kind, part := range m.Parts {
		line += fmt.Sprintf(" %s=%v", kind, part)
	}
	r.got = append(r.got, line)
	return nil
}

// take returns what came since the last time.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got = nil
	return got
}

func (r *recorder) refuse(fail func(attempt int) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = fail
}

func (r *recorder) attempts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// parse reads settings with one service named log; no problem is expected.
func parse(t *testing.T, to Service, data map[string]string) *Config {
	t.Helper()
	c, problems := parseAny(to, data)
	for _, p := range problems {
		t.Error(p)
	}
	return c
}

type problem = error

func parseAny(to Service, data map[string]string) (*Config, []problem) {
	if data == nil {
		data = map[string]string{}
	}
	if data["service.webhook.log"] == "" {
		data["service.webhook.log"] = "url: $address"
	}
	c, found := Parse(Inputs{
		Data: data, Secrets: map[string]string{"address": "http://127.0.0.1/canary\n"}, URL: "https://belay.example.com/", Now: time.Now,
		Secret: func(ref string) (string, bool) { return "other-" + ref, ref == "other:key" },
		Open: func(kind, name string, options []byte) (Service, error) {
			if strings.Contains(string(options), "$") {
				return nil, errors.New("a reference is left over")
			}
			if kind != "webhook" && kind != "slack" {
				return nil, errors.New("there is no such kind")
			}
			return to, nil
		},
	}, nil)
	var problems []problem
	for _, p := range found {
		problems = append(problems, p)
	}
	return c, problems
}

// app is an Application with a subscription to everything named.
func app(change func(a *v1alpha1.Application), triggers ...string) *v1alpha1.Application {
	a := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "argocd", UID: "1", Annotations: map[string]string{}}}
	a.Spec.Project = "default"
	a.Spec.Source = &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/acme/shop.git"}
	for _, t := range triggers {
		a.Annotations["notifications.argoproj.io/subscribe."+t+".log"] = "room"
	}
	if change != nil {
		change(a)
	}
	return a
}

func health(status v1alpha1.HealthStatusCode) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) { a.Status.Health.Status = status }
}

// operation is one that began at that second and has a phase.
func operation(begun int64, phase v1alpha1.OperationPhase, message string) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) {
		st := &v1alpha1.OperationState{Phase: phase, Message: message, StartedAt: metav1.Unix(begun, 0)}
		if phase.Completed() {
			end := metav1.Unix(begun+5, 0)
			st.FinishedAt, a.Status.ReconciledAt = &end, &end
			st.SyncResult = &v1alpha1.SyncOperationResult{Revision: "0123456789abcdef0123456789abcdef01234567"}
		}
		a.Status.OperationState = st
	}
}

// plane is a control plane that keeps records.
type plane struct {
	mu      sync.Mutex
	records map[string]string
	writes  int
	fail    error
}

func (p *plane) Project(context.Context, string) *v1alpha1.AppProject { return nil }

func (p *plane) Commit(_ context.Context, _ *v1alpha1.Application, revision string) (Commit, error) {
	return Commit{Message: "Change " + revision, Author: "dev"}, nil
}

func (p *plane) Record(_ context.Context, key types.NamespacedName, _ types.UID, value string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return p.fail
	}
	p.records[key.Name] = value
	p.writes++
	return nil
}

func (p *plane) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

func (p *plane) record(name string) record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return parseRecord(p.records[name])
}

// outcomes is an observer.
type outcomes struct {
	mu   sync.Mutex
	sent []string
}

func (o *outcomes) Sent(d Delivery, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, fmt.Sprintf("%s %s %s %v", d.App.Name, d.Trigger, d.To, err))
}

func (o *outcomes) Evaluated(string, bool) {}
