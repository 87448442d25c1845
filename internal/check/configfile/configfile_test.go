package configfile

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/fault"
)

func rules() []check.Rule {
	return []check.Rule{{ID: "image-tag"}, {ID: "secret-plaintext"}}
}

const full = `profile: restricted
severities: {image-tag: off}
kubeVersions: ["1.36", 1.37.2]
policies: [policies]
overrides:
- units: [sandbox-*]
  profile: default
  severities:
    image-tag: note
exceptions:
- rule: secret-plaintext
  unit: shop/**
  name: "test-*"
  reason: test keys of a public fixture
  owner: team-shop
  expires: 2027-03-31
nonWaivable: [secret-plaintext]
commits:
  types: [feat, fix]
evidence:
  files: ["scans/*.json"]
  maxSeverity: low
  fixableOnly: true
  maxAge: 7d
`

func TestParse(t *testing.T) {
	c, err := Parse("c.yaml", []byte(full), rules())
	if err != nil {
		t.Fatal(err)
	}
	e := c.Exceptions[0]
	switch {
	case c.Profile != check.Restricted, c.Severities["image-tag"] != check.Off, len(c.KubeVersions) != 2, c.KubeVersions[1] != "1.37.2", c.Policies[0] != "policies":
		t.Errorf("%+v", c)
	case !c.Overrides[0].Units[0].Match("sandbox-a"), c.Overrides[0].Units[0].Match("sandbox-a/b"), c.Overrides[0].At.Line != 6, c.Overrides[0].Severities["image-tag"] != check.Note:
		t.Errorf("%+v", c.Overrides)
	case e.At.String() != "c.yaml:11:3", !e.Unit.Match("shop/a/b"), e.Name.Match("prod"), !e.Kind.Match("anything"), e.Owner != "team-shop",
		!e.Expires.Equal(time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)):
		t.Errorf("%+v", e)
	case c.NonWaivable[0] != "secret-plaintext", len(c.Commits.Types) != 2:
		t.Errorf("%+v", c)
	case !c.Evidence.Files[0].Match("scans/a.json"), !c.Evidence.FixableOnly, time.Duration(c.Evidence.MaxAge) != 7*24*time.Hour:
		t.Errorf("%+v", c.Evidence)
	}
}

// TestParseRefuses: every error names the file, the line and the cause.
func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"Syntax", "profile: [", "c.yaml:1: "},
		{"Tab", "a:\n\tb: c", "c.yaml:2: "},
		{"List", "- a", "c.yaml:1:1: a mapping is wanted, not a list"},
		{"Unknown", "\nprofil: default", `c.yaml:2:1: unknown field "profil"; did you mean profile?`},
		{"Twice", "profile: cis\nprofile: nsa", `c.yaml:2:1: the field "profile" stands here twice`},
		{"Profile", "profile: strict", `c.yaml:1:10: profile: unknown profile "strict": one of default, restricted, cis, nsa`},
		{"Severity", "severities: {image-tag: fatal}", `c.yaml:1:25: image-tag: unknown severity "fatal"`},
		{"Rule", "severities:\n  image-tga: off", `c.yaml:2:3: unknown rule "image-tga"; did you mean image-tag?`},
		{"NonWaivable", "nonWaivable: [x]", `c.yaml:1:15: unknown rule "x"`},
		{"OverrideRule", "overrides: [{units: [a], severities: {x: off}}]", `c.yaml:1:39: unknown rule "x"`},
		{"OverrideForAll", "overrides: [{profile: cis}]", "c.yaml:1:13: an override needs units, paths or clusters"},
		{"KubeVersion", "kubeVersions: [v1]", `c.yaml:1:16: "v1" is not a version`},
		{"NotAList", "policies: a", "c.yaml:1:11: policies: a list is wanted, not a single value"},
		{"NotAText", "policies: [[a]]", "c.yaml:1:12: policies: a text is wanted, not a list"},
		{"Glob", "overrides: [{units: ['a{']}]", `c.yaml:1:22: units: glob "a{"`},
		{"Reason", "exceptions: [{rule: image-tag, unit: a, owner: b}]", "c.yaml:1:14: an exception needs its reason"},
		{"Blank", "exceptions: [{rule: image-tag, unit: a, owner: b, reason: ' '}]", "c.yaml:1:14: an exception needs its reason"},
		{"Owner", "exceptions: [{rule: image-tag, unit: a, reason: b}]", "c.yaml:1:14: an exception needs its owner"},
		{"ExceptionRule", "exceptions: [{rule: z, unit: a, reason: b, owner: c}]", `c.yaml:1:21: unknown rule "z"`},
		{"Everything", "exceptions: [{rule: image-tag, reason: b, owner: c}]", "c.yaml:1:14: an exception needs one of unit, kind"},
		{"Expires", "exceptions: [{rule: image-tag, unit: a, reason: b, owner: c, expires: soon}]", `c.yaml:1:71: expires: "soon" is not a day`},
		{"Documents", "profile: cis\n---\nprofile: nsa", "c.yaml: more than one YAML document"},
		{"Anchor", "policies: &a [b]", "c.yaml:1:11: policies: anchors and aliases are not read here"},
		{"Alias", "severities: {image-tag: &a off}", "c.yaml:1:25: image-tag: anchors"},
		{"Age", "evidence: {maxAge: -3d}", `c.yaml:1:20: maxAge: "-3d" is not a duration`},
		{"Bool", "evidence: {fixableOnly: perhaps}", `c.yaml:1:25: fixableOnly: "perhaps" is not a bool`},
		{"Vulnerabilities", "evidence: {maxSeverity: bad}", `c.yaml:1:25: unknown severity "bad" of vulnerabilities`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Parse("c.yaml", []byte(tc.text), rules())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v\nwant %s", err, tc.want)
			}
			if !fault.Is(err, fault.Invalid) || c.Profile != "" {
				t.Errorf("kind of %v, config %+v", err, c)
			}
		})
	}
	_, err := Parse("c.yaml", []byte("profil: a\nseverities: {z: off}"), rules())
	if err == nil || strings.Count(err.Error(), "c.yaml:") != 2 {
		t.Errorf("both errors are told: %v", err)
	}
}

func TestReadWithoutFile(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{"None": {}, "Empty": {check.ConfigFile: {}}, "Comment": {check.ConfigFile: {Data: []byte("# nothing yet\n")}}} {
		if c, err := Read(files, rules()); err != nil || c.Profile != "" {
			t.Errorf("%s: %+v %v", name, c, err)
		}
	}
	// A file of another version may name rules that this one does not know.
	if _, err := Parse("c.yaml", []byte("severities: {gone: off}"), nil); err != nil {
		t.Error(err)
	}
	if _, err := Read(fstest.MapFS{check.ConfigFile: {Data: []byte("a: b")}}, nil); err == nil || !strings.Contains(err.Error(), check.ConfigFile+":1:1") {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{full, "", "a: &b [*b]", "exceptions: [{}]", "severities: {? [a] : b}", "<<: {a: b}", "profile: !!binary aGk=", "overrides: [null]", "exceptions: [null, {rule: null}]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse("c.yaml", []byte(text), rules())
		if err != nil && !strings.HasPrefix(err.Error(), "c.yaml:") {
			t.Errorf("an error without its place: %v", err)
		}
	})
}
