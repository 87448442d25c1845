package report

import (
	"bufio"
	"encoding/xml"
	"fmt"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
)

// The parts of a JUnit report that test runners agree on.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Line      int           `xml:"line,attr,omitempty"`
		Failure   *junitFailure `xml:"failure,omitempty"`
		Skipped   *junitSkipped `xml:"skipped,omitempty"`
		Out       string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
)

// writeJUnit writes a suite for each rule: a case for each result, which fails from o.FailOn on, or one that passes. What was
// suppressed or not judged is skipped.
func writeJUnit(out *bufio.Writer, r *check.Report, o *Options) error {
	byRule := map[string]*junitSuite{}
	for _, rule := range r.Rules {
		byRule[rule.ID] = &junitSuite{Name: rule.ID}
	}
	add := func(result *check.Result, c junitCase) {
		suite := byRule[result.Rule.ID]
		if suite == nil { // a report made by hand
			suite = &junitSuite{Name: result.Rule.ID}
			byRule[result.Rule.ID] = suite
			r.Rules = append(r.Rules, result.Rule)
		}
		suite.add(c)
	}
	for i := range r.Results {
		add(&r.Results[i], junitResult(&r.Results[i], o))
	}
	for i := range r.Suppressed {
		c := junitResult(&r.Suppressed[i], o)
		c.Failure, c.Out = nil, ""
		c.Skipped = &junitSkipped{Message: "suppressed: " + reasonOf(&r.Suppressed[i])}
		add(&r.Suppressed[i], c)
	}
	all := junitSuites{Name: "belay check"}
	for _, rule := range r.Rules {
		suite := byRule[rule.ID]
		if len(suite.Cases) == 0 {
			suite.add(junitCase{Name: rule.Title, ClassName: rule.ID})
		}
		all.add(*suite)
	}
	if len(r.Skipped) > 0 {
		suite := junitSuite{Name: "not judged"}
		for _, s := range r.Skipped {
			suite.add(junitCase{Name: mask.Line(s.Unit), ClassName: "not judged", Skipped: &junitSkipped{Message: said(s.Why)}})
		}
		all.add(suite)
	}
	if _, err := out.WriteString(xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	return out.WriteByte('\n')
}

func reasonOf(r *check.Result) string {
	if r.Suppression == nil {
		return ""
	}
	return said(r.Suppression.Reason)
}

func junitResult(r *check.Result, o *Options) junitCase {
	text := fmt.Sprintf("%s: %s\nobject: %s\nwhy: %s\nfix: %s\nmore: %s", o.place(r.Place), said(r.Message), objects(r, 10), said(r.Rule.Why), said(r.Fix), helpURL(r.Rule.ID))
	c := junitCase{Name: o.place(r.Place) + ": " + said(r.Message), ClassName: r.Rule.ID, File: o.file(r.Place), Line: r.Place.Line}
	if r.Severity >= o.FailOn {
		c.Failure = &junitFailure{Message: said(r.Message), Type: r.Severity.String(), Text: text}
	} else {
		c.Out = r.Severity.String() + ": " + text
	}
	return c
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
}

func (s *junitSuites) add(suite junitSuite) {
	s.Suites = append(s.Suites, suite)
	s.Tests += suite.Tests
	s.Failures += suite.Failures
	s.Skipped += suite.Skipped
}
