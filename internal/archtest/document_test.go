package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageHasASentence(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.rel) + " "
		}
		if !strings.HasPrefix(p.Doc, want) || !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: the package comment must be a sentence that begins with %q and says what goes in and what comes out; it is %q", p.rel, want, p.Doc)
		}
	}
}

func TestNames(t *testing.T) {
	for _, p := range packages(t) {
		for _, part := range append(strings.Split(p.rel, "/"), strings.TrimSuffix(p.Name, "_test")) {
			if slices.Contains(bannedNames(), part) {
				t.Errorf("%s: %q says nothing about what the package provides", p.rel, part)
			}
		}
	}
}

// TestArchitectureDocument: the document lists every package once, in the order of the table. Packages that are planned
// and not there yet stand in its last part.
func TestArchitectureDocument(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := listing(string(data))
	if len(listed) < 10 {
		t.Fatalf("ARCHITECTURE.md lists %d packages only", len(listed))
	}
	exists := map[string]bool{}
	for _, p := range packages(t) {
		if !below(p.rel, "internal") && !below(p.rel, "api") {
			continue
		}
		exists[p.rel] = true
		if l, ok := layerOf(p.rel); ok && l.rank == tool && l.implementation(p.rel) != "" {
			continue // parts of a tool are the tool's own affair
		}
		switch n := count(listed, p.rel); n {
		case 1:
		case 0:
			t.Errorf("ARCHITECTURE.md does not list %s", p.rel)
		default:
			t.Errorf("ARCHITECTURE.md lists %s %d times", p.rel, n)
		}
	}
	last := -1
	for _, rel := range listed {
		l, ok := layerOf(rel)
		switch {
		case !ok:
			t.Errorf("ARCHITECTURE.md lists %s, which has no layer", rel)
		case !exists[rel]:
			t.Errorf("ARCHITECTURE.md lists %s, which does not exist", rel)
		case l.rank < last:
			t.Errorf("ARCHITECTURE.md lists %s (rank %d) after a package of rank %d", rel, l.rank, last)
		default:
			last = l.rank
		}
	}
}

// listing returns the packages that the lines of the document's table name, in order.
func listing(document string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:internal|api)/[a-z0-9/]+)` \\|").FindAllStringSubmatch(document, -1) {
		out = append(out, m[1])
	}
	return out
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}
