// Package preview says what a merge would do: a repository rendered at two revisions, or one and the plans against what is live, goes
// in; for every application the objects that would be made, changed, deleted and restarted come out, the dangers first, as text,
// JSON or Markdown.
package preview

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Input is what a preview is made of.
type Input struct {
	// Head is the revision to be merged, rendered; Base, in Head.Base, what it would be merged into.
	Head *check.Repository
	// Again is Head rendered once more: what differs is not determined by the files. nil if that was not done.
	Again *check.Repository
	// HeadName and BaseName are the revisions for people.
	HeadName, BaseName string
	// Live holds plans against clusters, which take the place of the base; by the name of the unit.
	Live map[string]Live
	// Refused says which fields of an object the API server would refuse to change, in sentences; nil if nobody knows.
	Refused func(o *check.Object) []string
	// Key masks values of secrets. It is random and used once.
	Key []byte
}

// Live is the plan for one application against its cluster, or why there is none.
type Live struct {
	Plan   *diff.Plan
	Masked []string
	Err    error
}

// Preview is what would change. It holds no secrets.
type Preview struct {
	FormatVersion int    `json:"formatVersion"`
	Base          string `json:"base"`
	Head          string `json:"head"`
	// Units are those that would change or could not be judged, the most dangerous first.
	Units []Unit `json:"units"`
	// Same counts the units that would not change.
	Same    int             `json:"same"`
	Counts  Counts          `json:"counts"`
	Skipped []check.Skipped `json:"skipped"`
}

// Counts count objects.
type Counts struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Delete  int `json:"delete"`
	Restart int `json:"restart"`
}

// Unit is an application, or a directory that none refers to.
type Unit struct {
	Name      string `json:"name"`
	Cluster   string `json:"cluster,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	// Follows is the branch or revision that an application follows.
	Follows string `json:"follows,omitempty"`
	// State is changed, added, removed, or failed: the render did.
	State  string `json:"state"`
	Err    string `json:"error,omitempty"`
	Note   string `json:"note,omitempty"`
	Counts Counts `json:"counts"`
	// Dangers are ordered: those that destroy or fail first.
	Dangers []Danger `json:"dangers"`
	Objects []Object `json:"objects"`
	// Unstable are fields that two renders of one revision give different values. They are left out of the comparison.
	Unstable []Unstable `json:"unstable,omitempty"`
	// SameIn are units with the same change in another namespace or cluster.
	SameIn []string `json:"sameIn,omitempty"`
}

// States of units.
const (
	Changed = "changed"
	Added   = "added"
	Removed = "removed"
	Failed  = "failed"
)

// Danger is something to look at before a merge.
type Danger struct {
	// Severity is danger or warning.
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Object   string `json:"object,omitempty"`
	Message  string `json:"message"`
}

// Object is an object that would be made, changed or deleted.
type Object struct {
	Group     string  `json:"group,omitempty"`
	Kind      string  `json:"kind"`
	Namespace string  `json:"namespace,omitempty"`
	Name      string  `json:"name"`
	Action    string  `json:"action"`
	Reason    string  `json:"reason,omitempty"`
	Restarts  bool    `json:"restarts,omitempty"`
	Hook      bool    `json:"hook,omitempty"`
	Fields    []Field `json:"fields,omitempty"`
	// Diff is a unified diff of the manifests.
	Diff string `json:"diff,omitempty"`
}

func (o *Object) ref() object.Ref {
	return object.Ref{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

// Field is a changed field; an absent value is nil.
type Field struct {
	Path   string `json:"path"`
	Before any    `json:"before"`
	After  any    `json:"after"`
}

// Unstable names fields of an object; no paths mean the object as a whole, which has another name in every render.
type Unstable struct {
	Object string   `json:"object"`
	Paths  []string `json:"paths,omitempty"`
}

// New compares.
func New(in Input) (*Preview, error) {
	w := work{in: in, mask: mask.NewKeyed(in.Key), shared: sharedObjects(in.Head)}
	p := &Preview{FormatVersion: 1, Base: mask.Line(in.BaseName), Head: mask.Line(in.HeadName), Units: []Unit{}, Skipped: []check.Skipped{}}
	for _, name := range unitNames(in) {
		head, base := in.Head.Unit(name), in.Head.Base.Unit(name)
		if head != nil && head.Skipped != "" {
			p.Skipped = append(p.Skipped, check.Skipped{Unit: mask.Line(name), Why: mask.Line(mask.Values(head.Skipped))})
			continue
		}
		if head != nil && head.Unchanged {
			p.Same++
			continue
		}
		if base == nil && partOf(in.Head, head) {
			continue
		}
		u, err := w.unit(name, head, base)
		if err != nil {
			return nil, err
		}
		if u == nil {
			p.Same++
			continue
		}
		p.Units = append(p.Units, *u)
	}
	p.Units = fold(p.Units)
	for i := range p.Units {
		n := 1 + len(p.Units[i].SameIn)
		c := p.Units[i].Counts
		p.Counts.Create += n * c.Create
		p.Counts.Update += n * c.Update
		p.Counts.Delete += n * c.Delete
		p.Counts.Restart += n * c.Restart
	}
	slices.SortStableFunc(p.Units, func(a, b Unit) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), strings.Compare(a.Name, b.Name))
	})
	return p, nil
}

// partOf reports whether a directory is only by itself because what it is a part of could not be rendered.
func partOf(head *check.Repository, u *check.Unit) bool {
	if u == nil || u.App != nil || head.Base == nil || !slices.ContainsFunc(head.Units, func(u *check.Unit) bool { return u.Err != nil }) {
		return false
	}
	for _, whole := range head.Base.Units {
		for _, name := range whole.Reads {
			if path.Dir(name) == u.Path || strings.HasPrefix(name, u.Path+"/") {
				return true
			}
		}
	}
	return false
}

// Changes reports whether anything would change.
func (p *Preview) Changes() bool {
	return slices.ContainsFunc(p.Units, func(u Unit) bool { return u.Counts != (Counts{}) || u.State != Changed && u.State != Failed })
}

// Failures names the units that could not be judged.
func (p *Preview) Failures() (names []string) {
	for _, u := range p.Units {
		if u.State == Failed {
			names = append(names, u.Name)
		}
	}
	return names
}

// weight orders units: what fails, what is dangerous, what is to be looked at, the rest.
func (u *Unit) weight() int {
	weight := 0
	if u.State == Failed {
		weight = 1 << 20
	}
	for _, d := range u.Dangers {
		if d.Severity == insight.Danger {
			weight += 1 << 8
		} else {
			weight++
		}
	}
	return weight
}

func unitNames(in Input) (names []string) {
	for _, r := range []*check.Repository{in.Head, in.Head.Base} {
		if r == nil {
			continue
		}
		for _, u := range r.Units {
			names = append(names, u.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fold puts units with the same change together; objects may be in another namespace.
func fold(units []Unit) []Unit {
	var out []Unit
	at := map[string]int{}
	for _, u := range units {
		if u.State == Failed {
			out = append(out, u)
			continue
		}
		key := u.signature()
		if i, seen := at[key]; seen {
			out[i].SameIn = append(out[i].SameIn, u.Name)
			continue
		}
		at[key] = len(out)
		out = append(out, u)
	}
	return out
}

// signature is equal for units with equal changes.
func (u *Unit) signature() string {
	parts := []any{u.State, u.Note, u.Unstable}
	for _, d := range u.Dangers {
		parts = append(parts, d.Severity, d.Code)
	}
	for i := range u.Objects {
		o := u.Objects[i]
		parts = append(parts, o.Group, o.Kind, o.Name, o.Action, o.Reason, o.Restarts, o.Hook)
		for _, f := range o.Fields {
			if f.Path != "metadata.namespace" {
				parts = append(parts, f)
			}
		}
		if len(o.Fields) == 0 {
			parts = append(parts, strings.ReplaceAll(o.Diff, "namespace: "+o.Namespace, "namespace: "))
		}
	}
	return object.Hash(parts)
}
