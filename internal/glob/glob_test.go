package glob

import (
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob       string
		separators string
		yes, no    []string
	}{
		{"*", "/", []string{"", "a", "a/b"}, nil},
		{"", "", []string{""}, []string{"a"}},
		{"a", "", []string{"a"}, []string{"", "aa", "ba", "A", "a\n"}},
		{"a*", "", []string{"a", "ab", "a/b", "a\nb"}, []string{"ba"}},
		{"a/*", "/", []string{"a/", "a/b"}, []string{"a", "a/b/c"}},
		{"a/**", "/", []string{"a/b", "a/b/c"}, []string{"a"}},
		{"**.k8s.io", ".", []string{"x.y.k8s.io"}, []string{"k8s.io"}},
		{"*.k8s.io", ".", []string{"x.k8s.io"}, []string{"x.y.k8s.io"}},
		{"a?c", "/", []string{"abc", "aäc"}, []string{"ac", "a/c"}},
		{"[a-c]x", "", []string{"ax", "cx"}, []string{"dx", "-x"}},
		{"[!a-c]x", "", []string{"dx"}, []string{"ax"}},
		{"[ab-]", "", []string{"a", "-"}, []string{"c"}},
		{"[]x]", "", []string{"]", "x"}, []string{"a"}},
		{`[\]]`, "", []string{"]"}, []string{`\`}},
		{"[^x]", "", []string{"y"}, []string{"x"}},
		{"{a,b}c", "", []string{"ac", "bc"}, []string{"c", "abc"}},
		{"{a,b{c,d}}e", "", []string{"ae", "bce", "bde"}, []string{"be"}},
		{"x{,-canary}", "", []string{"x", "x-canary"}, []string{"x-"}},
		{"a,b}", "", []string{"a,b}"}, []string{"a"}},
		{`\*\{a`, "", []string{"*{a"}, []string{"x{a"}},
		{"a.b+(c)|^$", "", []string{"a.b+(c)|^$"}, []string{"axb+(c)|^$"}},
	} {
		p, err := Compile(c.glob, []rune(c.separators)...)
		if err != nil {
			t.Errorf("%q: %v", c.glob, err)
			continue
		}
		for _, name := range c.yes {
			if !p.Match(name) {
				t.Errorf("%q does not match %q", c.glob, name)
			}
		}
		for _, name := range c.no {
			if p.Match(name) {
				t.Errorf("%q matches %q", c.glob, name)
			}
		}
	}
	if (Pattern{}).Match("") {
		t.Error("the zero value matches")
	}
}

func TestCompileErrors(t *testing.T) {
	for glob, want := range map[string]string{
		"{a":                      "a { is not closed",
		"[a":                      "a [ is not closed",
		"[":                       "a [ is not closed",
		"[z-a]":                   "the range z-a is empty",
		`a\`:                      "nothing follows",
		strings.Repeat("a", 2000): "longer than",
	} {
		if _, err := Compile(glob); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compile(%.20q) = %v, want %q", glob, err, want)
		}
	}
}

// TestMatchIsLinear holds what a backtracking matcher would take ages for.
func TestMatchIsLinear(t *testing.T) {
	for _, glob := range []string{"[!a]{a*,*b}{*a,a*b,?}**b*{a,b}{a*,*b}ba*[ab][!a]", strings.Repeat("*a", 200) + "b", strings.Repeat("{a,aa,*}", 100) + "b", strings.Repeat("**", 500) + "b"} {
		p, err := Compile(glob)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, name := range []string{strings.Repeat("a", 10_000), strings.Repeat("aabab", 2_000) + "y"} {
			if p.Match(name) {
				t.Errorf("%.20q matches", glob)
			}
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20q took %v", glob, took)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"*", "a{b,[!c-d]}?", `\`, "[]-a]", "{{{}}}", "a/**/b"} {
		f.Add(seed, "a/b")
	}
	f.Fuzz(func(t *testing.T, glob, name string) {
		p, err := Compile(glob, '/')
		if err != nil {
			return
		}
		free, err := Compile(glob)
		if err != nil {
			t.Fatalf("%q compiles with a separator and not without: %v", glob, err)
		}
		if p.Match(name) && !free.Match(name) {
			t.Errorf("%q matches %q with a separator and not without", glob, name)
		}
	})
}
