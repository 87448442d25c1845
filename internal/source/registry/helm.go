package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// helmRepo is a Helm repository: an index and the packages that it lists.
type helmRepo struct {
	visitor
	key    string
	index  *question[*index]
	usedAt time.Time // guarded by Source.mu

	learned sync.Map // digest of the content by chartVersion key, for an index without digests
}

func newHelmRepo(s *Source, p place, key string) *helmRepo {
	p.chart = ""
	r := &helmRepo{visitor: visitor{src: s, at: p, base: p.url}, key: key}
	r.index = &question[*index]{src: s, credentials: r.credentials, ask: r.list, same: sameIndex}
	return r
}

// sameIndex reports whether two indexes list the same.
func sameIndex(a, b *index) bool {
	return a == b || maps.EqualFunc(a.charts, b.charts, func(x, y []chartVersion) bool {
		return slices.EqualFunc(x, y, func(v, w chartVersion) bool {
			return v.Version == w.Version && v.Digest == w.Digest && v.Created == w.Created && slices.Equal(v.URLs, w.URLs)
		})
	})
}

// address returns the address of a file of the repository. What the repository's own address asks with stays.
func (r *helmRepo) address(file string) (*url.URL, error) {
	ref, err := url.Parse(file)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s lists the address %.200q, which cannot be read", r.at, source.Redact(file))
	}
	if ref.IsAbs() {
		return ref, nil
	}
	base := *r.base
	base.Path, base.RawPath, base.RawQuery = strings.TrimRight(base.Path, "/")+"/", "", ""
	out := base.ResolveReference(ref)
	if out.RawQuery == "" {
		out.RawQuery = r.base.RawQuery
	}
	return out, nil
}

// list gets the index; the remote says when that of before is still the same.
func (r *helmRepo) list(ctx context.Context, before *index, known bool) (*index, error) {
	header := http.Header{"Accept": {"application/yaml, text/yaml, */*"}}
	if known && before.etag != "" {
		header.Set("If-None-Match", before.etag)
	}
	if known && before.modified != "" {
		header.Set("If-Modified-Since", before.modified)
	}
	address, err := r.address("index.yaml")
	if err != nil {
		return nil, err
	}
	var out *index
	err = r.observed(ctx, KindList, r.src.cfg.ListTimeout, func(ctx context.Context) error {
		data, answer, err := r.get(ctx, address.String(), header, r.src.cfg.MaxIndex)
		switch {
		case fault.Is(err, fault.NotFound):
			return fault.New(fault.NotFound, "%s is not a Helm repository: %w", r.at, err)
		case err != nil:
			return err
		case data == nil && known:
			out = before
			return nil
		}
		if out, err = parseIndex(data); err != nil {
			return fault.New(fault.KindOf(err), "index of %s: %w", r.at, err)
		}
		out.etag, out.modified = answer.Get("ETag"), answer.Get("Last-Modified")
		return nil
	})
	return out, err
}

func (r *helmRepo) resolve(ctx context.Context, p place, target string, fresh source.Freshness) (source.Revision, error) {
	idx, err := r.index.get(ctx, fresh)
	if err != nil {
		return "", err
	}
	if _, ok := idx.charts[p.chart]; !ok {
		return "", noSuchChart(p, idx)
	}
	version, err := pick(p, target, idx.versions(p.chart))
	return source.Revision(version), err
}

func noSuchChart(p place, idx *index) error {
	near := ""
	for name := range idx.charts {
		if strings.EqualFold(name, p.chart) || strings.HasSuffix(name, "-"+p.chart) || strings.HasPrefix(name, p.chart) {
			if near == "" || name < near {
				near = name
			}
		}
	}
	if near != "" {
		return fault.New(fault.NotFound, "%s has no chart %q; did you mean %s?", p.repo(), p.chart, near)
	}
	return fault.New(fault.NotFound, "%s has no chart %q among its %d", p.repo(), p.chart, len(idx.charts))
}

// watched implements repository: any version of the index may be published anew.
func (r *helmRepo) watched(place, string) []watched { return []watched{r.index} }

func (r *helmRepo) open(ctx context.Context, p place, rev source.Revision) (*source.Tree, error) {
	version := string(rev)
	// An old index is good enough for a version that it lists.
	idx, known := r.index.last()
	entry, found := chartVersion{}, false
	if known {
		entry, found = idx.find(p.chart, version)
	}
	for _, fresh := range []source.Freshness{source.Cached, source.Fresh} {
		if found {
			break
		}
		var err error
		if idx, err = r.index.get(ctx, fresh); err != nil {
			return nil, err
		}
		entry, found = idx.find(p.chart, version)
	}
	if !found {
		return nil, fault.New(fault.NotFound, "%s has no version %s; %s", p, version, offers(idx.versions(p.chart)))
	}
	digest := strings.ToLower(strings.TrimPrefix(entry.Digest, "sha256:"))
	if digest != "" && !isSHA256(digest) {
		return nil, fault.New(fault.Invalid, "%s lists version %s with the digest %.100q, which is no SHA-256", p, version, entry.Digest)
	}
	id := strings.Join(append([]string{p.chart, version, entry.Created}, entry.URLs...), "\x00")
	if digest == "" {
		if d, ok := r.learned.Load(id); ok {
			digest, _ = d.(string)
		}
	}
	if digest != "" {
		return r.src.unpacked(ctx, r.key, digest, chartRoot(p.chart), func(ctx context.Context) ([]byte, error) {
			return r.fetch(ctx, p, entry, digest)
		})
	}
	data, err := r.fetch(ctx, p, entry, "")
	if err != nil {
		return nil, err
	}
	digest = sha256Of(data)
	r.learned.Store(id, digest)
	return r.src.unpacked(ctx, r.key, digest, chartRoot(p.chart), func(context.Context) ([]byte, error) { return data, nil })
}

// fetch gets the package of one version from the first of its addresses that gives it.
func (r *helmRepo) fetch(ctx context.Context, p place, entry chartVersion, digest string) ([]byte, error) {
	if len(entry.URLs) == 0 {
		return nil, fault.New(fault.Invalid, "%s lists version %s without an address", p, entry.Version)
	}
	var first error
	for _, file := range entry.URLs[:min(len(entry.URLs), 3)] {
		data, err := r.fetchFrom(ctx, p, entry, file)
		if err == nil && digest != "" && sha256Of(data) != digest {
			err = fault.New(fault.Invalid, "%s version %s is not what its index lists: the index says sha256 %s, the download has %s; "+
				"the repository was tampered with or published anew without its index", p, entry.Version, digest, sha256Of(data))
		}
		if err == nil {
			return data, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (r *helmRepo) fetchFrom(ctx context.Context, p place, entry chartVersion, file string) ([]byte, error) {
	address, err := r.address(file)
	if err != nil {
		return nil, err
	}
	switch address.Scheme {
	case "http", "https":
	case "oci":
		return r.fetchOCI(ctx, p, address)
	default:
		return nil, fault.New(fault.Invalid, "%s lists version %s at %s, which is neither http nor https", p, entry.Version, source.Redact(address.String()))
	}
	var data []byte
	err = r.observed(ctx, KindFetch, r.src.cfg.FetchTimeout, func(ctx context.Context) error {
		data, _, err = r.get(ctx, address.String(), nil, r.src.cfg.MaxPackage)
		return err
	})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "fetch %s version %s: %w", p, entry.Version, err)
	}
	return data, nil
}

func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}
