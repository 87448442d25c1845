package git

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// commit is what we use of a commit object.
type commit struct {
	id      oid
	tree    oid
	author  string
	date    time.Time // when the author wrote it
	message string
}

// parseCommit reads a commit object: header lines, an empty line, the message.
func parseCommit(id oid, data []byte) (commit, bool) {
	c := commit{id: id}
	head, message, _ := bytes.Cut(data, []byte("\n\n"))
	c.message = strings.ToValidUTF8(string(message), "\uFFFD")
	for line := range strings.Lines(string(head)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "tree":
			if c.tree == "" {
				c.tree = oid(value)
			}
		case "author":
			if c.author == "" {
				c.author, c.date = parseAuthor(value)
			}
		}
	}
	return c, isObjectID(string(c.tree))
}

// parseAuthor reads "Name <mail> seconds zone".
func parseAuthor(s string) (string, time.Time) {
	end := strings.LastIndex(s, ">")
	if end < 0 {
		return strings.ToValidUTF8(s, "\uFFFD"), time.Unix(0, 0).UTC()
	}
	stamp, _, _ := strings.Cut(strings.TrimSpace(s[end+1:]), " ")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds < 0 || seconds > 253402300799 { // 9999-12-31, the last day that RFC 3339 can write
		seconds = 0
	}
	return strings.ToValidUTF8(s[:end+1], "\uFFFD"), time.Unix(seconds, 0).UTC()
}

// Commit describes revision rev for people. Tags are those that the last look at the remote saw on it.
func (s *Source) Commit(ctx context.Context, req source.Request, rev source.Revision) (source.CommitInfo, error) {
	r, err := s.repo(req.RepoURL, req.Project)
	if err != nil {
		return source.CommitInfo{}, err
	}
	id, ok := fullSHA(string(rev))
	if !ok {
		return source.CommitInfo{}, fault.New(fault.Invalid, "revision %q is not a complete commit SHA", rev)
	}
	c, err := r.ensure(ctx, id)
	if err != nil {
		return source.CommitInfo{}, err
	}
	info := source.CommitInfo{Author: c.author, Date: c.date.Format(time.RFC3339), Message: c.message}
	if refs := r.lastSeen(); refs != nil {
		for _, name := range refs.pointsTo(c.id) {
			if tag, ok := strings.CutPrefix(name, tagsPrefix); ok {
				info.Tags = append(info.Tags, tag)
			}
		}
	}
	return info, nil
}
