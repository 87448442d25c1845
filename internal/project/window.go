package project

import "github.com/belaycd/belay/api/v1alpha1"

// window is a sync window, without its times: those are not evaluated yet, see pending.
type window struct {
	applications, namespaces, clusters []pattern
	all                                bool // andOperator: every list must select the application
}

func windowsOf(windows v1alpha1.SyncWindows) []window {
	var out []window
	for _, w := range windows {
		if w == nil {
			continue
		}
		out = append(out, window{
			applications: globs(w.Applications), namespaces: globs(w.Namespaces), clusters: globs(w.Clusters),
			all: w.UseAndOperator,
		})
	}
	return out
}

func globs(texts []string) []pattern {
	out := make([]pattern, len(texts))
	for i, text := range texts {
		out[i] = plain(text)
	}
	return out
}

// covers reports whether the window may concern the application. The destination names its cluster in one of two
// ways; a pattern for the other way may concern it too.
func (w window) covers(app *v1alpha1.Application) bool {
	dst := app.Spec.Destination
	matched, lists := 0, 0
	for _, l := range []struct {
		patterns []pattern
		values   []string
	}{
		{w.applications, []string{app.Name}},
		{w.namespaces, []string{dst.Namespace}},
		{w.clusters, []string{dst.Server, dst.Name}},
	} {
		if len(l.patterns) == 0 {
			continue
		}
		lists++
		if selects(l.patterns, l.values) {
			matched++
		}
	}
	if w.all {
		return lists > 0 && matched == lists
	}
	return matched > 0
}

func selects(patterns []pattern, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			// With two values, an empty one is the way that the destination does not use.
			if p.err != nil || p.matches(v) || v == "" && len(values) > 1 {
				return true
			}
		}
	}
	return false
}
