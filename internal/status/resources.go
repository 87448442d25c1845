package status

import (
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
)

// Judge returns the health of a live object; false for kinds that have none.
type Judge func(*object.Live) (health.Result, bool)

// Resources returns status.resources, the health of the application and its summary.
func Resources(plan *diff.Plan, judge Judge) ([]v1alpha1.ResourceStatus, v1alpha1.AppHealthStatus, v1alpha1.ApplicationSummary) {
	resources := make([]v1alpha1.ResourceStatus, 0, len(plan.Items))
	items := make([]health.Item, 0, len(plan.Items))
	images := map[string]bool{}
	var summary v1alpha1.ApplicationSummary
	for _, i := range plan.Items {
		rs, hi := resource(i, judge)
		resources = append(resources, rs)
		items = append(items, hi)
		if i.Live != nil {
			for _, image := range object.Images(i.Live.Object) {
				images[image] = true
			}
			summary.ExternalURLs = append(summary.ExternalURLs, externalURLs(i.Live.Object)...)
		}
		if i.Ref.Group == v1alpha1.Group && i.Ref.Kind == v1alpha1.ApplicationKind {
			summary.IsAppOfApps = true
		}
	}
	if len(plan.Hooks) > 0 {
		for _, l := range plan.Hooks {
			resources = append(resources, hook(l, judge))
		}
		sort.SliceStable(resources, func(a, b int) bool { return refOf(resources[a]).Less(refOf(resources[b])) })
	}
	for image := range images {
		summary.Images = append(summary.Images, image)
	}
	sort.Strings(summary.Images)
	sort.Strings(summary.ExternalURLs)
	return resources, health.Aggregate(items), summary
}

// hook is the row of a live hook: it has no sync status and does not count for the health of the application.
func hook(l *object.Live, judge Judge) v1alpha1.ResourceStatus {
	ref := l.Ref()
	rs := v1alpha1.ResourceStatus{
		Group: ref.Group, Version: l.Object.GroupVersionKind().Version, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name,
		Hook: true, SyncWave: int64(apply.Wave(l.Object)),
	}
	if l.Partial {
		return rs // only its metadata is in view
	}
	if r, ok := judge(l); ok {
		rs.Health = &v1alpha1.HealthStatus{Status: r.Status, Message: r.Message}
	}
	return rs
}

func refOf(r v1alpha1.ResourceStatus) object.Ref {
	return object.Ref{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func resource(i *diff.Item, judge Judge) (v1alpha1.ResourceStatus, health.Item) {
	subject := i.Desired
	if subject == nil {
		subject = i.Live.Object
	}
	rs := v1alpha1.ResourceStatus{
		Group: i.Ref.Group, Version: subject.GroupVersionKind().Version, Kind: i.Ref.Kind,
		Namespace: i.Ref.Namespace, Name: i.Ref.Name,
		Status: v1alpha1.SyncStatusSynced, SyncWave: int64(apply.Wave(subject)),
		RequiresPruning: i.Action == diff.Delete, RequiresDeletionConfirmation: asksBeforeDeletion(i),
	}
	if i.Action != diff.None {
		rs.Status = v1alpha1.SyncStatusOutOfSync
	}
	hi := health.Item{Ref: i.Ref, Live: i.Live != nil || i.Finished, Ignored: health.IgnoredByAnnotation(subject)}
	switch {
	case i.Finished:
		rs.Health = &v1alpha1.HealthStatus{Status: v1alpha1.HealthHealthy, Message: "finished, then removed by its ttlSecondsAfterFinished"}
	case i.Live == nil:
		rs.Health = &v1alpha1.HealthStatus{Status: v1alpha1.HealthMissing}
	default:
		if r, ok := judge(i.Live); ok {
			rs.Health = &v1alpha1.HealthStatus{Status: r.Status, Message: r.Message}
		}
	}
	hi.Health = rs.Health
	return rs, hi
}

// asksBeforeDeletion reports whether the object, in Git or in the cluster, wants its deletion confirmed.
func asksBeforeDeletion(i *diff.Item) bool {
	asks := func(u *unstructured.Unstructured) bool {
		return apply.HasOption(u, "Prune", "confirm") || apply.HasOption(u, "Delete", "confirm")
	}
	return i.Desired != nil && asks(i.Desired) || i.Live != nil && asks(i.Live.Object)
}

// externalURLs returns the addresses that an Ingress serves.
func externalURLs(u *unstructured.Unstructured) []string {
	gvk := u.GroupVersionKind()
	if gvk.Group != "networking.k8s.io" || gvk.Kind != "Ingress" {
		return nil
	}
	secure := map[string]bool{}
	tls, _, _ := unstructured.NestedSlice(u.Object, "spec", "tls") // a malformed Ingress has no addresses
	for _, t := range tls {
		if m, ok := t.(map[string]any); ok {
			hosts, _, _ := unstructured.NestedStringSlice(m, "hosts")
			for _, h := range hosts {
				secure[h] = true
			}
		}
	}
	rules, _, _ := unstructured.NestedSlice(u.Object, "spec", "rules")
	var out []string
	for _, r := range rules {
		m, ok := r.(map[string]any)
		if !ok {
			continue
		}
		host, _, _ := unstructured.NestedString(m, "host")
		if host == "" || strings.Contains(host, "*") {
			continue
		}
		scheme := "http"
		if secure[host] {
			scheme = "https"
		}
		out = append(out, scheme+"://"+host)
	}
	return out
}

// Health returns the health to store: the transition time changes only with the status.
func Health(old, now v1alpha1.AppHealthStatus, at metav1.Time) v1alpha1.AppHealthStatus {
	if old.Status == now.Status && old.LastTransitionTime != nil {
		now.LastTransitionTime = old.LastTransitionTime
	} else {
		now.LastTransitionTime = &at
	}
	return now
}

// Code returns the sync status of a plan.
func Code(plan *diff.Plan) v1alpha1.SyncStatusCode {
	if plan.InSync() {
		return v1alpha1.SyncStatusSynced
	}
	return v1alpha1.SyncStatusOutOfSync
}
