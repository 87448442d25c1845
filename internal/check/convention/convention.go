// Package convention judges what a team has agreed on: objects and the team's settings go in; findings on labels, names and
// namespaces come out.
package convention

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/glob"
)

// Checker implements check.Checker.
type Checker struct{}

// IDs of the rules.
const (
	requiredLabels   = "required-labels"
	naming           = "naming"
	defaultNamespace = "default-namespace"
)

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	return []check.Rule{
		{ID: requiredLabels, Title: "object without a label that the team asks for", Severity: check.Warning,
			Why: "Labels are how people, dashboards and bills find what belongs together. Without a setting, workloads are asked for any label that names the application: app.kubernetes.io/name, " +
				"k8s-app, app or name. The setting labels in " + check.ConfigFile + " asks for more.",
			Fix:       "Add the label to metadata.labels; in a kustomization, for all objects at once, with labels.",
			Standards: []string{"kube-linter required-label-owner", "kube-score label-values"}},
		{ID: naming, Title: "name that the team does not use", Severity: check.Warning,
			Why: "Names are read by people, and by alerts and policies that match them. The rule finds nothing until the setting naming in " + check.ConfigFile + " gives patterns.",
			Fix: "Rename the object, or change the pattern."},
		{ID: defaultNamespace, Title: "object in the namespace default", Severity: check.Warning,
			Why: "Everything that names no namespace ends up in default: quotas, policies and rights there hold for everybody and so for nobody. " +
				"Directories that no Application of the repository refers to are not asked for a namespace, as it is given when they are applied.",
			Fix:       "Set metadata.namespace, or spec.destination.namespace of the Application, and define that namespace.",
			Standards: []string{"CIS 5.7.4", "NSA C-0061", "kube-linter use-namespace"}},
	}
}

// selection says which objects a setting is about.
type selection struct {
	kinds      []string
	namespaces []glob.Pattern
}

func (s *selection) has(o *check.Object) bool {
	if len(s.kinds) > 0 && !slices.Contains(s.kinds, o.Ref.Kind) {
		return false
	}
	return len(s.namespaces) == 0 || slices.ContainsFunc(s.namespaces, func(p glob.Pattern) bool { return p.Match(o.Ref.Namespace) })
}

type labels struct {
	selection
	keys   []string
	values *regexp.Regexp
	text   string
}

type names struct {
	selection
	pattern *regexp.Regexp
	text    string
}

// settings are those of the team, compiled.
type settings struct {
	labels []labels
	names  []names
}

// Bounds of settings, which come with the change that is judged.
const (
	maxRules   = 100
	maxPattern = 1024
)

// compile reads the settings of the team. Expressions match in linear time.
func compile(c *check.Config) (*settings, error) {
	if len(c.Labels) > maxRules || len(c.Naming) > maxRules {
		return nil, fault.New(fault.Invalid, "%s: labels and naming may have %d entries each, not %d and %d", check.ConfigFile, maxRules, len(c.Labels), len(c.Naming))
	}
	out := &settings{}
	for i, l := range c.Labels {
		at := fmt.Sprintf("labels[%d]", i)
		s, err := choose(at, l.Kinds, l.Namespaces)
		if err != nil {
			return nil, err
		}
		if len(l.Keys) == 0 {
			return nil, fault.New(fault.Invalid, "%s: %s.keys is empty: name the labels", check.ConfigFile, at)
		}
		values, err := expression(at+".values", l.Values)
		if err != nil {
			return nil, err
		}
		out.labels = append(out.labels, labels{s, l.Keys, values, l.Values})
	}
	for i, n := range c.Naming {
		at := fmt.Sprintf("naming[%d]", i)
		s, err := choose(at, n.Kinds, n.Namespaces)
		if err != nil {
			return nil, err
		}
		pattern, err := expression(at+".pattern", n.Pattern)
		if err != nil {
			return nil, err
		}
		if pattern == nil {
			return nil, fault.New(fault.Invalid, "%s: %s.pattern is empty: write a regular expression", check.ConfigFile, at)
		}
		out.names = append(out.names, names{s, pattern, n.Pattern})
	}
	return out, nil
}

func choose(at string, kinds, namespaces []string) (selection, error) {
	s := selection{kinds: kinds}
	for i, n := range namespaces {
		p, err := glob.Compile(n)
		if err != nil {
			return s, fault.New(fault.Invalid, "%s: %s.namespaces[%d]: %w", check.ConfigFile, at, i, err)
		}
		s.namespaces = append(s.namespaces, p)
	}
	return s, nil
}

// expression compiles text to match the whole of a value; nil if it is empty.
func expression(at, text string) (*regexp.Regexp, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxPattern {
		return nil, fault.New(fault.Invalid, "%s: %s has %d bytes; at most %d are read", check.ConfigFile, at, len(text), maxPattern)
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %s: %w", check.ConfigFile, at, err)
	}
	return re, nil
}

// Check implements check.Checker.
func (Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	team, err := compile(&repo.Config)
	if err != nil {
		return err
	}
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		judgeNamespaces(u, report)
		for _, o := range u.Objects {
			team.judge(o, report)
		}
	}
	return nil
}

func (s *settings) judge(o *check.Object, report func(check.Finding)) {
	works := workload(o)
	if works || len(s.labels) > 0 {
		s.judgeLabels(o, works, report)
	}
	for i := range s.names {
		if n := &s.names[i]; n.has(o) && !n.pattern.MatchString(o.Ref.Name) {
			report(check.Finding{Rule: naming, Object: o, Path: "metadata.name", Message: fmt.Sprintf("%s %s is not named like %s", o.Ref.Kind, o.Ref.Name, n.text)})
		}
	}
}

func (s *settings) judgeLabels(o *check.Object, works bool, report func(check.Finding)) {
	has := check.MapAt(o.Object, "metadata", "labels")
	if len(s.labels) == 0 {
		if slices.ContainsFunc(known(), func(key string) bool { return has[key] != nil }) {
			return
		}
		report(check.Finding{Rule: requiredLabels, Object: o, Path: "metadata.labels", Message: fmt.Sprintf("%s %s has no label that names its application, such as %s", o.Ref.Kind, o.Ref.Name, known()[0]),
			Fix: fmt.Sprintf("Add %s: %s to metadata.labels; in a kustomization, for all objects at once, with labels.", known()[0], o.Ref.Name)})
		return
	}
	var missing []string
	for i := range s.labels {
		l := &s.labels[i]
		if !l.has(o) || len(l.kinds) == 0 && !works {
			continue
		}
		for _, key := range l.keys {
			value, _ := has[key].(string)
			switch {
			case value == "":
				missing = append(missing, key)
			case l.values != nil && !l.values.MatchString(value):
				report(check.Finding{Rule: requiredLabels, Object: o, Path: check.Join("metadata.labels", key), Message: fmt.Sprintf("label %s of %s %s is %q, not like %s", key, o.Ref.Kind, o.Ref.Name, value, l.text)})
			}
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		report(check.Finding{Rule: requiredLabels, Object: o, Path: "metadata.labels", Message: fmt.Sprintf("%s %s has no label %s", o.Ref.Kind, o.Ref.Name, strings.Join(slices.Compact(missing), ", "))})
	}
}

// known are labels that name an application, the recommended one first.
func known() []string {
	return []string{"app.kubernetes.io/name", "k8s-app", "app", "name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
}

// workload reports whether an object makes pods.
func workload(o *check.Object) bool {
	switch o.Ref.Group + "/" + o.Ref.Kind {
	case "/Pod", "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "batch/CronJob", "batch/Job":
		return true
	}
	return false
}

// judgeNamespaces reports an Application whose destination is default once, and objects that name it themselves.
func judgeNamespaces(u *check.Unit, report func(check.Finding)) {
	if u.App != nil && (u.Namespace == "default" || u.Namespace == "") {
		n := 0
		for _, o := range u.Objects {
			if o.Ref.Namespace == "default" || o.Ref.Namespace == "" && placeless(o) {
				n++
			}
		}
		if n > 0 {
			what := "names the namespace default as its destination"
			if u.Namespace == "" {
				what = "names no namespace as its destination"
			}
			report(check.Finding{Rule: defaultNamespace, Unit: u, Place: u.Definition, Message: fmt.Sprintf("Application %s %s, for %d objects", u.Name, what, n)})
		}
		return
	}
	for _, o := range u.Objects {
		if o.Ref.Namespace == "default" && !belongs(o) {
			report(check.Finding{Rule: defaultNamespace, Object: o, Path: "metadata.namespace", Message: fmt.Sprintf("%s %s is in the namespace default", o.Ref.Kind, o.Ref.Name)})
		}
	}
}

// placeless reports whether an object of a built-in kind lives in a namespace, and names none.
func placeless(o *check.Object) bool {
	namespaced, is := check.NewScopes(nil).Namespaced(o.Ref.GroupKind())
	return is && namespaced
}

// belongs reports whether an object is in default to speak of it: rights on what is there, and bounds of it.
func belongs(o *check.Object) bool {
	switch o.Ref.Kind {
	case "Role", "RoleBinding", "NetworkPolicy", "LimitRange", "ResourceQuota":
		return true
	}
	return o.Ref.Name == "kubernetes"
}
