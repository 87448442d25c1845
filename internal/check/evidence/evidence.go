// Package evidence judges images by what vulnerability scanners said about them: reports of scanners go in; a finding comes out for every
// image with a vulnerability that is not accepted, and for every image that no report of today's age is about. It scans nothing itself.
package evidence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/check"
)

// Scan is what one report says about one image.
type Scan struct {
	// File is the report, Tool what wrote it.
	File, Tool string
	// Digests are those of the image, sha256:...; never that of its configuration.
	Digests []string
	// At is when the image was scanned, the zero time if the report does not say.
	At time.Time
	// Vulnerabilities are in the order of the report.
	Vulnerabilities []Vulnerability
}

// Vulnerability is one of an image.
type Vulnerability struct {
	ID, Package, Installed string
	// Fixed is the version that mends it; empty if there is none. Unknown says that the report does not tell.
	Fixed    string
	Unknown  bool
	Severity Severity
}

// Severity is how bad a vulnerability is. What a scanner cannot say counts as medium.
type Severity int

// Severities in rising order.
const (
	None Severity = iota
	Low
	Medium
	High
	Critical
)

func names() []string { return []string{"none", "low", "medium", "high", "critical"} }

func (s Severity) String() string { return names()[s] }

// severity reads the words of scanners.
func severity(word string) Severity {
	word = strings.ToLower(word)
	if i := slices.Index(names(), word); i >= 0 {
		return Severity(i)
	}
	switch word {
	case "negligible", "info", "informational":
		return Low
	}
	return Medium
}

// maxAge is how old a scan may be unless the settings say otherwise.
const maxAge = 30 * 24 * time.Hour

// Checker implements check.Checker.
type Checker struct {
	scans []Scan
	now   time.Time
}

// New returns a Checker that knows scans.
func New(scans []Scan, now time.Time) *Checker { return &Checker{scans: scans, now: now} }

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	strict := map[check.Profile]check.Severity{check.Restricted: check.Error, check.CIS: check.Error, check.NSA: check.Error}
	return []check.Rule{{
		ID: "image-vulnerable", Title: "image with a known vulnerability", Severity: check.Error,
		Why:       "The report of a scanner names a vulnerability above what the settings accept, and whoever attacks the cluster can read the same lists.",
		Fix:       "Build the image anew with the fixed versions and deploy its new digest. Where the vulnerability does not matter, an exception says why and until when.",
		Standards: []string{"CIS 5.5.1"},
	}, {
		ID: "image-not-scanned", Title: "image that no valid report is about", Severity: check.Warning, Profiles: strict,
		Why:       "Nothing is known about this image: no report names its digest, or the scan is too old to know what was found since. That is not the same as clean.",
		Fix:       "Scan the image by its digest, deploy it by the same digest, and pass the report with --evidence.",
		Standards: []string{"CIS 5.5.1"},
	}}
}

// Check implements check.Checker.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	j := c.judge(repo.Config.Evidence)
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			p := check.PodOf(o.Unstructured)
			if p == nil {
				continue
			}
			for _, container := range p.Containers() {
				image, _ := container.Fields["image"].(string)
				if image == "" {
					continue
				}
				for _, f := range j.image(image) {
					f.Object, f.Path = o, check.Join(container.Path, "image")
					report(f)
				}
			}
		}
	}
	return nil
}

// judgement is what the settings accept, and the newest scan of every tool by digest.
type judgement struct {
	config   check.EvidenceConfig
	accepted Severity
	maxAge   time.Duration
	now      time.Time
	scans    map[string][]*Scan
}

func (c *Checker) judge(config check.EvidenceConfig) *judgement {
	j := &judgement{config: config, accepted: severity(cmp.Or(config.MaxSeverity, "medium")), maxAge: cmp.Or(time.Duration(config.MaxAge), maxAge), now: c.now, scans: map[string][]*Scan{}}
	for i := range c.scans {
		for _, d := range c.scans[i].Digests {
			j.scans[d] = append(j.scans[d], &c.scans[i])
		}
	}
	for d, list := range j.scans {
		slices.SortStableFunc(list, func(a, b *Scan) int { return b.At.Compare(a.At) })
		seen := map[string]bool{}
		j.scans[d] = slices.DeleteFunc(list, func(s *Scan) bool {
			tool := strings.ToLower(s.Tool)
			dup := seen[tool]
			seen[tool] = true
			return dup
		})
	}
	return j
}

// image returns what is wrong with an image.
func (j *judgement) image(image string) []check.Finding {
	not := func(format string, args ...any) []check.Finding {
		return []check.Finding{{Rule: "image-not-scanned", Message: fmt.Sprintf("the image %s: ", image) + fmt.Sprintf(format, args...)}}
	}
	_, digest, ok := strings.Cut(image, "@")
	if !ok {
		return not("it is named without a digest, so no report can be known to be about it")
	}
	scans := j.scans[digest]
	if len(scans) == 0 {
		return not("no report is about its digest")
	}
	// A scan that is too old does not make an image clean, but what it found is still there.
	var fresh, stale, out []check.Finding
	valid := false
	for _, s := range scans {
		f, old := j.vulnerable(image, s), j.stale(s)
		list := &fresh
		if old != "" {
			list = &stale
			if len(out) == 0 {
				out = not("the scan of %s by %s %s", s.File, s.Tool, old)
			}
		}
		valid = valid || old == ""
		if f != nil {
			*list = append(*list, *f)
		}
	}
	if valid {
		return fresh
	}
	return append(out, stale...)
}

// stale says why a scan is too old; empty if it is not.
func (j *judgement) stale(s *Scan) string {
	switch {
	case s.At.IsZero():
		return "does not say when it was made"
	case s.At.After(j.now.Add(time.Hour)):
		return "says that it was made in the future, " + s.At.UTC().Format(time.DateOnly)
	case j.now.Sub(s.At) > j.maxAge:
		return fmt.Sprintf("is of %s, older than %d days", s.At.UTC().Format(time.DateOnly), int(j.maxAge.Hours()/24))
	}
	return ""
}

// vulnerable returns the finding on what a scan found and the settings do not accept, the worst first.
func (j *judgement) vulnerable(image string, s *Scan) *check.Finding {
	var bad []Vulnerability
	seen := map[string]bool{}
	for _, v := range s.Vulnerabilities {
		key := v.ID + " " + v.Package
		if v.Severity <= j.accepted || j.config.FixableOnly && v.Fixed == "" && !v.Unknown || seen[key] {
			continue
		}
		seen[key] = true
		bad = append(bad, v)
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortStableFunc(bad, func(a, b Vulnerability) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.ID, b.ID), strings.Compare(a.Package, b.Package))
	})
	var parts []string
	for _, v := range bad[:min(3, len(bad))] {
		text := fmt.Sprintf("%s (%s", v.ID, v.Severity)
		if v.Package != "" {
			text += ", " + strings.TrimSpace(v.Package+" "+v.Installed)
		}
		if v.Fixed != "" {
			text += ", fixed in " + v.Fixed
		}
		parts = append(parts, text+")")
	}
	more := ""
	if n := len(bad) - len(parts); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return &check.Finding{Rule: "image-vulnerable", Message: fmt.Sprintf("the image %s has %s%s, says %s", image, strings.Join(parts, ", "), more, s.Tool)}
}
