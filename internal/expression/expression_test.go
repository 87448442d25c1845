package expression

import (
	"strings"
	"testing"
	"text/template"
	"time"
)

func TestFunctions(t *testing.T) {
	for _, all := range []template.FuncMap{functions(), Prose(time.Now)} {
		for name, function := range all {
			if function == nil {
				t.Errorf("there is no function %s", name)
			}
		}
	}
}

func TestFill(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
	data := map[string]any{
		"app":  map[string]any{"name": "shop", "revision": "0123456789abcdef", "list": []any{"a", "b"}},
		"call": func(name string) (map[string]any, error) { return map[string]any{"Author": name}, nil },
		"boom": func() string { panic("x") },
	}
	for text, want := range map[string]string{
		`{{.app.name | upper}} {{.app.missing}}{{.gone.deep}}.`:        "SHOP .",
		`{{printf "%.7s|%-6s|%%" .app.revision .app.name}}`:            "0123456|shop  |%",
		`{{(call .call "dev").Author}}`:                                "dev",
		`{{now | date "2006-01-02"}}`:                                  "2026-03-04",
		`{{repeat 3 "ab"}}{{indent 2 "a\nb"}}`:                         "ababab  a\n  b",
		`{{range $i, $x := .app.list}}{{if $i}}, {{end}}{{$x}}{{end}}`: "a, b",
	} {
		tpl, err := ParseTemplate(text, Prose(now))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := tpl.Fill(data, 1000); err != nil || got != want {
			t.Errorf("%s gives %q, %v; want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		`{{repeat 99999999 "abc"}}`: "repeat", `{{printf "%99999d" 1}}`: "width", `{{printf "%*d" 9 1}}`: "written out",
		`{{indent 100000 "a"}}`: "indent", `{{call .boom}}`: "x",
		`{{range $i := .app.list}}{{repeat 900 "x"}}{{end}}`: "longer than 1000",
	} {
		tpl, err := ParseTemplate(text, Prose(now))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got, err := tpl.Fill(data, 1000); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %.20q, %v; want an error with %q", text, got, err, want)
		}
	}
	for _, text := range []string{`{{env "HOME"}}`, `{{expandenv "$HOME"}}`, `{{getHostByName "x"}}`, `{{genCA "x" 1}}`, `{{.x`} {
		if _, err := ParseTemplate(text, Prose(now)); err == nil {
			t.Errorf("%s is a template", text)
		}
	}
}

func TestValue(t *testing.T) {
	data := map[string]any{"app": map[string]any{"status": map[string]any{"phase": "Failed", "n": 3.0}}}
	for text, want := range map[string]any{
		`app.status.phase in ['Error', 'Failed']`: true, `app.status?.operationState?.phase in ['Running']`: false, `app.status.phase + "x"`: "Failedx", `none`: nil,
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Value(data); err != nil || got != want {
			t.Errorf("%s gives %v, %v; want %v", text, got, err, want)
		}
	}
	c, err := ParseCondition(`app.spec.gone.deeper == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Value(data); err == nil {
		t.Errorf("a field of nothing gives %v", got)
	}
	if c, err = ParseCondition(`len(map(1..100000000, {# * 2})) > 0`); err == nil {
		if got, err := c.Value(data); err == nil {
			t.Errorf("a hundred million numbers give %v", got)
		}
	}
	if _, err := ParseCondition(`app ==`); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("no expression: %v", err)
	}
}
