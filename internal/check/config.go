package check

// ConfigFile is where a repository keeps its Config.
const ConfigFile = ".belay/check.yaml"

// Config is what a team has set. The zero value is the default.
type Config struct {
	// Profile is the set of rules; empty means Default.
	Profile Profile
	// Severities replace those of the profile, by rule.
	Severities map[string]Severity
	// Registries are what images may come from: a host, or a host and the first steps of the repository, such as ghcr.io/acme. A *
	// stands for any text within a step. Empty allows all.
	Registries []string `json:"registries,omitempty" yaml:"registries"`
	// Labels are labels that objects must have. Empty asks workloads for a label that names the application.
	Labels []LabelRule `json:"labels,omitempty" yaml:"labels"`
	// Naming says how objects are named.
	Naming []NameRule `json:"naming,omitempty" yaml:"naming"`
}

// LabelRule asks objects for labels.
type LabelRule struct {
	// Kinds are the kinds that must have them, such as Deployment; empty means all that make pods, PodTemplates aside.
	Kinds []string `json:"kinds,omitempty" yaml:"kinds"`
	// Namespaces are globs; empty means all.
	Namespaces []string `json:"namespaces,omitempty" yaml:"namespaces"`
	// Keys are the labels, all of them.
	Keys []string `json:"keys" yaml:"keys"`
	// Values is a regular expression that matches the whole of each value; empty allows every one that is not empty.
	Values string `json:"values,omitempty" yaml:"values"`
}

// NameRule says how objects are named.
type NameRule struct {
	// Kinds and Namespaces are as in LabelRule; empty Kinds mean all.
	Kinds      []string `json:"kinds,omitempty" yaml:"kinds"`
	Namespaces []string `json:"namespaces,omitempty" yaml:"namespaces"`
	// Pattern is a regular expression that matches the whole name.
	Pattern string `json:"pattern" yaml:"pattern"`
}

// severity of a finding of rule.
func (c Config) severity(rule Rule, f *Finding) Severity {
	if s, ok := c.Severities[rule.ID]; ok {
		return s
	}
	p := c.Profile
	if p == "" {
		p = Default
	}
	s := rule.In(p)
	if s != Off && f.Severity != Off {
		return f.Severity
	}
	return s
}
