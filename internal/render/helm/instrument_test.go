package helm

import (
	"context"
	"errors"
	"strings"
	"testing"
	"text/template"
	"time"
)

// run executes a template with the functions of a guard; ok is false when it does not parse.
func run(text string, g *guard) (out string, ok bool, err error) {
	t := template.New("t").Option("missingkey=zero")
	funcs := g.funcs()
	funcs["include"] = func(name string, data any) (string, error) {
		var b strings.Builder
		err := t.ExecuteTemplate(&b, name, data)
		return b.String(), err
	}
	funcs["tpl"] = func(text string, data any) (string, error) {
		sub, err := template.Must(t.Clone()).New("sub").Parse(text)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = sub.Execute(&b, data)
		return b.String(), err
	}
	if _, err := t.Funcs(funcs).Parse(text); err != nil {
		return "", false, err
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]any{"a": "x", "list": []int{1, 2}, "t": "{{ .a }}"})
	return b.String(), true, err
}

var templates = []string{
	"",
	"plain",
	"{{ .a }}",
	"{{range .list}}{{.}}{{end}}",
	" {{- range .list -}} \n {{.}} \n {{- else -}} none {{- end -}} ",
	"{{ range $i, $x := .list }}\n  - {{ $x }}\n{{- end }}",
	"{{/* }} a comment */}}{{ .a }}",
	"{{- /* {{ range }} */ -}} x",
	"{{ range `}}` | printf \"%s\" | list }}{{ end }}",
	`{{ printf "}} {{ range \" tpl .a" }}`,
	"{{define \"d\"}} {{.}} {{end}}{{template \"d\" .a}}{{ include \"d\" .a }}",
	"{{- define \"d\" -}} {{.}} {{- end -}}{{ block \"b\" .a -}} b {{ end }}",
	"{{ tpl .t . }}", "{{ tpl (printf \"%s\" .t) $ }}", "{{ .t | printf \"%s\" }}", "{{ (tpl .t .) | printf \"%s\" }}", "{{ tpl `{{ range .list }}{{ . }}{{ end }}` . }}",
	"{{ tpl (tpl \"{{ .t }}\" .) . }}", "{{tpl .t .|printf \"%s\"}}", "{{ $tpl := .t }}{{ $tpl }}{{ tpl $tpl . }}", "{{ .tpl }}",
	"{{ range .list }}{{ range until 2 }}{{ . }}{{ break }}{{ end }}{{ continue }}{{ end }}",
	"{{ if .a }}y{{ else }}n{{ end }}{{ with .a }}{{ . }}{{ end }}", "{{ range 3 }}{{ . }}{{ end }}", "{{ rangeless }}", "{{ '}' }}", "{{", "{{ range", "{{ \"", "}}", "{{ tpl", "{{ tpl }}", "{{ tpl ( }}",
}

// FuzzInstrument: instrumented text parses when the text does, and gives the same.
func FuzzInstrument(f *testing.F) {
	for _, text := range templates {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, stepName) || strings.Contains(text, guardTpl) || len(text) > 1000 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, parses, gotErr := run(instrumentText(text), newGuard(ctx))
		if strings.Count(instrumentText(text), "\n") != strings.Count(text, "\n") {
			t.Fatalf("line numbers move")
		}
		if ctx.Err() != nil || gotErr != nil && parses {
			return // stopped, or failing for both; the plain text of an endless template would not end
		}
		want, wantParses, wantErr := run(text, newGuard(ctx))
		if parses != wantParses {
			t.Fatalf("parses: %v, instrumented %v: %v %v\n%s", wantParses, parses, wantErr, gotErr, instrumentText(text))
		}
		if wantErr == nil && got != want {
			t.Fatalf("%q instead of %q\n%s", got, want, instrumentText(text))
		}
	})
}

func TestGuardStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, text := range []string{"{{ range 100000000000 }}{{ end }}", "{{ tpl \"{{ range 100000000000 }}{{ end }}\" . }}", "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}"} {
		g := newGuard(ctx)
		if _, _, err := run(instrumentText(text), g); err == nil || !errors.Is(g.err, context.Canceled) {
			t.Errorf("%s: %v, %v", text, err, g.err)
		}
	}
}
