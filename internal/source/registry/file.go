package registry

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// maxFile bounds a single file.
const maxFile = 16 << 20

// remoteFile is one file on a web server.
type remoteFile struct {
	visitor
	content *question[fileContent]
}

// fileContent is a file and the validator that it came with.
type fileContent struct {
	data []byte
	etag string
}

// File returns the content of the file at address, as new as fresh demands, and its SHA-256 in hex. It is reached with the
// credentials that are configured for that address.
func (s *Source) File(ctx context.Context, address, project string, fresh source.Freshness) ([]byte, string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, "", fault.New(fault.Invalid, "address %.200q is neither http nor https", source.Redact(address))
	}
	p := place{url: u, asked: address, project: project}
	access, err := s.access(p)
	if err != nil {
		return nil, "", err
	}
	key := access.Scope + "\x00" + address
	s.mu.Lock()
	f, ok := s.files[key]
	if !ok {
		if len(s.files) >= maxFiles {
			clear(s.files)
		}
		f = &remoteFile{visitor: visitor{src: s, at: p, base: u}}
		f.content = &question[fileContent]{src: s, credentials: f.credentials, ask: f.ask, same: func(a, b fileContent) bool { return slices.Equal(a.data, b.data) }}
		s.files[key] = f
	}
	s.mu.Unlock()
	c, err := f.content.get(ctx, fresh)
	if err != nil {
		return nil, "", err
	}
	return slices.Clone(c.data), sha256Of(c.data), nil
}

// maxFiles bounds the files that are remembered.
const maxFiles = 200

func (f *remoteFile) ask(ctx context.Context, before fileContent, known bool) (out fileContent, err error) {
	header := http.Header{}
	if known && before.etag != "" {
		header.Set("If-None-Match", before.etag)
	}
	err = f.observed(ctx, KindFetch, f.src.cfg.ListTimeout, func(ctx context.Context) error {
		data, answer, err := f.get(ctx, f.at.asked, header, maxFile)
		switch {
		case err != nil:
			return err
		case data == nil && known:
			out = before
		default:
			out = fileContent{data: data, etag: answer.Get("ETag")}
		}
		return nil
	})
	return out, err
}
