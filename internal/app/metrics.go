package app

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	rtmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source/git"
)

// metrics exposes what Argo CD's dashboards and alerts read, under the same names and labels.
type metrics struct {
	client    client.Client
	elected   <-chan struct{}
	info      *prometheus.Desc
	reconcile *prometheus.HistogramVec
	syncs     *prometheus.CounterVec
	syncTime  *prometheus.CounterVec
}

func newMetrics(c client.Client, elected <-chan struct{}) *metrics {
	m := &metrics{
		client: c, elected: elected,
		info: prometheus.NewDesc("argocd_app_info", "Information about an Application; the value is always 1.", []string{
			"namespace", "name", "project", "autosync_enabled", "repo", "dest_server", "dest_namespace", "sync_status", "health_status", "operation",
		}, nil),
		reconcile: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "argocd_app_reconcile", Help: "Seconds that a reconciliation took.", Buckets: []float64{.25, .5, 1, 2, 4, 8, 16},
		}, []string{"namespace", "dest_server"}),
		syncs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "argocd_app_sync_total", Help: "Sync operations that ended, by phase.",
		}, []string{"namespace", "name", "project", "dest_server", "phase", "dry_run"}),
		syncTime: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "argocd_app_sync_duration_seconds_total", Help: "Seconds that sync operations took in all.",
		}, []string{"namespace", "name", "project", "dest_server"}),
	}
	rtmetrics.Registry.MustRegister(m, m.reconcile, m.syncs, m.syncTime)
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.info }

// Collect implements prometheus.Collector: one series for each Application that exists.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	select {
	case <-m.elected:
	default:
		return // the leader tells; two series of one Application would be summed up
	}
	var list v1alpha1.ApplicationList
	if err := m.client.List(context.Background(), &list, client.UnsafeDisableDeepCopy); err != nil {
		return // the cache is not there yet or not any more
	}
	for i := range list.Items {
		a := &list.Items[i]
		repo := ""
		if srcs := a.Spec.GetSources(); len(srcs) > 0 {
			repo = git.NormalizeURL(srcs[0].RepoURL)
		}
		ch <- prometheus.MustNewConstMetric(m.info, prometheus.GaugeValue, 1,
			a.Namespace, a.Name, a.Spec.ProjectName(), strconv.FormatBool(a.Spec.SyncPolicy.IsAutomated()), repo,
			a.Spec.Destination.Server, a.Spec.Destination.Namespace,
			orUnknown(string(a.Status.Sync.Status)), orUnknown(string(a.Status.Health.Status)), operation(a))
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "Unknown"
	}
	return s
}

func operation(a *v1alpha1.Application) string {
	switch {
	case a.DeletionTimestamp != nil:
		return "delete"
	case a.Operation != nil && a.Operation.Sync != nil:
		return "sync"
	}
	return ""
}

// Reconciled implements controller.Observer.
func (m *metrics) Reconciled(a *v1alpha1.Application, took time.Duration) {
	m.reconcile.WithLabelValues(a.Namespace, a.Spec.Destination.Server).Observe(took.Seconds())
}

// OperationEnded implements controller.Observer.
func (m *metrics) OperationEnded(a *v1alpha1.Application, op *v1alpha1.OperationState) {
	dryRun := op.Operation.Sync != nil && op.Operation.Sync.DryRun
	m.syncs.WithLabelValues(a.Namespace, a.Name, a.Spec.ProjectName(), a.Spec.Destination.Server,
		string(op.Phase), strconv.FormatBool(dryRun)).Inc()
	if op.FinishedAt != nil {
		m.syncTime.WithLabelValues(a.Namespace, a.Name, a.Spec.ProjectName(), a.Spec.Destination.Server).
			Add(op.FinishedAt.Sub(op.StartedAt.Time).Seconds())
	}
}

// Forgotten implements controller.Observer: the series of a deleted Application end.
func (m *metrics) Forgotten(key types.NamespacedName) {
	labels := prometheus.Labels{"namespace": key.Namespace, "name": key.Name}
	m.syncs.DeletePartialMatch(labels)
	m.syncTime.DeletePartialMatch(labels)
}

// observers are told of requests to repositories.
type observers struct {
	git, registry func(repo, kind string, took time.Duration, err error)
}

func observeRepositories() observers {
	return observers{git: observeGit(), registry: observeRegistries()}
}

// observeRegistries counts requests to Helm repositories and OCI registries.
func observeRegistries() func(repo, kind string, took time.Duration, err error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "belay_registry_request_total", Help: "Requests to Helm repositories and OCI registries.",
	}, []string{"repo", "request_type", "result"})
	rtmetrics.Registry.MustRegister(requests)
	return func(repo, kind string, _ time.Duration, err error) {
		result := "ok"
		if err != nil {
			result = "error"
		}
		requests.WithLabelValues(repo, kind, result).Inc()
	}
}

// observeGit counts and measures requests to Git repositories.
func observeGit() func(repo, kind string, took time.Duration, err error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "argocd_git_request_total", Help: "Requests to Git repositories.",
	}, []string{"repo", "request_type"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "argocd_git_request_duration_seconds", Help: "Seconds that requests to Git repositories took.",
		Buckets: []float64{.1, .25, .5, 1, 2, 4, 10, 20},
	}, []string{"repo", "request_type"})
	fetchFails := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "argocd_git_fetch_fail_total", Help: "Fetches that failed.",
	}, []string{"repo", "revision"})
	listFails := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "argocd_git_lsremote_fail_total", Help: "Looks at a remote that failed.",
	}, []string{"repo", "revision"})
	rtmetrics.Registry.MustRegister(requests, duration, fetchFails, listFails)
	return func(repo, kind string, took time.Duration, err error) {
		requests.WithLabelValues(repo, kind).Inc()
		duration.WithLabelValues(repo, kind).Observe(took.Seconds())
		switch {
		case err == nil:
		case kind == git.KindFetch:
			fetchFails.WithLabelValues(repo, "").Inc()
		default:
			listFails.WithLabelValues(repo, "").Inc()
		}
	}
}
