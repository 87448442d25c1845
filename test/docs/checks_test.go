package docs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/check"
)

// TestCheckReference holds docs/reference/checks equal to the rules of all checkers; with -update it writes the pages.
func TestCheckReference(t *testing.T) {
	dir := filepath.Join(repository, "docs", "reference", "checks")
	rules := app.Rules()
	slices.SortFunc(rules, func(a, b check.Rule) int { return strings.Compare(a.ID, b.ID) })
	pages := map[string]string{"README.md": checkIndex(rules)}
	for i, r := range rules {
		complain(t, r)
		if i > 0 && rules[i-1].ID == r.ID {
			t.Errorf("two rules are called %s", r.ID)
		}
		pages[r.ID+".md"] = checkPage(r)
	}
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if _, wanted := pages[f.Name()]; wanted {
			continue
		}
		if !*update {
			t.Errorf("docs/reference/checks/%s is about no rule: run go test ./test/docs -update", f.Name())
		} else if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range pages {
		file := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v: run go test ./test/docs -update", err)
			continue
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("docs/reference/checks/%s is not what the rule says; run go test ./test/docs -update (-want +file):\n%s", name, d)
		}
	}
}

// complain finds what a rule lacks for a page that helps.
func complain(t *testing.T, r check.Rule) {
	t.Helper()
	if r.ID == "" || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		t.Errorf("rule %q: the ID names a file and an annotation: lower case, digits and dashes", r.ID)
	}
	if r.Title == "" || strings.HasSuffix(r.Title, ".") {
		t.Errorf("rule %s: the title is a noun phrase, not %q", r.ID, r.Title)
	}
	for name, text := range map[string]string{"Why": r.Why, "Fix": r.Fix} {
		if len(text) < 20 || !strings.HasSuffix(strings.TrimRight(text, "\"')"), ".") {
			t.Errorf("rule %s: %s is a sentence that helps, not %q", r.ID, name, text)
		}
	}
}

func checkIndex(rules []check.Rule) string {
	var b bytes.Buffer
	b.WriteString(`# Checks

Generated from the rules by ` + "`go test ./test/docs -update`" + `; change the rules, not these pages.

` + "`belay check`" + ` looks for the following. The columns are the severities of the profiles (` + "`--profile`" + `): an error fails, a warning and a note do not
unless ` + "`--fail-on`" + ` says so, and – is off. [How to check pull requests](../../how-to/check-pull-requests.md) has the rest.

| rule | finds |`)
	for _, p := range check.Profiles() {
		fmt.Fprintf(&b, " %s |", p)
	}
	b.WriteString(" standards |\n|---|---|" + strings.Repeat("---|", len(check.Profiles())) + "---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s |", r.ID, r.ID, cell(r.Title))
		for _, p := range check.Profiles() {
			fmt.Fprintf(&b, " %s |", severityWord(r.In(p)))
		}
		fmt.Fprintf(&b, " %s |\n", cell(strings.Join(r.Standards, ", ")))
	}
	return b.String()
}

func severityWord(s check.Severity) string {
	if s == check.Off {
		return "–"
	}
	return s.String()
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "\n", " ").Replace(s)
}

func checkPage(r check.Rule) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\nFinds: %s.\n\n", r.ID, cell(r.Title))
	b.WriteString("|")
	for _, p := range check.Profiles() {
		fmt.Fprintf(&b, " %s |", p)
	}
	b.WriteString("\n|" + strings.Repeat("---|", len(check.Profiles())) + "\n|")
	for _, p := range check.Profiles() {
		fmt.Fprintf(&b, " %s |", severityWord(r.In(p)))
	}
	fmt.Fprintf(&b, "\n\n## Why\n\n%s\n\n## Fix\n\n%s\n", prose(r.Why), prose(r.Fix))
	if len(r.Standards) > 0 {
		b.WriteString("\n## Elsewhere\n\n")
		for _, s := range r.Standards {
			fmt.Fprintf(&b, "- %s\n", cell(s))
		}
	}
	b.WriteString("\n[All checks](README.md)\n")
	return b.String()
}

// prose keeps what Markdown would take for markup.
func prose(s string) string { return strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(s) }
