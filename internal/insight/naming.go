package insight

import (
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Naming says how applications become services and environments. The zero value has the default labels and order.
type Naming struct {
	// ServiceLabel and EnvironmentLabel are labels of Applications.
	ServiceLabel, EnvironmentLabel string
	// Environments are the environments in their order; others come before and after them in the default order.
	Environments []string
}

// The labels that count where no others are configured.
const (
	DefaultServiceLabel     = "app.kubernetes.io/name"
	DefaultEnvironmentLabel = "environment"
)

func (n Naming) labels() (service, environment string) {
	service, environment = n.ServiceLabel, n.EnvironmentLabel
	if service == "" {
		service = DefaultServiceLabel
	}
	if environment == "" {
		environment = DefaultEnvironmentLabel
	}
	return service, environment
}

// stages are the environments that a path or a name can be recognised by, in the order of the way to production. The first
// word of each names the others.
func stages() [][]string {
	return [][]string{
		{"dev", "development"},
		{"test", "testing"},
		{"qa"},
		{"sandbox"},
		{"staging", "stage", "stg"},
		{"uat"},
		{"preprod", "preproduction", "pre-prod", "pre-production"},
		{"canary"},
		{"production", "prod", "prd", "live"},
	}
}

// stageOf returns the place of a word on the way to production, or -1.
func stageOf(word string) int {
	word = strings.ToLower(word)
	return slices.IndexFunc(stages(), func(names []string) bool { return slices.Contains(names, word) })
}

// holdsEnvironments reports whether the directories in one of this name are environments, whatever they are called.
func holdsEnvironments(dir string) bool {
	return slices.Contains([]string{"overlays", "envs", "env", "environments"}, strings.ToLower(dir))
}

// place is where an application stands in the matrix.
type place struct {
	service, environment string
	// labelled says that a label named the environment.
	labelled bool
}

// places finds service and environment of each application.
func (n Naming) places(apps []v1alpha1.Application) []place {
	out := make([]place, len(apps))
	names := map[string]map[string]bool{} // path without environment -> names without environment
	keys := make([]string, len(apps))
	for i := range apps {
		out[i] = n.place(&apps[i])
		if rest, environment, found := n.cutPath(&apps[i]); found {
			keys[i] = rest
			if out[i].environment == "" {
				out[i].environment = environment
			}
			if names[rest] == nil {
				names[rest] = map[string]bool{}
			}
			names[rest][n.cutName(apps[i].Name, environment)] = true
		}
	}
	for i := range apps {
		if out[i].service == "" {
			out[i].service = n.serviceOf(&apps[i], out[i].environment, names[keys[i]], keys[i])
		}
		if out[i].environment == "" {
			out[i].environment = n.suffix(apps[i].Name)
		}
	}
	n.unite(out)
	return out
}

// place is what the labels say.
func (n Naming) place(app *v1alpha1.Application) place {
	service, environment := n.labels()
	p := place{service: app.Labels[service], environment: app.Labels[environment]}
	p.labelled = p.environment != ""
	return p
}

// serviceOf names the service of an application without a label: all applications of one path but for the environment are
// one service, named as they are without the environment if they agree on that, otherwise as the path or the repository.
func (n Naming) serviceOf(app *v1alpha1.Application, environment string, names map[string]bool, key string) string {
	if len(names) > 1 {
		repo, dir, _ := strings.Cut(key, "\n")
		parts := slices.DeleteFunc(strings.Split(dir, "/"), func(s string) bool { return s == "" || holdsEnvironments(s) })
		if len(parts) == 0 || structural(parts[len(parts)-1]) {
			return strings.TrimSuffix(path.Base(repo), ".git")
		}
		return parts[len(parts)-1]
	}
	return n.cutName(app.Name, environment)
}

// structural reports whether a directory says nothing about what is in it.
func structural(dir string) bool {
	return slices.Contains([]string{"k8s", "kubernetes", "kustomize", "manifests", "deploy", "deployment", "infrastructure", "base", "helm", "chart"}, dir)
}

// cutPath cuts the environment out of repository and path.
func (n Naming) cutPath(app *v1alpha1.Application) (rest, environment string, found bool) {
	src := MainSource(app)
	parts := strings.Split(path.Clean("/"+src.Path), "/")[1:]
	for i := len(parts) - 1; i >= 0; i-- {
		if n.isEnvironment(parts[i]) || i > 0 && holdsEnvironments(parts[i-1]) && parts[i] != "" {
			return src.RepoURL + "\n" + strings.Join(slices.Concat(parts[:i], parts[i+1:]), "/"), parts[i], true
		}
	}
	return "", "", false
}

func (n Naming) isEnvironment(word string) bool {
	return word != "" && (slices.Contains(n.Environments, word) || stageOf(word) >= 0)
}

// suffix is the environment that a name ends with.
func (n Naming) suffix(name string) string {
	// Names of environments may hold a hyphen, and the longest one is meant.
	for i := range name {
		if i > 0 && name[i-1] == '-' && n.isEnvironment(name[i:]) {
			return name[i:]
		}
	}
	return ""
}

// cutName takes the environment off the end of a name, in whatever form it is written there.
func (n Naming) cutName(name, environment string) string {
	if cut, found := strings.CutSuffix(name, "-"+environment); found && environment != "" && cut != "" {
		return cut
	}
	if s := n.suffix(name); s != "" && len(name) > len(s)+1 && (environment == "" || stageOf(s) == stageOf(environment)) {
		return strings.TrimSuffix(name, "-"+s)
	}
	return name
}

// unite gives one name to environments that are written in several ways: the one that is configured, that a label uses, that
// alone is used, or else the first of the known ones. What labels say is not changed.
func (n Naming) unite(out []place) {
	spellings := map[bool]map[int][]string{true: {}, false: {}} // given by somebody, or derived
	add := func(given bool, word string) {
		if s := stageOf(word); s >= 0 && !slices.Contains(spellings[given][s], word) {
			spellings[given][s] = append(spellings[given][s], word)
		}
	}
	for _, e := range n.Environments {
		add(true, e)
	}
	for _, p := range out {
		add(p.labelled, p.environment)
	}
	for i, p := range out {
		s := stageOf(p.environment)
		if p.labelled || s < 0 || slices.Contains(n.Environments, p.environment) {
			continue
		}
		given, derived := spellings[true][s], spellings[false][s]
		switch {
		case len(given) == 1:
			out[i].environment = given[0]
		case len(given) > 1 || len(derived) > 1:
			out[i].environment = stages()[s][0]
		}
	}
}

// columns are the environments in their order: those configured as they are, others by the way to production, unknown ones
// last but before production.
func (n Naming) columns(places []place) []string {
	var out []string
	for _, p := range places {
		if p.environment != "" && !slices.Contains(out, p.environment) {
			out = append(out, p.environment)
		}
	}
	last := len(stages()) - 1
	weight := func(e string) int {
		if s := stageOf(e); s >= 0 && s < last {
			return s
		} else if s == last {
			return last + 1
		}
		return last
	}
	slices.SortFunc(out, func(a, b string) int {
		ia, ib := slices.Index(n.Environments, a), slices.Index(n.Environments, b)
		switch {
		case ia >= 0 && ib >= 0:
			return ia - ib
		case weight(a) != weight(b):
			return weight(a) - weight(b)
		}
		return strings.Compare(a, b)
	})
	return out
}

// MainSource is the first source that has manifests.
func MainSource(app *v1alpha1.Application) v1alpha1.ApplicationSource {
	sources := app.Spec.GetSources()
	for i := range sources {
		if !sources[i].IsRefOnly() {
			return sources[i]
		}
	}
	if len(sources) > 0 {
		return sources[0]
	}
	return v1alpha1.ApplicationSource{}
}
