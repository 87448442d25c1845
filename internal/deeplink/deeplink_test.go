package deeplink

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func data() map[string]any {
	app := map[string]any{
		"metadata": map[string]any{"name": "shop", "annotations": map[string]any{"loghost": "logs.example.com", "evil": "javascript:alert(1)//"}},
		"spec":     map[string]any{"project": "default", "destination": map[string]any{"namespace": "shop prod"}},
	}
	return map[string]any{"application": app, "app": app, "resource": map[string]any{"kind": "Pod", "metadata": map[string]any{"name": "web-1"}}}
}

func TestLinks(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []Link
		problem    string
	}{
		{name: "all fields", text: "- {title: Logs, description: of it, icon.class: fa-book, url: 'https://logs.example.com?ns={{.application.metadata.name}}'}",
			want: []Link{{"Logs", "https://logs.example.com?ns=shop", "of it", "fa-book"}}},
		{name: "the short name", text: "- {title: a, url: 'http://x/{{.app.metadata.name | upper}}'}", want: []Link{{Title: "a", URL: "http://x/SHOP"}}},
		{name: "escaping", text: "- {title: a, url: 'http://x/{{urlquery .application.spec.destination.namespace}}'}", want: []Link{{Title: "a", URL: "http://x/shop+prod"}}},
		{name: "what is not there is empty", text: "- {title: a, url: 'http://x/?e={{.project.metadata.labels.env}}&n={{.application.metadata.labels.x}}'}", want: []Link{{Title: "a", URL: "http://x/?e=&n="}}},
		{name: "a condition that holds", text: `- {title: a, url: 'http://x', if: 'application.spec.project == "default"'}`, want: []Link{{Title: "a", URL: "http://x"}}},
		{name: "one that does not", text: `- {title: a, url: 'http://x', if: 'application.spec.project == "other"'}`},
		{name: "an annotation that is there", text: `- {title: a, url: 'http://{{.application.metadata.annotations.loghost}}', if: application.metadata.annotations.loghost}`, want: []Link{{Title: "a", URL: "http://logs.example.com"}}},
		{name: "one that is not", text: `- {title: a, url: 'http://x', if: application.metadata.annotations.absent}`},
		{name: "an object that is not there", text: `- {title: a, url: 'http://x', if: 'project?.metadata.name == "x"'}`},
		{name: "several kinds", text: `- {title: a, url: 'http://x', if: 'resource.kind == "Pod" || resource.kind == "Deployment"'}`, want: []Link{{Title: "a", URL: "http://x"}}},
		{name: "a script in place of an address", text: "- {title: a, url: '{{.application.metadata.annotations.evil}}'}", problem: "neither https:// nor http://"},
		{name: "a number as condition", text: "- {title: a, url: 'http://x', if: '1 + 1'}", problem: "gives a int"},
		{name: "what fails is left out alone", text: "- {title: a, url: 'http://x{{index .application 1 2}}'}\n- {title: b, url: 'http://y'}", want: []Link{{Title: "b", URL: "http://y"}}, problem: "link a"},
		{name: "a long address", text: "- {title: a, url: 'http://x{{range $i, $c := .application.spec.destination}}" + strings.Repeat("x", 5000) + "{{end}}'}", problem: "longer than"},
		{name: "a template within itself", text: `- {title: a, url: '{{define "a"}}{{template "a"}}{{end}}{{template "a"}}'}`, problem: "link a"},
		{name: "widths", text: `- {title: a, url: 'http://x{{printf "%999999999d" 1}}'}`, problem: "widths"},
		{name: "much memory", text: `- {title: a, url: 'http://x', if: 'all(1..100000000, {# > 0})'}`, problem: "condition"},
		{name: "much time", text: `- {title: a, url: 'http://x', if: 'all(1..900000, {all(1..900000, {# > 0})})'}`, problem: "condition"},
		{name: "nothing", text: ""},
	} {
		set, problems := Parse(test.text)
		links, more := set.Links(data())
		problems = append(problems, more...)
		if diff := cmp.Diff(test.want, links); diff != "" {
			t.Errorf("%s: %v\n%s", test.name, problems, diff)
		}
		switch {
		case test.problem == "" && len(problems) > 0:
			t.Errorf("%s: %v", test.name, problems)
		case test.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Error(), test.problem)):
			t.Errorf("%s: %v, want %q", test.name, problems, test.problem)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"title: a": "no list", "- title: a": "no url", "- url: http://x": "no title", "- {title: a, url: '{{.x'}": "no template",
		"- {title: a, url: 'http://x', if: 'a =='}": "no expression", "- {title: a, url: '{{env \"HOME\"}}'}": "no template",
		"- {title: a, url: '{{genPrivateKey \"rsa\"}}'}": "no template", "- {title: a, url: '{{repeat 9 \"x\"}}'}": "no template",
		strings.Repeat("- {title: a, url: 'http://x'}\n", 201): "more than 200", strings.Repeat("#", maxText+1): "more than",
	} {
		set, problems := Parse(text)
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), want) || len(set.templates) != 0 {
			t.Errorf("%.50s: %v, want %q", text, problems, want)
		}
	}
}

// FuzzLinks: whatever stands in the setting, links are of the web and of bounded length.
func FuzzLinks(f *testing.F) {
	f.Add("- {title: a, url: 'https://x/{{.application.metadata.name | default \"x\" | trunc 3}}', if: 'application.spec.project matches \"d.*\"'}")
	f.Add("- {title: a, url: '{{range .app.spec}}{{.}}{{end}}'}")
	f.Add("- {title: a, url: 'http://x', if: 'len(filter(1..100, {# % 2 == 0})) > 3'}")
	f.Fuzz(func(t *testing.T, text string) {
		set, _ := Parse(text)
		links, _ := set.Links(data())
		for _, l := range links {
			if !strings.HasPrefix(l.URL, "http") || len(l.URL) > maxURL || l.Title == "" {
				t.Errorf("%q gives %+v", text, l)
			}
		}
	})
}
