package secret

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/source"
)

// maxFile is the size above which a file is not searched.
const maxFile = 8 << 20

// searchFiles searches the files of the repository, side by side; with a base, what was added or changed.
func searchFiles(ctx context.Context, repo *check.Repository, s *scanner, k *known, report func(check.Finding)) error {
	names, err := candidates(ctx, repo.Files)
	if err != nil {
		return err
	}
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for name := range work {
				searchFile(repo, name, s, k.byFile[name], report)
			}
		})
	}
	for _, name := range names {
		if ctx.Err() != nil {
			break
		}
		work <- name
	}
	close(work)
	wg.Wait()
	return ctx.Err()
}

// candidates lists the files that people write.
func candidates(ctx context.Context, files source.FS) (names []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && slices.Contains([]string{".git", "node_modules", ".terraform", "__pycache__", ".venv"}, d.Name()):
			return fs.SkipDir
		case !d.IsDir() && !made(d.Name()):
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// made reports whether programs make a file: locks and sums are full of random texts that are no secrets, media are no texts.
func made(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".lock", ".sum", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".pdf", ".woff", ".woff2", ".ttf", ".zip", ".gz", ".tgz", ".map", ".wasm":
		return true
	}
	return slices.Contains([]string{"package-lock.json", "pnpm-lock.yaml", "npm-shrinkwrap.json"}, name)
}

func searchFile(repo *check.Repository, name string, s *scanner, told []string, report func(check.Finding)) {
	info, err := fs.Stat(repo.Files, name)
	if err == nil && info.IsDir() {
		return
	}
	if err == nil && info.Size() > maxFile {
		if !largeBinary(repo.Files, name) {
			report(check.Finding{Rule: unsearched, Place: check.Place{File: name}, Message: fmt.Sprintf("the file is larger than %d MiB", maxFile>>20)})
		}
		return
	}
	if unchanged(repo, name) {
		return
	}
	var data []byte
	if err == nil {
		data, err = fs.ReadFile(repo.Files, name)
	}
	if err != nil {
		report(check.Finding{Rule: unsearched, Place: check.Place{File: name}, Message: "the file cannot be read: " + err.Error()})
		return
	}
	if binary(data) {
		return
	}
	text := string(data)
	found := s.scan(text)
	if len(found) == 0 {
		return
	}
	found, counts := news(repo, s, name, text, found)
	for _, m := range found {
		if sealed(text, m) {
			continue
		}
		// Findings on objects are told there.
		if slices.ContainsFunc(told, func(v string) bool {
			return strings.Contains(v, m.secret) || strings.Contains(m.secret, v) && len(v) >= 6
		}) {
			continue
		}
		counts[m.pattern]++
		line := 1 + strings.Count(text[:m.start], "\n")
		report(check.Finding{Rule: byPattern, Place: check.Place{File: name, Line: line, Column: m.start - strings.LastIndexByte(text[:m.start], '\n')},
			Path: fmt.Sprintf("%s[%d]", m.pattern, counts[m.pattern]-1), Message: "the file holds " + m.describe()})
	}
}

// head is how much of a file git looks at to tell texts from other files.
const head = 8000

// binary reports whether a file is no text, as git decides it: by a zero among its first bytes.
func binary(data []byte) bool { return bytes.IndexByte(data[:min(head, len(data))], 0) >= 0 }

// largeBinary is binary for a file that is not read whole.
func largeBinary(files source.FS, name string) bool {
	f, err := files.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	data, _ := io.ReadAll(io.LimitReader(f, head))
	return binary(data)
}

// sealed reports whether a match is in a SealedSecret, whose values are encrypted.
func sealed(text string, m match) bool {
	from := max(0, strings.LastIndex(text[:m.start], "\n---"))
	to := len(text)
	if i := strings.Index(text[m.end:], "\n---"); i >= 0 {
		to = m.end + i
	}
	return strings.Contains(text[from:to], "kind: SealedSecret") || strings.Contains(text[from:to], `"kind": "SealedSecret"`)
}

// unchanged reports whether the base revision has the same file.
func unchanged(repo *check.Repository, name string) bool {
	if repo.Base == nil {
		return false
	}
	was, err := repo.Base.Files.ContentID(name)
	if err != nil || was == "" {
		return false
	}
	is, err := repo.Files.ContentID(name)
	return err == nil && is == was
}

// news leaves out what is on lines that the base revision of the file has too. It also counts what that revision holds of every
// pattern: what is new is numbered after it, so that it is never taken for what was there.
func news(repo *check.Repository, s *scanner, name, text string, found []match) (left []match, counts map[string]int) {
	counts = map[string]int{}
	if repo.Base == nil {
		return found, counts
	}
	before, err := fs.ReadFile(repo.Base.Files, name)
	if err != nil {
		return found, counts
	}
	for _, m := range s.scan(string(before)) {
		counts[m.pattern]++
	}
	lines := map[string]bool{}
	for line := range strings.SplitSeq(string(before), "\n") {
		lines[line] = true
	}
	return slices.DeleteFunc(found, func(m match) bool {
		from := strings.LastIndexByte(text[:m.start], '\n') + 1
		to := len(text)
		if i := strings.IndexByte(text[m.end:], '\n'); i >= 0 {
			to = m.end + i
		}
		for line := range strings.SplitSeq(text[from:to], "\n") {
			if !lines[line] {
				return false
			}
		}
		return true
	}), counts
}
