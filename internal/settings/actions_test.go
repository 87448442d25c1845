package settings

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestActions(t *testing.T) {
	const good = "discovery.lua: return {}\nmergeBuiltinActions: true\ndefinitions:\n- name: do it\n  action.lua: return obj\n"
	for name, test := range map[string]struct {
		text, want string
		line       int
	}{
		"good":                {text: good},
		"unknown fields":      {text: good + "more: 1\n"},
		"no definitions":      {text: "discovery.lua: return {}"},
		"no YAML":             {text: "discovery.lua: return {}\ndefinitions: [", want: "did not find expected node content", line: 2},
		"no discovery":        {text: "definitions: []", want: "discovery.lua is missing or empty"},
		"empty":               {text: "", want: "discovery.lua is missing or empty"},
		"merge is no truth":   {text: "discovery.lua: x\nmergeBuiltinActions: perhaps", want: "cannot unmarshal", line: 2},
		"no name":             {text: "discovery.lua: x\ndefinitions: [{action.lua: x}]", want: "definitions[0]: name is missing"},
		"a slash":             {text: "discovery.lua: x\ndefinitions: [{name: a/b, action.lua: x}]", want: `the name "a/b" cannot stand in a right`},
		"a star":              {text: "discovery.lua: x\ndefinitions: [{name: 'a*', action.lua: x}]", want: "cannot stand in a right"},
		"a long name":         {text: "discovery.lua: x\ndefinitions: [{name: " + strings.Repeat("a", 101) + ", action.lua: x}]", want: "is longer than 100 bytes"},
		"no script":           {text: "discovery.lua: x\ndefinitions: [{name: a}]", want: `action.lua of definition "a" is missing or empty`},
		"twice":               {text: "discovery.lua: x\ndefinitions: [{name: a, action.lua: x}, {name: a, action.lua: y}]", want: `two definitions called "a"`},
		"a long script":       {text: "discovery.lua: x\ndefinitions: [{name: a, action.lua: " + strings.Repeat("x", 1+64<<10) + "}]", want: "has 65537 bytes, and at most 65536 may be"},
		"a long discovery":    {text: "discovery.lua: " + strings.Repeat("x", 1+64<<10), want: "discovery.lua has 65537 bytes"},
		"a long value":        {text: strings.Repeat("#", 1+512<<10), want: "the value has 524289 bytes"},
		"too many":            {text: "discovery.lua: x\ndefinitions: [" + strings.Repeat("{name: a, action.lua: x}, ", 101) + "]", want: "there are 101 definitions"},
		"a list":              {text: "[]", want: "cannot unmarshal", line: 1},
		"doubled by an alias": {text: "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\ndiscovery.lua: x\ndefinitions: *c\n", want: "cannot unmarshal", line: 2},
	} {
		t.Run(name, func(t *testing.T) {
			const key = "resource.customizations.actions.batch_CronJob"
			s, problems := Parse(map[string]string{key: test.text}, nil, nil)
			if len(s.Scripts) != 1 || s.Scripts[0].Group != "batch" || s.Scripts[0].Kind != "CronJob" {
				t.Fatalf("%+v", s.Scripts)
			}
			got := s.Scripts[0].Actions
			if test.want == "" {
				if len(problems) > 0 || got.Broken != nil || got.Discovery != "return {}" {
					t.Errorf("%v, %+v", problems, got)
				}
				return
			}
			if len(problems) != 1 || problems[0].Key != key || !strings.Contains(problems[0].Reason, test.want) || problems[0].Line != test.line {
				t.Errorf("%+v, want line %d, %q", problems, test.line, test.want)
			}
			if got.Broken == nil || got.Discovery != "" {
				t.Errorf("what cannot be read is not broken: %+v", got)
			}
			// What was good before stays.
			before, _ := Parse(map[string]string{key: good}, nil, nil)
			after, problems := Parse(map[string]string{key: test.text}, nil, &before)
			if len(problems) != 1 || after.Scripts[0].Actions.Broken != nil || after.Scripts[0].Actions.Discovery != "return {}" {
				t.Errorf("%v, %+v", problems, after.Scripts[0].Actions)
			}
		})
	}
}

func TestActionsOfTheCombinedForm(t *testing.T) {
	s, problems := Parse(map[string]string{"resource.customizations": "apps/Deployment:\n  health.lua: x\n  actions: |\n    discovery.lua: return {}\n    definitions: [{name: a, action.lua: b}]\nbatch/Job:\n  health.lua: y\n  actions: ''\n"}, nil, nil)
	want := []Customization{
		{Group: "apps", Kind: "Deployment", Health: "x", Actions: &Actions{Discovery: "return {}", Definitions: []ActionDefinition{{"a", "b"}}}},
		{Group: "batch", Kind: "Job", Health: "y"},
	}
	if diff := cmp.Diff(want, s.Scripts); diff != "" || len(problems) > 0 {
		t.Errorf("%v %s", problems, diff)
	}
	_, problems = Parse(map[string]string{"resource.customizations": "apps/Deployment:\n  actions: |\n    discovery.lua: x\n    definitions: [\n"}, nil, nil)
	if len(problems) != 1 || problems[0].Key != "resource.customizations" || problems[0].Line != 4 || !strings.HasPrefix(problems[0].Reason, "actions: ") {
		t.Errorf("%+v", problems)
	}
	_, problems = Parse(map[string]string{"resource.customizations": "apps/Deployment:\n  actions:\n    discovery.lua: x\n"}, nil, nil)
	if len(problems) != 1 || !strings.Contains(problems[0].Reason, "actions is no text") {
		t.Errorf("%+v", problems)
	}
}

// FuzzActions: a value is read or refused, with a reason, and what is read keeps its bounds.
func FuzzActions(f *testing.F) {
	for _, s := range []string{"", "discovery.lua: return {}", "discovery.lua: x\ndefinitions: [{name: a, action.lua: b}]", "a: &a [*a]", "discovery.lua: [", "- x", "discovery.lua: !!binary aaaa"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseActions(text)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("no reason")
			}
			return
		}
		for _, d := range got.Definitions {
			if err := ActionName(d.Name); err != nil || len(d.Script) > maxScript || d.Script == "" {
				t.Fatalf("%q: %v", d.Name, err)
			}
		}
		if len(got.Discovery) > maxScript || got.Discovery == "" || len(got.Definitions) > maxDefinitions {
			t.Fatalf("%+v", got)
		}
	})
}
