package git

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// emptyTree is git's own name for a directory without entries; a submodule that is not read appears as one.
	emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	// maxLinks bounds the links that are looked at for one id. Above it the whole commit is the id: always right,
	// only coarse.
	maxLinks = 2000
	// maxDepth is more than any operating system can check out.
	maxDepth = 2000
)

// ContentID implements source.FS. For files, and for directories without symbolic links that lead out of them, it is
// git's own name of the content, which a walk through cached trees finds. Where links lead elsewhere the content that
// they lead to is part of the id, because that is what a reader of the directory gets.
func (f *fsys) ContentID(name string) (string, error) {
	e, where, err := f.find(name, true)
	if isGone(err) {
		return "", nil
	}
	if err != nil {
		return "", pathError("contentid", name, err)
	}
	id, err := f.contentID(e, where)
	if err != nil {
		return "", pathError("contentid", name, err)
	}
	if f.top.lfs {
		id += " with LFS" // what a pointer stands for, in the place of its text
	}
	if f.flat && e.isDir() && !f.top.repo.readOnly {
		id += " without submodules" // below it there is less than git's name says
	}
	return id, nil
}

func (f *fsys) contentID(e entry, where string) (string, error) {
	switch {
	case e.mode.is(gitlinkMode) && f.flat:
		return emptyTree, nil
	case !e.mode.is(dirMode): // a commit names all that is below a submodule; no link leads out of one
		return string(e.id), nil
	}
	c := closure{fs: f, seen: map[string]bool{where: true}}
	if err := c.follow(e, where); err != nil {
		if errors.Is(err, errManyLinks) {
			return fmt.Sprintf("%s@%s", where, f.top.root), nil
		}
		return "", err
	}
	if len(c.parts) == 0 {
		return string(e.id), nil
	}
	slices.Sort(c.parts)
	sum := sha256.Sum256([]byte(string(e.id) + "\n" + strings.Join(c.parts, "\n")))
	return hex.EncodeToString(sum[:]), nil
}

var errManyLinks = errors.New("too many symbolic links")

// closure collects what the links below a directory lead to, and the links below that, and so on.
type closure struct {
	fs    *fsys
	seen  map[string]bool // directories whose links are followed
	parts []string        // "<link> <what it leads to>"
	links int
}

// follow adds what the links below dir, which stands at where, lead to outside of it.
func (c *closure) follow(dir entry, where string) error {
	links, err := linksBelow(dir.in.repo, dir.id, 0)
	if err != nil {
		return err
	}
	for _, link := range links {
		if c.links++; c.links > maxLinks {
			return errManyLinks
		}
		at := path.Join(where, link)
		target, place, err := c.fs.find(at, true)
		if isGone(err) || errors.Is(err, errEscape) || errors.Is(err, errLoop) {
			// Leads nowhere. That it does is content too: the target may appear.
			c.parts = append(c.parts, at+" !"+err.Error())
			continue
		}
		if err != nil {
			return err
		}
		if c.covered(place) {
			continue
		}
		c.parts = append(c.parts, at+" "+target.mode.shape()+" "+string(target.id))
		if target.mode.is(dirMode) {
			c.seen[place] = true
			if err := c.follow(target, place); err != nil {
				return err
			}
		}
	}
	return nil
}

// covered reports whether the id of a directory already seen speaks for place.
func (c *closure) covered(place string) bool {
	for p := place; ; p = path.Dir(p) {
		if c.seen[p] {
			return true
		}
		if p == "." {
			return false
		}
	}
}

func (m mode) shape() string {
	switch {
	case m.is(dirMode):
		return "dir"
	case m.is(gitlinkMode):
		return "submodule"
	}
	return "file"
}

// linksBelow lists the paths of symbolic links below the directory id, relative to it. It is computed once for each
// tree that is in the cache, so after a commit only the changed directories are visited. A list that is longer than
// maxLinks is not complete.
func linksBelow(r *repo, id oid, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, fault.New(fault.Invalid, "directories are nested more than %d deep", maxDepth)
	}
	t, err := r.tree(id)
	if err != nil {
		return nil, err
	}
	if known := t.links.Load(); known != nil {
		return *known, nil
	}
	links := []string{}
	for _, e := range t.entries {
		switch {
		case e.mode.is(linkMode):
			links = append(links, e.name)
		case e.mode.is(dirMode):
			below, err := linksBelow(r, e.id, depth+1)
			if err != nil {
				return nil, err
			}
			for _, l := range below {
				links = append(links, e.name+"/"+l)
			}
		}
		if len(links) > maxLinks {
			links = links[:maxLinks+1]
			break
		}
	}
	t.links.Store(&links)
	return links, nil
}
