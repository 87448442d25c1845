package git

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/Masterminds/semver/v3"

	"github.com/belaycd/belay/internal/fault"
)

// maxTarget is the longest revision that is looked at; git's own names end at 255 bytes a component.
const maxTarget = 1024

// checkTarget returns the wanted revision in the form in which it is looked up.
func checkTarget(target string) (string, error) {
	t := strings.TrimSpace(target)
	switch {
	case t == "":
		return "HEAD", nil
	case len(t) > maxTarget:
		return "", fault.New(fault.Invalid, "revision is longer than %d bytes", maxTarget)
	case !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fault.New(fault.Invalid, "revision %q contains a control character", t)
	}
	return t, nil
}

// lookup decides what target means among the refs of a remote. In order: the full name of a ref, a branch, a tag, a tag
// behind prefix, and for a semver range the highest tag behind prefix that satisfies it. A branch wins over a tag of
// the same name, as in Argo CD.
func (t *refTable) lookup(target, prefix string) (ref, bool, error) {
	names := []string{headsPrefix + target, tagsPrefix + target}
	if target == "HEAD" || strings.HasPrefix(target, "refs/") {
		names = slices.Insert(names, 0, target)
	}
	// What people copy out of git's own output.
	if short, ok := strings.CutPrefix(target, "origin/"); ok {
		names = append(names, headsPrefix+short)
	}
	for _, short := range []string{"heads/", "tags/"} {
		if strings.HasPrefix(target, short) {
			names = append(names, "refs/"+target)
		}
	}
	if prefix != "" {
		names = append(names, tagsPrefix+prefix+target)
	}
	for _, name := range names {
		if r, ok := t.find(name); ok {
			return r, true, nil
		}
	}
	return t.highest(target, prefix)
}

// highest finds the tag with the highest version that satisfies the range target. A complete version such as 1.2 or
// v1.2.3 is a pin and no range, as in Argo CD.
func (t *refTable) highest(target, prefix string) (ref, bool, error) {
	if _, err := semver.NewVersion(target); err == nil {
		return ref{}, false, nil
	}
	constraint, err := semver.NewConstraint(target)
	if err != nil {
		return ref{}, false, nil //nolint:nilerr // not a range, so it was a name, and there is none
	}
	var best ref
	var bestVersion *semver.Version
	tags := 0
	for _, r := range t.refs {
		name, ok := strings.CutPrefix(r.name, tagsPrefix+prefix)
		if !ok {
			continue
		}
		tags++
		v, err := semver.NewVersion(name)
		if err != nil || !constraint.Check(v) {
			continue
		}
		if bestVersion == nil || v.GreaterThan(bestVersion) {
			best, bestVersion = r, v
		}
	}
	if bestVersion == nil {
		where := ""
		if prefix != "" {
			where = " that begin with " + prefix
		}
		return ref{}, false, fault.New(fault.NotFound, "none of the %d tags%s satisfies %q", tags, where, target)
	}
	return best, true, nil
}

// isHex reports whether s is lower-case hexadecimal.
func isHex(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// isObjectID reports whether s is a complete SHA-1 or SHA-256 object name.
func isObjectID(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

// fullSHA returns target as an object name when it is a complete one.
func fullSHA(target string) (oid, bool) {
	s := strings.ToLower(target)
	return oid(s), isObjectID(s)
}

// shortSHA returns target as the beginning of an object name when it can be one; fewer than 7 digits are a name.
func shortSHA(target string) (string, bool) {
	s := strings.ToLower(target)
	return s, len(s) >= 7 && len(s) < 64 && isHex(s)
}

// near returns up to three branches and tags that somebody who wrote target may have meant.
func (t *refTable) near(target string) []string {
	type candidate struct {
		name string
		cost int
	}
	wanted := strings.ToLower(target)
	budget := 2 + len(wanted)/4
	var found []candidate
	for i, r := range t.refs {
		if i == 20_000 {
			break // enough to be helpful; the rest would cost more than the help is worth
		}
		name, ok := strings.CutPrefix(r.name, headsPrefix)
		if !ok {
			name, ok = strings.CutPrefix(r.name, tagsPrefix)
		}
		if !ok || len(name) > 100 {
			continue
		}
		lower := strings.ToLower(name)
		cost := budget + 1
		switch {
		case lower == wanted:
			cost = 0
		case len(wanted) >= 3 && strings.HasSuffix(lower, "/"+wanted), strings.TrimPrefix(lower, "v") == strings.TrimPrefix(wanted, "v"):
			cost = 1
		case abs(len(lower)-len(wanted)) <= budget && len(wanted) <= 100:
			cost = distance(lower, wanted)
		}
		if cost <= budget {
			found = append(found, candidate{name, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.cost - b.cost })
	var names []string
	for _, c := range found {
		if !slices.Contains(names, c.name) && len(names) < 3 {
			names = append(names, c.name)
		}
	}
	return names
}

func abs(n int) int { return max(n, -n) }

// distance counts the insertions, deletions and replacements of bytes between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// unknownRevision says that target names nothing, and what was perhaps meant.
func (t *refTable) unknownRevision(rem remote, target string) error {
	if len(t.refs) == 0 {
		return fault.New(fault.NotFound, "resolve %q in %s: the repository is empty", target, rem.shown())
	}
	if names := t.near(target); len(names) > 0 {
		return fault.New(fault.NotFound, "resolve %q in %s: no such branch, tag or commit; did you mean %s?",
			target, rem.shown(), strings.Join(names, " or "))
	}
	return fault.New(fault.NotFound, "resolve %q in %s: no such branch, tag or commit", target, rem.shown())
}
