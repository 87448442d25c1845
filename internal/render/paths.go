package render

import (
	"errors"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// CleanPath turns the path of a source into the form that io/fs wants; "" is the repository root. An absolute
// path and one that leaves the repository are Denied.
func CleanPath(p string) (string, error) {
	if path.IsAbs(p) || strings.HasPrefix(p, `\`) {
		return "", fault.New(fault.Denied, "app path %q is absolute: it must be relative to the repository root", p)
	}
	clean := path.Clean(p)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fault.New(fault.Denied, "app path %q leaves the repository", p)
	}
	if !fs.ValidPath(clean) || strings.ContainsRune(clean, 0) {
		return "", fault.New(fault.Invalid, "app path %q is not a valid path", p)
	}
	return clean, nil
}

// Resolve joins p, as written in a field of the source, to dir; a leading slash means the repository root. A path
// that leaves the repository is Denied.
func Resolve(dir, p string) (string, error) {
	joined := path.Join(dir, p)
	if path.IsAbs(p) {
		// No Clean over the leading slash: it would hide a path that climbs above the root.
		joined = path.Join(".", strings.TrimLeft(p, "/"))
	}
	if joined == ".." || strings.HasPrefix(joined, "../") {
		return "", fault.New(fault.Denied, "path %q leaves the repository", p)
	}
	if !fs.ValidPath(joined) || strings.ContainsRune(joined, 0) {
		return "", fault.New(fault.Invalid, "path %q is not a valid path", p)
	}
	return joined, nil
}

// requireDir returns NotFound with the names that come nearest when dir does not exist.
func requireDir(files source.FS, dir string) error {
	info, err := files.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "app path does not exist: %s%s", dir, hint(files, dir))
	}
	if err != nil {
		return Classify("open app path "+dir, err)
	}
	if !info.IsDir() {
		return fault.New(fault.Invalid, "app path is not a directory: %s", dir)
	}
	return nil
}

// Classify adds what was attempted to an error of the file tree and gives it a kind when it has none.
func Classify(action string, err error) error {
	if err == nil {
		return nil
	}
	if kind := fault.KindOf(err); kind != fault.Internal {
		return fault.New(kind, "%s: %w", action, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "%s: %w", action, err)
	}
	return fault.New(fault.Internal, "%s: %w", action, err)
}

// hint names up to three entries that are like the first missing element of dir.
func hint(files source.FS, dir string) string {
	parent, missing := ".", dir
	for elements := strings.Split(dir, "/"); len(elements) > 0; elements = elements[1:] {
		next := path.Join(parent, elements[0])
		if info, err := files.Stat(next); err != nil || !info.IsDir() {
			missing = elements[0]
			break
		}
		parent = next
	}
	entries, err := files.ReadDir(parent)
	if err != nil {
		return ""
	}
	type near struct {
		name     string
		distance int
	}
	var found []near
	for _, e := range entries {
		if d := distance(e.Name(), missing); e.IsDir() && d <= 1+len(missing)/3 {
			found = append(found, near{path.Join(parent, e.Name()), d})
		}
	}
	if len(found) == 0 {
		return ""
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].distance < found[j].distance })
	names := make([]string, 0, 3)
	for _, f := range found[:min(3, len(found))] {
		names = append(names, f.name)
	}
	return " (did you mean " + strings.Join(names, " or ") + "?)"
}

// distance is the number of single-character edits between a and b; long names count as far away.
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
