package insight

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Hit is something that was found.
type Hit struct {
	Kind   string
	App    *v1alpha1.Application
	Text   string
	Object *ResourceRef
}

// Kinds of hits.
const (
	HitApplication = "application"
	HitResource    = "resource"
	HitImage       = "image"
	HitCommit      = "commit"
)

// Search finds applications by name, and by what they say of their objects, images and commits. The text is in small letters.
// Applications come first, then what begins with the text.
func Search(apps []v1alpha1.Application, text string) []Hit {
	var out []Hit
	for i := range apps {
		app := &apps[i]
		if strings.Contains(strings.ToLower(app.Name), text) {
			out = append(out, Hit{Kind: HitApplication, App: app, Text: app.Name})
		}
		for n := range app.Status.Resources {
			r := &app.Status.Resources[n]
			ref := ResourceRef{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
			if full := ref.Ref().String(); strings.Contains(strings.ToLower(full), text) && !strings.Contains(strings.ToLower(r.Kind), text) {
				out = append(out, Hit{Kind: HitResource, App: app, Text: full, Object: &ref})
			}
		}
		for _, image := range app.Status.Summary.Images {
			if strings.Contains(strings.ToLower(image), text) {
				out = append(out, Hit{Kind: HitImage, App: app, Text: image})
			}
		}
		for _, r := range commitsNamed(app, text) {
			out = append(out, Hit{Kind: HitCommit, App: app, Text: r})
		}
	}
	kinds := []string{HitApplication, HitResource, HitImage, HitCommit}
	begins := func(h Hit) int {
		name := strings.ToLower(h.Text)
		if h.Object != nil {
			name = strings.ToLower(h.Object.Name)
		}
		if strings.HasPrefix(name, text) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(begins(a), begins(b)),
			cmp.Compare(a.Text, b.Text), cmp.Compare(a.App.Name, b.App.Name))
	})
	return out
}

// shortestSHA is how much of a commit's id has to be given.
const shortestSHA = 6

// commitsNamed are the commits of an application's history, and the one that Git has, whose id begins with the text.
func commitsNamed(app *v1alpha1.Application, text string) []string {
	if len(text) < shortestSHA || strings.Trim(text, "0123456789abcdef") != "" {
		return nil
	}
	var all []string
	for _, h := range app.Status.History {
		all = append(all, revisionsOf(h.Revision, h.Revisions)...)
	}
	all = append(all, revisionsOf(app.Status.Sync.Revision, app.Status.Sync.Revisions)...)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(r string) bool { return !strings.HasPrefix(r, text) })
}

// LikelyOwners orders applications by how much of the text the name of one of their objects has in common with it from the
// beginning: pods are named after what owns them. It returns positions; those with nothing in common come last.
func LikelyOwners(apps []v1alpha1.Application, text string) []int {
	common := make([]int, len(apps))
	order := make([]int, len(apps))
	for i := range apps {
		order[i] = i
		for _, r := range apps[i].Status.Resources {
			common[i] = max(common[i], commonPrefix(strings.ToLower(r.Name), text))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(common[b], common[a]) })
	return order
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// EventsOf turns events of Kubernetes into what explanations need, the latest first.
func EventsOf(items []corev1.Event) []Event {
	out := make([]Event, 0, len(items))
	for i := range items {
		e := &items[i]
		var at time.Time
		for _, t := range []time.Time{e.FirstTimestamp.Time, e.EventTime.Time, e.LastTimestamp.Time} {
			if t.After(at) {
				at = t
			}
		}
		if e.Series != nil && e.Series.LastObservedTime.After(at) {
			at = e.Series.LastObservedTime.Time
		}
		out = append(out, Event{Warning: e.Type == corev1.EventTypeWarning, Reason: e.Reason, Message: e.Message, Time: at})
	}
	slices.SortStableFunc(out, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return out
}
