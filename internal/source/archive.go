package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

// ArchiveLimits bound what an archive can make us hold.
type ArchiveLimits struct {
	Bytes int64 // of all files together, unpacked
	Files int   // entries of any kind
}

const (
	// maxRatio is how much larger than the archive its content may be; text packs to a tenth, a bomb to a thousandth.
	maxRatio = 300
	// ratioFrom is the size from which on the ratio counts.
	ratioFrom = 16 << 20
	// maxNesting bounds the depth of directories.
	maxNesting = 100
)

// ReadArchive reads a tar archive, packed with gzip or not, into a tree; nothing touches a disk. Names that lead out of
// the archive, links to something else than a file in it, devices, and content beyond the limits are errors of
// kind Invalid. Of two files with one name the later counts, as with tar.
func ReadArchive(r io.Reader, limits ArchiveLimits) (*Tree, error) {
	packed := &counter{Reader: r}
	buffered := bufio.NewReader(packed)
	var plain io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fault.New(fault.Invalid, "read archive: %w", err)
		}
		plain = unpacked
	}
	b := &treeBuilder{limits: limits, packed: packed, root: &node{mode: fs.ModeDir | 0o755}, dirs: map[string]*node{}, files: map[string]*node{}}
	b.dirs["."] = b.root
	// Padding and extended headers count too, or they could be endless.
	b.plain = &counter{Reader: plain}
	if err := b.read(tar.NewReader(&bounded{builder: b})); err != nil {
		return nil, err
	}
	b.root.seal()
	return &Tree{root: b.root, bytes: b.bytes}, nil
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded ends a tar stream that is beyond the limits.
type bounded struct{ builder *treeBuilder }

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.builder.plain.Read(p)
	if limit := b.builder.tooLarge(); limit != nil {
		return n, limit
	}
	return n, err
}

type treeBuilder struct {
	limits        ArchiveLimits
	packed, plain *counter
	root          *node
	dirs, files   map[string]*node // by path
	links         []link
	bytes         int64
	entries       int
}

// link is a symbolic or hard link and the file that it names.
type link struct{ from, to string }

// tooLarge says which limit the stream is beyond, if any. Each entry takes a header and padding besides its content.
func (b *treeBuilder) tooLarge() error {
	if n := b.plain.n; n > b.limits.Bytes+int64(b.limits.Files)*2048 {
		return fault.New(fault.Invalid, "the archive unpacks to more than %d bytes", b.limits.Bytes)
	}
	if n := b.plain.n; n > ratioFrom && n/maxRatio > b.packed.n {
		return fault.New(fault.Invalid, "the archive unpacks to more than %d times its size", maxRatio)
	}
	return nil
}

func (b *treeBuilder) read(r *tar.Reader) error {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			if b.entries == 0 {
				return fault.New(fault.Invalid, "the archive is empty")
			}
			return b.follow()
		}
		if err != nil {
			return archiveError(err)
		}
		if b.entries++; b.entries > b.limits.Files {
			return fault.New(fault.Invalid, "the archive has more than %d entries", b.limits.Files)
		}
		if err := b.add(h, r); err != nil {
			return err
		}
	}
}

func archiveError(err error) error {
	if k := fault.KindOf(err); k != fault.Internal {
		return err // a limit, or the transfer
	}
	return fault.New(fault.Invalid, "read archive: %w", err)
}

func (b *treeBuilder) add(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := inside(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		_, err := b.dir(name)
		return err
	case tar.TypeReg:
	case tar.TypeSymlink, tar.TypeLink:
		to := h.Linkname
		if h.Typeflag == tar.TypeSymlink && !path.IsAbs(to) {
			to = path.Join(path.Dir(name), to)
		}
		if to, err = inside(to); err != nil {
			return fault.New(fault.Invalid, "archive entry %q is a link that leads out of the archive", h.Name)
		}
		b.links = append(b.links, link{name, to})
		return nil
	default:
		return fault.New(fault.Invalid, "archive entry %q is neither a file nor a directory", h.Name)
	}
	if h.Size < 0 || b.bytes+h.Size > b.limits.Bytes {
		return fault.New(fault.Invalid, "the archive unpacks to more than %d bytes", b.limits.Bytes)
	}
	var data bytes.Buffer // grows with what really comes, not with what the header promises
	if _, err := io.Copy(&data, r); err != nil {
		return archiveError(err)
	}
	b.bytes += int64(data.Len())
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	return b.file(name, mode, data.Bytes())
}

// inside returns the path of an entry below the root of the archive. Archives made on Windows have backslashes.
func inside(name string) (string, error) {
	clean := strings.ReplaceAll(name, `\`, "/")
	if path.IsAbs(clean) || len(clean) > 1 && clean[1] == ':' || strings.ContainsRune(clean, 0) {
		return "", fault.New(fault.Invalid, "archive entry %q has an absolute path", name)
	}
	clean = path.Clean(clean)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fault.New(fault.Invalid, "archive entry %q leads out of the archive", name)
	}
	if strings.Count(clean, "/") > maxNesting {
		return "", fault.New(fault.Invalid, "archive entry %q is nested deeper than %d directories", name[:100]+"...", maxNesting)
	}
	return clean, nil
}

// dir returns the directory of that name and makes it when it is not there.
func (b *treeBuilder) dir(name string) (*node, error) {
	if d, ok := b.dirs[name]; ok {
		return d, nil
	}
	if _, ok := b.files[name]; ok {
		return nil, fault.New(fault.Invalid, "archive entry %q is both a file and a directory", name)
	}
	if b.entries++; b.entries > b.limits.Files {
		return nil, fault.New(fault.Invalid, "the archive has more than %d entries", b.limits.Files)
	}
	parent, err := b.dir(path.Dir(name))
	if err != nil {
		return nil, err
	}
	d := &node{name: path.Base(name), mode: fs.ModeDir | 0o755}
	parent.entries = append(parent.entries, d)
	b.dirs[name] = d
	return d, nil
}

func (b *treeBuilder) file(name string, mode fs.FileMode, data []byte) error {
	if _, ok := b.dirs[name]; ok {
		return fault.New(fault.Invalid, "archive entry %q is both a file and a directory", name)
	}
	if f, ok := b.files[name]; ok {
		f.mode, f.data = mode, data
		return nil
	}
	parent, err := b.dir(path.Dir(name))
	if err != nil {
		return err
	}
	f := &node{name: path.Base(name), mode: mode, data: data}
	parent.entries = append(parent.entries, f)
	b.files[name] = f
	return nil
}

// follow makes files of links to files. A link to a directory could make a small archive endless.
func (b *treeBuilder) follow() error {
	to := map[string]string{}
	for _, l := range b.links {
		to[l.from] = l.to
	}
	for _, l := range b.links {
		target := l.to
		for range 40 {
			next, ok := to[target]
			if !ok {
				break
			}
			target = next
		}
		f, ok := b.files[target]
		if !ok {
			return fault.New(fault.Invalid, "archive entry %q is a link to %q, which is no file of the archive", l.from, l.to)
		}
		if err := b.file(l.from, f.mode, f.data); err != nil {
			return err
		}
	}
	return nil
}
