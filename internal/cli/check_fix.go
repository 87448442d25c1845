package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/repair"
)

// fixFlags say what check --fix does.
type fixFlags struct {
	fix, dryRun, sortKeys bool
}

// requiredLabels is the rule whose findings --fix mends.
const requiredLabels = "required-labels"

// nameLabel is the label whose value is known: the name.
const nameLabel = "app.kubernetes.io/name"

// fix mends the manifests below root and reports whether anything was written. The diff goes to standard error: the report that
// follows has standard output for itself.
func (c *cli) fix(root string, r *check.Report, o fixFlags) (written bool, err error) {
	dir, err := os.OpenRoot(cmp.Or(root, "."))
	if err != nil {
		return false, fmt.Errorf("open %s: %w", root, err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	labels, changed := missingLabels(r), 0
	err = fs.WalkDir(dir.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && skipped(dir.FS(), name) {
				return fs.SkipDir
			}
			return err
		}
		if !d.Type().IsRegular() || !slices.Contains([]string{".yaml", ".yml"}, path.Ext(name)) {
			return nil
		}
		before, err := fs.ReadFile(dir.FS(), name)
		if err != nil {
			return err
		}
		after, edits := repair.File(string(before), repair.Options{Labels: labels[name], SortKeys: o.sortKeys})
		if len(edits) == 0 {
			return nil
		}
		changed++
		if err := c.showFix(path.Join(prefixOf(cmp.Or(root, ".")), name), string(before), after, edits); err != nil || o.dryRun {
			return err
		}
		written = true
		return replaceFile(dir, name, []byte(after))
	})
	if err != nil {
		return written, err
	}
	switch {
	case changed == 0:
		fmt.Fprintln(c.Err, "nothing to mend by itself")
	case o.dryRun:
		fmt.Fprintf(c.Err, "%d files would be mended; nothing was written (--dry-run)\n", changed)
	default:
		fmt.Fprintf(c.Err, "%d files mended\n", changed)
	}
	return written, nil
}

// skipped reports whether a directory holds no manifests: hidden ones, those of package managers, templates of charts.
func skipped(files fs.FS, name string) bool {
	base := path.Base(name)
	if name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "vendor") {
		return true
	}
	_, err := fs.Stat(files, path.Join(path.Dir(name), "Chart.yaml"))
	return base == "templates" && err == nil
}

// missingLabels are the labels that findings ask for and that have a value which is known, by file.
func missingLabels(r *check.Report) map[string][]repair.Label {
	out := map[string][]repair.Label{}
	for i := range r.Results {
		result := &r.Results[i]
		steps := check.Steps(result.Path)
		if result.Rule.ID != requiredLabels || result.Place.Line == 0 || len(steps) < 2 || steps[1].Key != "labels" {
			continue
		}
		if key := steps[len(steps)-1].Key; len(steps) == 2 || key == nameLabel {
			out[result.Place.File] = append(out[result.Place.File], repair.Label{Line: result.Place.Line, Key: nameLabel})
		}
	}
	return out
}

// showFix prints what is changed, without values of secrets.
func (c *cli) showFix(name, before, after string, edits []repair.Edit) error {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{A: shownLines(before), B: shownLines(after), FromFile: "a/" + name, ToFile: "b/" + name, Context: 2})
	if err != nil {
		return fmt.Errorf("compare %s: %w", name, err)
	}
	for _, line := range linesOf(text) {
		if _, err := fmt.Fprintln(c.Err, c.paint(c.Err, clean(strings.TrimSuffix(line, "\n")))); err != nil {
			return err
		}
	}
	for _, e := range edits {
		if _, err := fmt.Fprintf(c.Err, "%s:%d: %s\n", clean(name), e.Line, clean(e.What)); err != nil {
			return err
		}
	}
	return nil
}

func shownLines(text string) []string {
	lines := linesOf(text)
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = mask.Excerpt(lines, i) + "\n"
	}
	return out
}

// replaceFile writes a file so that a reader sees either the old or the new content, and a crash leaves one of them.
func replaceFile(dir *os.Root, name string, data []byte) (err error) {
	info, err := dir.Stat(name)
	if err != nil {
		return fmt.Errorf("mend %s: %w", name, err)
	}
	next := filepath.ToSlash(filepath.Join(path.Dir(name), "."+path.Base(name)+".belay"))
	f, err := dir.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return fmt.Errorf("mend %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = dir.Rename(next, name)
	}
	if err != nil {
		return fmt.Errorf("mend %s: %w", name, errors.Join(err, dir.Remove(next)))
	}
	return nil
}
