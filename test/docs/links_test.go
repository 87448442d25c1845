package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const repository = "../.."

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	head = regexp.MustCompile(`(?m)^#{1,6} +(.+)$`)
	// mention is a path of this repository in running text, between backquotes.
	mention = regexp.MustCompile("`((?:docs|internal|cmd|config|examples|bench|test|api)/[A-Za-z0-9_./-]+)`")
)

// TestLinks follows each relative link and each mentioned path of the Markdown files.
func TestLinks(t *testing.T) {
	files := markdown(t)
	if len(files) < 10 {
		t.Fatalf("only %d Markdown files found", len(files))
	}
	links := 0
	for _, file := range files {
		text := read(t, file)
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if target := m[1]; !strings.Contains(target, "://") && !strings.HasPrefix(target, "mailto:") {
				links++
				follow(t, file, target)
			}
		}
		for _, m := range mention.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
				t.Errorf("%s mentions %s, which does not exist", file, m[1])
			}
		}
	}
	if links == 0 {
		t.Error("no link was found")
	}
}

var fenced = regexp.MustCompile("(?s)```.*?```")

// TestEveryPageIsOnTheMap holds docs/README.md complete.
func TestEveryPageIsOnTheMap(t *testing.T) {
	home := filepath.Join(repository, "docs")
	page := read(t, filepath.Join(home, "README.md"))
	runbooks := read(t, filepath.Join(home, "runbooks", "README.md"))
	for _, file := range markdown(t) {
		rel, err := filepath.Rel(home, file)
		if err != nil || strings.HasPrefix(rel, "..") || rel == "README.md" || strings.HasPrefix(rel, "adr") {
			continue
		}
		if name, ok := strings.CutPrefix(rel, "runbooks/"); ok && name != "README.md" {
			if !strings.Contains(runbooks, "("+name+")") {
				t.Errorf("docs/runbooks/README.md does not link %s", name)
			}
			continue
		}
		if name, ok := strings.CutPrefix(rel, "reference/checks/"); ok && name != "README.md" {
			continue // TestCheckReference writes the page that links them
		}
		if !strings.Contains(page, "("+rel+")") {
			t.Errorf("docs/README.md does not link %s", rel)
		}
	}
}

func markdown(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != repository {
			switch name := d.Name(); {
			case name == "node_modules", name == "testdata", name == "bin", strings.HasPrefix(name, "."):
				return filepath.SkipDir
			}
		}
		if strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func follow(t *testing.T, file, target string) {
	t.Helper()
	path, anchor, _ := strings.Cut(target, "#")
	if path == "" {
		path = filepath.Base(file)
	}
	to := filepath.Join(filepath.Dir(file), path)
	if _, err := os.Stat(to); err != nil {
		t.Errorf("%s links %s, which does not exist", file, target)
		return
	}
	if anchor == "" || !strings.HasSuffix(to, ".md") {
		return
	}
	for _, m := range head.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, to), ""), -1) {
		if slug(m[1]) == anchor {
			return
		}
	}
	t.Errorf("%s links %s, but no heading there is called that", file, target)
}

// slug is the anchor that Git hosts give a heading.
func slug(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
