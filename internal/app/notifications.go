package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	rtmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/notify/service"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/remote"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/token"
)

// notifications are what is set up, and what it was read from.
type notifications struct {
	config   *notify.Config
	problems []settings.Problem
	hash     string
}

// notifications reads argocd-notifications-cm and the Secret, anew only when something of them is another.
func (e *environment) notifications(data map[string]string, secrets []*corev1.Secret, next *state) notifications {
	values, others := map[string]string{}, map[string]string{}
	for _, s := range secrets {
		switch {
		case s.Name == notify.SecretName:
			for key, value := range s.Data {
				values[key] = string(value)
			}
		case s.Labels["app.kubernetes.io/part-of"] == "argocd":
			for key, value := range s.Data {
				others[s.Name+":"+key] = strings.TrimRight(string(value), "\r\n")
			}
		}
	}
	var last notifications
	if old := e.current.Load(); old != nil {
		last = old.notify
	}
	hash := object.Hash([]any{data, values, others, next.settings.URL, next.trust})
	if last.config != nil && last.hash == hash {
		return last
	}
	out := notifications{hash: hash}
	out.config, out.problems = notify.Parse(notify.Inputs{
		Data: data, Secrets: values, URL: next.settings.URL, Trust: next.trust, Now: time.Now,
		Secret: func(ref string) (string, bool) { value, ok := others[ref]; return value, ok },
		Open: func(kind, name string, options []byte) (notify.Service, error) {
			return service.New(kind, name, options, e.serviceEnv(next.repos))
		},
	}, last.config)
	return out
}

// serviceEnv is what services reach others with.
func (e *environment) serviceEnv(repos *settings.Repositories) service.Env {
	ca := func(host string) []byte { return []byte(repos.CA(host)) }
	return service.Env{Env: e.cfg.Env, CA: ca, GitHubToken: func(ctx context.Context, a service.GitHubApp) (string, error) {
		login := e.tokens.GitHubApp(token.GitHubApp{ID: a.ID, InstallationID: a.InstallationID, PrivateKey: a.PrivateKey, BaseURL: a.BaseURL, Repository: a.Repository},
			func(host string) remote.Access { return remote.Access{CA: ca(host)} })
		_, password, _, err := login.Obtain(ctx)
		return password, err
	}}
}

// notifier is what the engine of notifications needs of this process.
type notifier struct {
	parts
	client client.Client
	events events.EventRecorder
	sent   *prometheus.CounterVec
	runs   *prometheus.CounterVec
}

func newNotifier(p parts, recorder events.EventRecorder) *notifier {
	n := &notifier{
		parts: p, client: p.mgr.GetClient(), events: recorder,
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "argocd_notifications_deliveries_total", Help: "Messages that were sent, or given up.",
		}, []string{"trigger", "service", "succeeded"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "argocd_notifications_trigger_eval_total", Help: "Conditions of triggers that were evaluated.",
		}, []string{"name", "triggered"}),
	}
	rtmetrics.Registry.MustRegister(n.sent, n.runs)
	return n
}

// Project implements notify.Applications.
func (n *notifier) Project(ctx context.Context, name string) *v1alpha1.AppProject {
	p, err := n.env.appProject(ctx, name)
	if err != nil {
		n.env.cfg.Log.Warn("read the project for notifications", "project", name, "error", err.Error())
		return nil
	}
	return p
}

// Commit implements notify.Applications.
func (n *notifier) Commit(ctx context.Context, app *v1alpha1.Application, revision string) (notify.Commit, error) {
	return commitFor(ctx, n.repos.git, app, revision)
}

// commitFor tells of a commit of an application's first source.
func commitFor(ctx context.Context, repos *git.Source, app *v1alpha1.Application, revision string) (notify.Commit, error) {
	sources := app.Spec.GetSources()
	if len(sources) == 0 || sources[0].Chart != "" || sources[0].IsOCI() {
		return notify.Commit{}, errors.New("the application's first source has no commits")
	}
	c, err := repos.Commit(ctx, source.Request{RepoURL: sources[0].RepoURL, Project: app.Spec.ProjectName()}, source.Revision(revision))
	if err != nil {
		return notify.Commit{}, err
	}
	out := notify.Commit{Message: mask.Text(c.Message), Author: c.Author, Tags: c.Tags}
	if at, err := time.Parse(time.RFC3339, c.Date); err == nil {
		out.Date = at
	}
	return out, nil
}

// Record implements notify.Applications.
func (n *notifier) Record(ctx context.Context, key types.NamespacedName, uid types.UID, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid, "annotations": map[string]string{notify.AnnotationNotified: value}}})
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	app := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	err = n.client.Patch(ctx, app, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone; one of its name has another uid
	}
	return err
}

// Sent implements notify.Observer.
func (n *notifier) Sent(d notify.Delivery, err error) {
	n.sent.WithLabelValues(d.Trigger, d.To.Service, strconv.FormatBool(err == nil)).Inc()
	log := n.env.cfg.Log.With("application", d.App.Namespace+"/"+d.App.Name, "trigger", d.Trigger, "to", d.To.String())
	a := audit.Activity{
		Time: metav1.NewTime(d.At), Kind: audit.KindNotification, Application: d.App.Name, Namespace: d.App.Namespace, Project: d.App.Spec.ProjectName(),
		Actor: audit.Automated, Outcome: audit.Success, Text: d.Trigger + " was told to " + d.To.String(),
		ID: object.Hash([]any{d.App.UID, d.Trigger, d.To, d.Resolved, d.At.UnixNano()})[:24],
	}
	if err != nil {
		text := mask.Line(mask.Values(err.Error()))
		log.Warn("notification failed", "error", text)
		a.Outcome, a.Text = audit.Failure, d.Trigger+" could not be told to "+d.To.String()+": "+text
		if len(a.Text) > mostOfEvent {
			a.Text = strings.ToValidUTF8(a.Text[:mostOfEvent], "") + " ..."
		}
		n.events.Eventf(d.App, nil, corev1.EventTypeWarning, "NotificationFailed", "Notify", "%s", a.Text)
	} else {
		log.Info("notification sent")
	}
	n.audit.Record(context.Background(), a)
}

// mostOfEvent is what an event bears of a text.
const mostOfEvent = 800

// Evaluated implements notify.Observer.
func (n *notifier) Evaluated(trigger string, triggered bool) {
	n.runs.WithLabelValues(trigger, strconv.FormatBool(triggered)).Inc()
}

// newNotifications returns the engine of notifications of this process.
func newNotifications(p parts, recorder events.EventRecorder) *notify.Engine {
	n := newNotifier(p, recorder)
	return notify.NewEngine(notify.Options{
		Config: func() *notify.Config { return p.env.current.Load().notify.config }, Applications: n, Observer: n, Log: p.env.cfg.Log, Now: time.Now,
	})
}

// notifyOf sends notifications once this process leads, and Argo CD does not.
func notifyOf(ctx context.Context, p parts) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.elected:
	}
	if err := awaitNotifications(ctx, p.env.cfg, p.mgr.GetAPIReader()); err != nil {
		return err
	}
	p.telling.Store(true)
	var list v1alpha1.ApplicationList
	if err := p.mgr.GetClient().List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fault.New(fault.Internal, "list applications for notifications: %w", err)
	}
	for i := range list.Items {
		p.notify.There(&list.Items[i])
	}
	p.env.cfg.Log.Info("notifications are sent from here")
	return p.notify.Run(ctx)
}
