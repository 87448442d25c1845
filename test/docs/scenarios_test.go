package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// backed are the sections of the page on compatibility in which each row that claims to be the same or better ends with
// the names of the scenarios that show it, or of a Go test of what no scenario can show. Of others, the rows without one
// are listed.
func backed() []string {
	return []string{
		"Sources and manifests", "Sync options", "Sync engine", "Deletion", "Automated sync", "Diff, tracking, health", "Projects", "Access", "Credentials",
	}
}

// TestEveryClaimNamesItsScenario follows the names at the end of the notes of the page on compatibility.
func TestEveryClaimNamesItsScenario(t *testing.T) {
	const page = "docs/reference/compatibility.md"
	tests := goTests(t)
	seen, named, missing := map[string]bool{}, 0, 0
	for _, c := range claims(read(t, filepath.Join(repository, page))) {
		seen[c.section] = true
		for _, name := range c.scenarios {
			named++
			if strings.HasPrefix(name, "Test") {
				if !tests[name] {
					t.Errorf("%s: %s names the Go test %s, which does not exist", page, c.feature, name)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(repository, "test", "scenarios", "testdata", name+".txtar")); err != nil {
				t.Errorf("%s: %s names the scenario %s, which does not exist", page, c.feature, name)
			}
		}
		switch {
		case len(c.scenarios) > 0 || c.state != "same" && c.state != "better":
		case slices.Contains(backed(), c.section):
			t.Errorf("%s: %s is %s, and no scenario shows it", page, c.feature, c.state)
		default:
			missing++
			t.Logf("no scenario yet: %s: %s", c.section, c.feature)
		}
	}
	for _, section := range backed() {
		if !seen[section] {
			t.Errorf("%s has no table in section %s", page, section)
		}
	}
	if named == 0 {
		t.Error("no scenario is named")
	}
	t.Logf("%d rows without a scenario", missing)
}

// claim is a row of the page.
type claim struct {
	section, feature, state string
	scenarios               []string
}

// declared is a Go test where it is declared.
var declared = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]*)\(t \*testing\.T\)`)

// goTests returns the names of all Go tests.
func goTests(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{"api", "cmd", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join(repository, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, m := range declared.FindAllStringSubmatch(read(t, path), -1) {
				found[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// lastNames are the names that a note ends with: of scenarios, and of Go tests.
var lastNames = regexp.MustCompile("(?:`(?:[a-z0-9-]+|Test[A-Za-z0-9]+)`, )*`(?:[a-z0-9-]+|Test[A-Za-z0-9]+)`$")

// claims reads the rows of all tables.
func claims(page string) []claim {
	var out []claim
	section := ""
	for _, line := range strings.Split(page, "\n") {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section = heading
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 || strings.TrimSpace(cells[1]) == "state" {
			continue
		}
		c := claim{section: section, feature: strings.TrimSpace(cells[0]), state: strings.TrimSpace(cells[1])}
		note := strings.TrimSpace(strings.Join(cells[2:], "|"))
		for _, name := range strings.Split(lastNames.FindString(note), ", ") {
			if name != "" && (c.state == "same" || c.state == "better") {
				c.scenarios = append(c.scenarios, strings.Trim(name, "`"))
			}
		}
		out = append(out, c)
	}
	return out
}
