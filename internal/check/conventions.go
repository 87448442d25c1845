package check

// LabelRule asks objects for labels.
type LabelRule struct {
	// Kinds are the kinds that must have them, such as Deployment; empty means all that make pods, PodTemplates aside.
	Kinds []string `yaml:"kinds"`
	// Namespaces are globs; empty means all.
	Namespaces []string `yaml:"namespaces"`
	// Keys are the labels, all of them.
	Keys []string `yaml:"keys"`
	// Values is a regular expression that matches the whole of each value; empty allows every one that is not empty.
	Values string `yaml:"values"`
}

// NameRule says how objects are named.
type NameRule struct {
	// Kinds and Namespaces are as in LabelRule; empty Kinds mean all.
	Kinds      []string `yaml:"kinds"`
	Namespaces []string `yaml:"namespaces"`
	// Pattern is a regular expression that matches the whole name.
	Pattern string `yaml:"pattern"`
}
