// Package source names content: a repository URL and a wanted revision go in; an immutable Revision and a read-only,
// traceable file tree of it (Snapshot) come out.
package source

import (
	"context"
	"io/fs"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Revision is an immutable name of content: a full commit SHA for Git, a version or digest for charts.
type Revision string

// Short returns the first 7 characters, the form that people read.
func (r Revision) Short() string {
	if len(r) > 7 {
		return string(r[:7])
	}
	return string(r)
}

// Request says which content of which repository is wanted.
type Request struct {
	// RepoURL as written in the Application; implementations normalise it for comparison.
	RepoURL string
	// Target is a branch, a tag, HEAD, a full or short SHA, or a semver range; empty means HEAD.
	Target string
	// TagPrefix limits a semver range to tags that begin with it.
	TagPrefix string
	// Chart is the name of a chart of a Helm repository; empty for Git and for OCI artifacts of manifests.
	Chart string
	// Project is the AppProject of the application: credentials may be limited to it.
	Project string
	// PassCredentials sends the credentials of a Helm repository to other hosts too that it refers to.
	PassCredentials bool
}

// RequestFor says which content a source of an application of project asks for.
func RequestFor(src v1alpha1.ApplicationSource, project string) Request {
	return Request{
		RepoURL: src.RepoURL, Target: src.TargetRevision, TagPrefix: src.TagPrefix, Chart: src.Chart, Project: project,
		PassCredentials: src.Chart != "" && src.Helm != nil && src.Helm.PassCredentials,
	}
}

// Freshness says how old the knowledge of a remote may be.
type Freshness int

// Freshness levels.
const (
	// Cached accepts what the last look at the remote said, if it is younger than the poll interval.
	Cached Freshness = iota
	// Fresh asks the remote once more (callers at the same moment share one request).
	Fresh
)

// Source resolves revisions and opens snapshots. Implementations are safe for concurrent use.
//
// Errors carry a fault kind: NotFound for a repository, revision or object that does not exist, Denied for
// refused credentials, Transient for an unreachable or slow remote, Invalid for a URL or revision that cannot be one.
// Messages never contain credentials.
type Source interface {
	// Resolve turns req.Target into a Revision.
	Resolve(ctx context.Context, req Request, fresh Freshness) (Revision, error)
	// Snapshot opens the tree of rev. The result stays valid after later fetches.
	Snapshot(ctx context.Context, req Request, rev Revision) (Snapshot, error)
}

// Snapshot is one revision of a repository as a read-only file system. Paths are slash-separated and relative to the
// repository root, as io/fs wants them; symbolic links are followed inside the repository, and one that leaves it
// is an error of kind Denied.
type Snapshot interface {
	Revision() Revision
	FS() FS
}

// FS is the file tree of a snapshot. Besides reading it can name content without reading it, which is what
// lets a render be reused for a commit that did not touch what the render had read.
type FS interface {
	fs.FS
	fs.ReadDirFS
	fs.ReadFileFS
	fs.StatFS
	// ContentID names the content at path: equal ids mean equal content (for a directory: equal entry names,
	// types and contents below it, recursively). A path that does not exist has the id "" and no error.
	ContentID(path string) (string, error)
}

// CommitInfo describes a commit for people.
type CommitInfo struct {
	Author  string // Name <mail>
	Date    string // RFC 3339
	Message string
	Tags    []string
}
