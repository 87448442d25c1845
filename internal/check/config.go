package check

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/glob"
)

// ConfigFile is where a repository keeps its Config.
const ConfigFile = ".belay/check.yaml"

// Config is what a team has set. The zero value is the default. Its fields are named in files as their tags say.
type Config struct {
	// Profile is the set of rules; empty means Default.
	Profile Profile `yaml:"profile"`
	// Severities replace those of the profile, by rule.
	Severities map[string]Severity `yaml:"severities"`
	// KubeVersions are the versions of the clusters that the repository is for, such as 1.37, the first one foremost.
	KubeVersions []string `yaml:"kubeVersions"`
	// Policies are files and directories of the repository with the team's own policies.
	Policies []string `yaml:"policies"`
	// Overrides replace the settings above for some units. Of several that match, the last one that says something counts.
	Overrides []Override `yaml:"overrides"`
	// Exceptions are findings that the team accepts.
	Exceptions []Exception `yaml:"exceptions"`
	// NonWaivable are rules that a change cannot excuse itself from: annotations and baselines do not count for them, and
	// exceptions and milder severities only if the base revision has them too.
	NonWaivable []string `yaml:"nonWaivable"`
	// Registries are what images may come from: a host, or a host and the first steps of the repository, such as ghcr.io/acme. A *
	// stands for any text within a step. Empty allows all.
	Registries []string `yaml:"registries"`
	// Labels are labels that objects must have. Empty asks workloads for a label that names the application.
	Labels []LabelRule `yaml:"labels"`
	// Naming says how objects are named.
	Naming []NameRule `yaml:"naming"`
	// Commits say how messages of commits are written.
	Commits CommitConfig `yaml:"commits"`
	// Evidence says which vulnerabilities of images are accepted.
	Evidence EvidenceConfig `yaml:"evidence"`
}

// Override is what differs for the units that all its selectors match.
type Override struct {
	// Units are globs of names of Applications, or of directories that none refers to; Paths of the directories that are
	// rendered; Clusters of destinations. One of a list is enough.
	Units    []Glob `yaml:"units"`
	Paths    []Glob `yaml:"paths"`
	Clusters []Glob `yaml:"clusters"`
	// Profile and Severities are as in Config.
	Profile    Profile             `yaml:"profile"`
	Severities map[string]Severity `yaml:"severities"`
	// At is where it is written.
	At Place `yaml:"-"`
}

// Exception accepts the findings of a rule that all its selectors match; empty ones match everything.
type Exception struct {
	Rule string `yaml:"rule"`
	// Unit is the name of an Application, or of a directory that none refers to.
	Unit      Glob `yaml:"unit"`
	Kind      Glob `yaml:"kind"`
	Namespace Glob `yaml:"namespace"`
	Name      Glob `yaml:"name"`
	Container Glob `yaml:"container"`
	// File is the file of the cause, for findings on files.
	File Glob `yaml:"file"`
	// Reason says why the finding is accepted, Owner who answers for that. Both are required.
	Reason string `yaml:"reason"`
	Owner  string `yaml:"owner"`
	// Expires is the last day on which it holds.
	Expires Date `yaml:"expires"`
	// At is where it is written.
	At Place `yaml:"-"`
}

// CommitConfig says how messages of commits are written. The zero value accepts the common types and every scope.
type CommitConfig struct {
	Types  []string `yaml:"types"`
	Scopes []string `yaml:"scopes"`
}

// EvidenceConfig says which vulnerabilities of images are accepted, and where reports on them are.
type EvidenceConfig struct {
	// Files are globs of reports in the repository.
	Files []Glob `yaml:"files"`
	// MaxSeverity is the highest that is accepted: none, low, medium, high or critical; empty means medium.
	MaxSeverity string `yaml:"maxSeverity"`
	// FixableOnly leaves out vulnerabilities for which there is no fixed version.
	FixableOnly bool `yaml:"fixableOnly"`
	// MaxAge is how old a scan may be; 0 means 30 days.
	MaxAge Age `yaml:"maxAge"`
	// Required asks for evidence even when none was given.
	Required bool `yaml:"required"`
}

// Glob is a glob as in Argo CD's settings: * stops at a slash, ** does not. The zero value matches everything.
type Glob struct {
	text    string
	pattern glob.Pattern
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (g *Glob) UnmarshalText(text []byte) error {
	p, err := glob.Compile(string(text), '/')
	if err != nil {
		return err
	}
	*g = Glob{text: string(text), pattern: p}
	return nil
}

func (g Glob) String() string { return g.text }

// Match reports whether the glob matches all of name.
func (g Glob) Match(name string) bool { return g.text == "" || g.pattern.Match(name) }

// anyMatch reports whether one of globs matches; no globs match everything.
func anyMatch(globs []Glob, name string) bool {
	for _, g := range globs {
		if g.Match(name) {
			return true
		}
	}
	return len(globs) == 0
}

// Date is a day, UTC.
type Date struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%q is not a day such as 2027-03-31", text)
	}
	d.Time = t
	return nil
}

// Age is a duration of hours, minutes or days, such as 12h or 30d.
type Age time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Age) UnmarshalText(text []byte) error {
	if n, ok := strings.CutSuffix(string(text), "d"); ok {
		days, err := strconv.ParseUint(n, 10, 16)
		if err != nil || days > 10000 {
			return fmt.Errorf("%q is not a duration such as 12h or 30d", text)
		}
		*a = Age(time.Duration(days) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration such as 12h or 30d", text)
	}
	*a = Age(d)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Profile) UnmarshalText(text []byte) error {
	for _, known := range Profiles() {
		if string(text) == string(known) {
			*p = known
			return nil
		}
	}
	return fmt.Errorf("unknown profile %q: one of default, restricted, cis, nsa", text)
}

// matches reports whether the override is for a unit, which may be nil.
func (o *Override) matches(u *Unit) bool {
	return u != nil && anyMatch(o.Units, u.Name) && anyMatch(o.Paths, u.Path) && anyMatch(o.Clusters, u.Cluster)
}

// severity of a finding of rule.
func (c *Config) severity(rule Rule, f *Finding) Severity {
	profile, own := cmp.Or(c.Profile, Default), Severity(-1)
	if s, ok := c.Severities[rule.ID]; ok {
		own = s
	}
	unit := f.unit()
	for i := range c.Overrides {
		o := &c.Overrides[i]
		if !o.matches(unit) {
			continue
		}
		profile = cmp.Or(o.Profile, profile)
		if s, ok := o.Severities[rule.ID]; ok {
			own = s
		}
	}
	if own >= 0 {
		return own
	}
	s := rule.In(profile)
	if s != Off && f.Severity != Off {
		return f.Severity
	}
	return s
}
