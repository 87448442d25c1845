package render

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"sync"

	"github.com/belaycd/belay/internal/source"
)

// Trace is what one render has seen of a file tree and of the trees that it refers to: enough to tell, without reading
// any content, whether other trees would show it the same.
type Trace struct {
	seen []sight
	// refs is what was seen of other sources; a tree that was not looked at is missing.
	refs map[string]Trace
	// revision says that the render looked at the name of the revision and not only at content.
	revision bool
	// volatile says that something was seen that cannot be compared; such a trace matches nothing.
	volatile bool
	// remotes are what was opened besides the tree.
	remotes []remoteSight
}

// sight is one look at a path.
type sight struct {
	path string
	kind sightKind
	// id is what ContentID said of the path, for a failure its message.
	id string
	// listing is the hash over names and types of a directory.
	listing string
}

type sightKind byte

const (
	sawContent sightKind = iota // the content of a file, or all below a directory
	sawListing                  // the names and types of a directory's entries
	sawDir                      // that there is a directory
	sawNothing                  // that there is nothing
	sawFailure                  // an error, such as a link out of the repository
)

// Len returns the number of looks that a comparison repeats.
func (t Trace) Len() int {
	n := len(t.seen)
	for _, ref := range t.refs {
		n += ref.Len()
	}
	return n
}

// Matches reports whether files and refs show a render everything that t has seen. It stops at the first difference.
func (t Trace) Matches(files source.FS, refs Refs) bool {
	if t.volatile {
		return false
	}
	for i := range t.seen {
		if !t.seen[i].same(files) {
			return false
		}
	}
	for name, seen := range t.refs {
		ref, ok := refs[name]
		if !ok || !seen.Matches(ref.Files, nil) {
			return false
		}
	}
	return true
}

// join adds what the render has seen of other sources.
func (t Trace) join(refs map[string]*tracer) Trace {
	for name, traced := range refs {
		seen := traced.finish()
		t.volatile = t.volatile || seen.volatile
		if len(seen.seen) == 0 {
			continue
		}
		if t.refs == nil {
			t.refs = make(map[string]Trace, len(refs))
		}
		t.refs[name] = seen
	}
	return t
}

// bytes estimates the memory of the trace.
func (t Trace) bytes() int64 {
	var size int64
	for _, s := range t.seen {
		size += int64(96 + len(s.path) + len(s.id) + len(s.listing))
	}
	for name, ref := range t.refs {
		size += int64(64+len(name)) + ref.bytes()
	}
	return size
}

func (s *sight) same(files source.FS) bool {
	if s.kind == sawDir {
		info, err := files.Stat(s.path)
		return err == nil && info.IsDir()
	}
	id, err := files.ContentID(s.path)
	if s.kind == sawFailure {
		return err != nil && err.Error() == s.id
	}
	if err != nil {
		return false
	}
	if id == s.id {
		return true
	}
	if s.kind != sawListing || id == "" {
		return false
	}
	// Something below the directory differs; its own names and types may not.
	entries, err := files.ReadDir(s.path)
	return err == nil && hashListing(entries) == s.listing
}

func hashListing(entries []fs.DirEntry) string {
	sum := sha256.New()
	for _, e := range entries {
		sum.Write([]byte(e.Name()))
		sum.Write([]byte{0, byte(e.Type() >> 24), byte(e.Type() >> 16)})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// tracer is a source.FS that notes what is looked at. It is safe for concurrent use, also by a render that was
// given up and still runs.
type tracer struct {
	files source.FS

	mu       sync.Mutex
	at       map[sightKey]int
	trace    Trace
	finished bool
}

type sightKey struct {
	path string
	kind sightKind
}

var _ source.FS = (*tracer)(nil)

func newTracer(files source.FS) *tracer {
	return &tracer{files: files, at: map[sightKey]int{}}
}

// finish returns the trace; what happens after it is not noted.
func (t *tracer) finish() Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finished = true
	return t.trace
}

func (t *tracer) usesRevision() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished {
		t.trace.revision = true
	}
}

// known reports whether the look was noted before.
func (t *tracer) known(path string, kind sightKind) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.at[sightKey{path, kind}]
	return ok
}

func (t *tracer) note(s sight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := sightKey{s.path, s.kind}
	if _, ok := t.at[key]; ok || t.finished {
		return
	}
	t.at[key] = len(t.trace.seen)
	t.trace.seen = append(t.trace.seen, s)
}

func (t *tracer) spoil() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished {
		t.trace.volatile = true
	}
}

// identify notes the look at path by its content id.
func (t *tracer) identify(path string, kind sightKind, listing string) {
	if t.known(path, kind) {
		return
	}
	id, err := t.files.ContentID(path)
	switch {
	case err != nil || (id == "") != (kind == sawNothing):
		t.spoil() // the id and the look disagree: better to render again than to trust either
	default:
		t.note(sight{path: path, kind: kind, id: id, listing: listing})
	}
}

// failed notes a look that ended in err.
func (t *tracer) failed(path string, err error) {
	if isMissing(err) {
		t.identify(path, sawNothing, "")
		return
	}
	id, idErr := t.files.ContentID(path)
	switch {
	case idErr != nil:
		t.note(sight{path: path, kind: sawFailure, id: idErr.Error()})
	case id != "": // reading a directory as a file and the like: the same again for equal content
		t.note(sight{path: path, kind: sawContent, id: id})
	default:
		t.spoil()
	}
}

// Open implements fs.FS.
func (t *tracer) Open(name string) (fs.File, error) {
	f, err := t.files.Open(name)
	if err != nil {
		t.failed(name, err)
		return nil, err
	}
	t.identify(name, sawContent, "")
	return f, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *tracer) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := t.files.ReadDir(name)
	if err != nil {
		t.failed(name, err)
		return nil, err
	}
	if !t.known(name, sawListing) {
		t.identify(name, sawListing, hashListing(entries))
	}
	return entries, nil
}

// ReadFile implements fs.ReadFileFS.
func (t *tracer) ReadFile(name string) ([]byte, error) {
	data, err := t.files.ReadFile(name)
	if err != nil {
		t.failed(name, err)
		return nil, err
	}
	t.identify(name, sawContent, "")
	return data, nil
}

// Stat implements fs.StatFS. The size of a file counts as content, the size of a directory as nothing.
func (t *tracer) Stat(name string) (fs.FileInfo, error) {
	info, err := t.files.Stat(name)
	switch {
	case err != nil:
		t.failed(name, err)
		return nil, err
	case info.IsDir():
		t.note(sight{path: name, kind: sawDir})
	default:
		t.identify(name, sawContent, "")
	}
	return info, nil
}

// ReadLink returns the text of a link, which has no id of its own.
func (t *tracer) ReadLink(name string) (string, error) {
	links, ok := t.files.(interface {
		ReadLink(name string) (string, error)
	})
	if !ok {
		return "", errors.ErrUnsupported
	}
	t.spoilUnlessWhole()
	return links.ReadLink(name)
}

// spoilUnlessWhole gives up comparing unless the content of the whole tree was noted, which links are a part of.
func (t *tracer) spoilUnlessWhole() {
	if !t.known(".", sawContent) {
		t.spoil()
	}
}

// ContentID implements source.FS.
func (t *tracer) ContentID(name string) (string, error) {
	id, err := t.files.ContentID(name)
	switch {
	case err != nil:
		t.failed(name, err)
	case id == "":
		t.identify(name, sawNothing, "")
	default:
		t.identify(name, sawContent, "")
	}
	return id, err
}
