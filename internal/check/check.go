// Package check judges manifests before they are merged: a rendered repository goes in; findings come out, each with the
// line that caused it, why it matters and how it is mended.
package check

import (
	"context"
	"fmt"
	"slices"
)

// Severity is how much a finding weighs.
type Severity int

// Severities, in rising order. Off findings are not reported.
const (
	Off Severity = iota
	Note
	Warning
	Error
)

func severityNames() []string { return []string{"off", "note", "warning", "error"} }

func (s Severity) String() string { return severityNames()[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames(), string(text))
	if i < 0 {
		return fmt.Errorf("unknown severity %q: one of off, note, warning, error", text)
	}
	*s = Severity(i)
	return nil
}

// Profile chooses which rules count, and how much.
type Profile string

// Profiles: Default blocks what breaks or endangers a cluster; Restricted adds what the restricted Pod Security Standard and
// careful teams ask for; CIS and NSA add the items of these benchmarks.
const (
	Default    Profile = "default"
	Restricted Profile = "restricted"
	CIS        Profile = "cis"
	NSA        Profile = "nsa"
)

// Profiles lists all profiles.
func Profiles() []Profile { return []Profile{Default, Restricted, CIS, NSA} }

// Rule is one entry of the catalogue: what a Checker looks for.
type Rule struct {
	// ID is stable and names the page of the rule: docs/reference/checks/<id>.md.
	ID string
	// Title says in a noun phrase what is found, such as "image without a fixed tag".
	Title string
	// Severity is that of the default profile.
	Severity Severity
	// Profiles holds the severities of the profiles that differ from the default one.
	Profiles map[Profile]Severity
	// Why says what goes wrong; Fix says what to do. Both are sentences for people.
	Why, Fix string
	// Standards are the items of other catalogues that the rule covers, such as "CIS 5.1.3".
	Standards []string
	// Sensitive says that the place of a finding holds a secret: no output shows the line.
	Sensitive bool
}

// In returns the severity of the rule in a profile.
func (r Rule) In(p Profile) Severity {
	if s, ok := r.Profiles[p]; ok {
		return s
	}
	return r.Severity
}

// Finding is what a Checker reports: one defect of one object or file.
type Finding struct {
	// Rule is the ID of a Rule of the Checker.
	Rule string
	// Severity replaces that of the rule where one case weighs less or more than the others; Off takes the rule's.
	Severity Severity
	// Unit and Object are what was judged; Object is nil for a finding on a file or a unit as a whole.
	Unit   *Unit
	Object *Object
	// Path is the field, in the form spec.template.spec.containers[name=app].image; empty for the object as a whole. It may
	// name a field that is not there, for one that is missing.
	Path string
	// Message says what is wrong in one clause, the value included; never the value of a secret.
	Message string
	// Fix replaces that of the rule where the case allows a better one.
	Fix string
	// Place is the cause, where the Checker knows it; otherwise it is found by Object and Path.
	Place Place
}

// Place is a position in a file of the repository. Lines and columns count from 1; 0 is unknown.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Commit is set in place of File for what is in no file: "commit" and its id, or "title" for that of a pull request.
	Commit string `json:"commit,omitempty"`
}

func (p Place) String() string {
	switch {
	case p.File == "" && p.Commit != "":
		return p.Commit
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Checker judges a repository. Implementations read the repository, report through report, which is safe for concurrent use,
// and change nothing. An error means that they could not judge; what is wrong with manifests is a finding.
type Checker interface {
	Rules() []Rule
	Check(ctx context.Context, repo *Repository, report func(Finding)) error
}

// Locator finds the line that caused a finding. A place without a line is better than a wrong one.
type Locator interface {
	Place(f *Finding) Place
}
