package registry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

const (
	maxTags      = 200_000
	maxManifest  = 4 << 20
	maxManifests = 1_000 // of one repository that are remembered

	helmConfigType  = "application/vnd.cncf.helm.config.v1+json"
	helmContentType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	helmLegacyType  = "application/tar+gzip" // of Helm 3.0
)

// ociRepo is one repository of an OCI registry.
type ociRepo struct {
	visitor
	key    string
	tags   *question[[]string]
	tokens auth.Cache
	usedAt time.Time // guarded by Source.mu

	mu     sync.Mutex
	byTag  map[string]*question[string] // the digest that a tag names
	layers map[string]ocispec.Descriptor
}

func newOCIRepo(s *Source, p place, key string) *ociRepo {
	host, _, _ := strings.Cut(p.ref, "/")
	r := &ociRepo{
		visitor: visitor{src: s, at: p, base: &url.URL{Scheme: "https", Host: host}}, key: key, tokens: auth.NewCache(),
		byTag: map[string]*question[string]{}, layers: map[string]ocispec.Descriptor{},
	}
	r.tags = &question[[]string]{src: s, credentials: r.credentials, ask: r.listTags, same: slices.Equal[[]string]}
	return r
}

// connect reaches the repository with the credentials of the moment.
func (r *ociRepo) connect() (*remote.Repository, error) {
	client, access, err := r.http(true)
	if err != nil {
		return nil, err
	}
	ref, err := orasregistry.ParseReference(r.at.ref)
	if err != nil || ref.Reference != "" {
		return nil, fault.New(fault.Invalid, "repository URL %q is not the address of a repository in an OCI registry", r.at.repo())
	}
	host := ref.Host()
	return &remote.Repository{
		Reference: ref, PlainHTTP: access.PlainHTTP, MaxMetadataBytes: maxManifest, TagListPageSize: 1000, TagListMaxPages: 1000,
		Client: &auth.Client{
			Client: client, Cache: r.tokens, ClientID: "belay", Header: http.Header{"User-Agent": {"belay"}},
			Credential: func(_ context.Context, of string) (auth.Credential, error) {
				if of != host {
					return auth.EmptyCredential, nil
				}
				return auth.Credential{Username: access.Username, Password: access.Password, AccessToken: access.BearerToken}, nil
			},
		},
	}, nil
}

// ask runs one request to the registry.
func (r *ociRepo) ask(ctx context.Context, kind, what string, run func(context.Context, *remote.Repository) error) error {
	limit := r.src.cfg.ListTimeout
	if kind == KindFetch {
		limit = r.src.cfg.FetchTimeout
	}
	return r.observed(ctx, kind, limit, func(ctx context.Context) error {
		repo, err := r.connect()
		if err != nil {
			return err
		}
		return r.classify(what, run(ctx, repo))
	})
}

// classify gives an error of the registry its kind.
func (r *ociRepo) classify(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Internal {
		return err
	}
	shown := what + " of " + r.at.ref
	var answer *errcode.ErrorResponse
	switch {
	case errors.As(err, &answer):
		return statusError(shown, answer.StatusCode, r.authenticates())
	case errors.Is(err, errdef.ErrNotFound):
		return statusError(shown, http.StatusNotFound, false)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return statusError(shown, http.StatusUnauthorized, false)
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrTrailingData), errors.Is(err, content.ErrInvalidDescriptorSize),
		errors.Is(err, errdef.ErrSizeExceedsLimit):
		return fault.New(fault.Invalid, "get %s: the registry does not give what its manifest names: %w", shown, err)
	}
	return transportError(shown, err)
}

func (r *ociRepo) authenticates() bool {
	a, _, err := r.access()
	return err == nil && a.Authenticates()
}

func (r *ociRepo) listTags(ctx context.Context, _ []string, _ bool) ([]string, error) {
	var tags []string
	err := r.ask(ctx, KindList, "tags", func(ctx context.Context, repo *remote.Repository) error {
		return repo.Tags(ctx, "", func(page []string) error {
			if tags = append(tags, page...); len(tags) > maxTags {
				return fault.New(fault.Invalid, "%s has more than %d tags", r.at, maxTags)
			}
			return nil
		})
	})
	slices.Sort(tags)
	return tags, err
}

// digest returns the question which digest a tag names. A tag can be moved.
func (r *ociRepo) digest(tag string) *question[string] {
	r.mu.Lock()
	defer r.mu.Unlock()
	q, ok := r.byTag[tag]
	if !ok {
		if len(r.byTag) >= maxManifests {
			clear(r.byTag)
		}
		q = &question[string]{
			src: r.src, credentials: r.credentials, same: func(a, b string) bool { return a == b },
			ask: func(ctx context.Context, _ string, _ bool) (digest string, err error) {
				err = r.ask(ctx, KindList, "tag "+tag, func(ctx context.Context, repo *remote.Repository) error {
					d, err := repo.Resolve(ctx, tag)
					digest = d.Digest.String()
					return err
				})
				return digest, err
			},
		}
		r.byTag[tag] = q
	}
	return q
}

// tagOf writes a version as a tag, in which a plus sign is not allowed; versionOf reads it.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }
func versionOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }

func versionsOf(tags []string) []string {
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = versionOf(t)
	}
	return out
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && isSHA256(hex)
}

// tagFor returns the tag that target means.
func (r *ociRepo) tagFor(ctx context.Context, p place, target string, fresh source.Freshness) (string, error) {
	switch {
	case p.kind == ociArtifact && (target == "" || target == "HEAD"):
		return "latest", nil
	case target != "" && !isRange(target):
		return tagOf(target), nil
	}
	tags, err := r.tags.get(ctx, fresh)
	if err != nil {
		return "", err
	}
	version, err := pick(p, target, versionsOf(tags))
	return tagOf(version), err
}

func (r *ociRepo) resolve(ctx context.Context, p place, target string, fresh source.Freshness) (source.Revision, error) {
	if p.kind == ociArtifact && isDigest(target) {
		return source.Revision(target), nil
	}
	tag, err := r.tagFor(ctx, p, target, fresh)
	if err != nil {
		return "", err
	}
	if !isTag(tag) {
		return "", fault.New(fault.Invalid, "%s: %q is neither a tag, a digest nor a version range", p, target)
	}
	digest, err := r.digest(tag).get(ctx, fresh)
	switch {
	case fault.Is(err, fault.NotFound):
		return "", r.noSuchTag(ctx, p, tag, err)
	case err != nil:
		return "", err
	case p.kind == ociArtifact:
		return source.Revision(digest), nil
	}
	return source.Revision(versionOf(tag)), nil
}

// noSuchTag tells what there is, if the registry lists it.
func (r *ociRepo) noSuchTag(ctx context.Context, p place, tag string, cause error) error {
	tags, err := r.tags.get(ctx, source.Cached)
	if err != nil {
		return cause //nolint:nilerr // the list would only have been a help
	}
	if p.kind == ociChart {
		return fault.New(fault.NotFound, "%s has no version %s; %s", p, versionOf(tag), offers(versionsOf(tags)))
	}
	return fault.New(fault.NotFound, "%s has no tag %s among its %d", p, tag, len(tags))
}

// isTag reports whether s can be a tag: what cannot must not become a part of an address.
func isTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}

// watched implements repository.
func (r *ociRepo) watched(p place, target string) []watched {
	if p.kind == ociArtifact && isDigest(target) {
		return nil // always the same
	}
	if target != "" && target != "HEAD" && !isRange(target) {
		return []watched{r.digest(tagOf(target))}
	}
	if p.kind == ociArtifact && !isRange(target) {
		return []watched{r.digest("latest")}
	}
	out := []watched{r.tags}
	if tags, ok := r.tags.last(); ok {
		if v, err := pick(p, target, versionsOf(tags)); err == nil {
			out = append(out, r.digest(tagOf(v)))
		}
	}
	return out
}

func (r *ociRepo) open(ctx context.Context, p place, rev source.Revision) (*source.Tree, error) {
	digest := string(rev)
	if p.kind == ociChart {
		tag := tagOf(digest)
		if !isTag(tag) {
			return nil, fault.New(fault.Invalid, "%s: %q is not a version", p, rev)
		}
		q := r.digest(tag)
		d, ok := q.last()
		if !ok {
			var err error
			if d, err = q.get(ctx, source.Cached); err != nil {
				return nil, err
			}
		}
		digest = d
	}
	if !isDigest(digest) {
		return nil, fault.New(fault.Invalid, "%s: revision %q is no digest", p, digest)
	}
	layer, err := r.layer(ctx, p, digest)
	if err != nil {
		return nil, err
	}
	root := func(t *source.Tree) (*source.Tree, error) { return t, nil }
	if p.kind == ociChart || layer.MediaType == helmContentType {
		root = chartRoot(path.Base(p.ref))
	}
	return r.src.unpacked(ctx, r.key, layer.Digest.Encoded(), root, func(ctx context.Context) ([]byte, error) {
		return r.blob(ctx, p, layer)
	})
}

// layer returns the layer that holds the files of an artifact.
func (r *ociRepo) layer(ctx context.Context, p place, digest string) (ocispec.Descriptor, error) {
	r.mu.Lock()
	layer, ok := r.layers[digest]
	r.mu.Unlock()
	if ok {
		return layer, nil
	}
	var data []byte
	err := r.ask(ctx, KindFetch, "manifest "+digest, func(ctx context.Context, repo *remote.Repository) error {
		desc, body, err := repo.Manifests().FetchReference(ctx, digest)
		if err != nil {
			return err
		}
		defer body.Close()
		if desc.Size > maxManifest {
			return fault.New(fault.Invalid, "the manifest of %s is larger than %d bytes", p, maxManifest)
		}
		data, err = content.ReadAll(body, desc)
		return err
	})
	if err != nil {
		return layer, err
	}
	if "sha256:"+sha256Of(data) != digest {
		return layer, fault.New(fault.Invalid, "%s: the registry gives a manifest with the digest sha256:%s for %s", p, sha256Of(data), digest)
	}
	if layer, err = r.choose(p, data); err != nil {
		return layer, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.layers) >= maxManifests {
		clear(r.layers)
	}
	r.layers[digest] = layer
	return layer, nil
}

// choose finds the layer with the files in a manifest.
func (r *ociRepo) choose(p place, data []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return ocispec.Descriptor{}, fault.New(fault.Invalid, "manifest of %s: %w", p, err)
	}
	allowed := r.src.cfg.MediaTypes()
	if p.kind == ociChart {
		allowed = []string{helmContentType, helmLegacyType}
	}
	var found []ocispec.Descriptor
	var others []string
	for _, l := range m.Layers {
		if slices.Contains(allowed, l.MediaType) {
			found = append(found, l)
		} else {
			others = append(others, l.MediaType)
		}
	}
	switch {
	case p.kind == ociChart && m.Config.MediaType != helmConfigType && len(found) == 0:
		return ocispec.Descriptor{}, fault.New(fault.Invalid, "%s is no Helm chart: its manifest has the media type %.100q", p, m.Config.MediaType)
	case len(found) == 0:
		return ocispec.Descriptor{}, fault.New(fault.Invalid, "%s has no layer of an allowed media type (%s), but %.300q; see reposerver.oci.layer.media.types",
			p, strings.Join(allowed, ", "), others)
	case len(found) > 1 || p.kind == ociArtifact && len(others) > 0 && m.Config.MediaType != helmConfigType:
		return ocispec.Descriptor{}, fault.New(fault.Invalid, "%s has %d layers; manifests are read from artifacts of a single layer", p, len(m.Layers))
	}
	layer := found[0]
	if !isDigest(string(layer.Digest)) {
		return layer, fault.New(fault.Invalid, "%s: the digest %.100q of its layer is not SHA-256", p, layer.Digest)
	}
	if layer.Size < 0 || layer.Size > r.src.cfg.MaxPackage {
		return layer, fault.New(fault.Invalid, "%s: its layer of %d bytes is larger than the %d that are fetched", p, layer.Size, r.src.cfg.MaxPackage)
	}
	return layer, nil
}

// blob fetches a layer and verifies it.
func (r *ociRepo) blob(ctx context.Context, p place, layer ocispec.Descriptor) ([]byte, error) {
	var data []byte
	err := r.ask(ctx, KindFetch, "layer "+layer.Digest.String(), func(ctx context.Context, repo *remote.Repository) error {
		body, err := repo.Blobs().Fetch(ctx, layer)
		if err != nil {
			return err
		}
		defer body.Close()
		data, err = readAll(io.LimitReader(body, layer.Size+1), layer.Size)
		return err
	})
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "fetch %s: %w", p, err)
	}
	if got := "sha256:" + sha256Of(data); got != layer.Digest.String() {
		return nil, fault.New(fault.Invalid, "%s: the registry does not give what its manifest names: the manifest says %s, the download has %s",
			p, layer.Digest, got)
	}
	return data, nil
}

// fetchOCI fetches the package of a chart that an index lists at an address of an OCI registry.
func (r *helmRepo) fetchOCI(ctx context.Context, p place, address *url.URL) ([]byte, error) {
	ref, tag, ok := strings.Cut(address.Path, ":")
	if !ok {
		return nil, fault.New(fault.Invalid, "%s is listed at %s, which names no version", p, source.Redact(address.String()))
	}
	at, repo, err := r.src.at(source.Request{RepoURL: ociScheme + address.Host + path.Dir(ref), Chart: path.Base(ref), Project: p.project})
	if err != nil {
		return nil, err
	}
	oci, isOCI := repo.(*ociRepo)
	if !isOCI || !isTag(tag) {
		return nil, fault.New(fault.Invalid, "%s is listed at %s, which is no chart in an OCI registry", p, source.Redact(address.String()))
	}
	digest, err := oci.digest(tag).get(ctx, source.Cached)
	if err != nil {
		return nil, err
	}
	layer, err := oci.layer(ctx, at, digest)
	if err != nil {
		return nil, err
	}
	return oci.blob(ctx, at, layer)
}
