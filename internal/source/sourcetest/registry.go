package sourcetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
)

// Media types of what is pushed.
const (
	HelmConfig  = "application/vnd.cncf.helm.config.v1+json"
	HelmContent = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	LayerGzip   = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// OCIRegistry is an OCI registry in memory.
type OCIRegistry struct {
	// Username and Password are asked for when set, by way of a token when Token is set.
	Username, Password string
	Token              bool
	// Intercept, if set, may answer in place of the registry; it reports whether it did.
	Intercept func(w http.ResponseWriter, r *http.Request) bool

	inner http.Handler
}

// NewOCIRegistry returns an empty registry.
func NewOCIRegistry() *OCIRegistry {
	return &OCIRegistry{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
}

const bearer = "registry-token"

// ServeHTTP implements http.Handler.
func (o *OCIRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.Intercept != nil && o.Intercept(w, r) {
		return
	}
	if o.Username != "" && !o.admits(w, r) {
		return
	}
	o.inner.ServeHTTP(w, r)
}

func (o *OCIRegistry) admits(w http.ResponseWriter, r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	basic := user == o.Username && password == o.Password
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	switch {
	case r.URL.Path == "/token" && basic:
		fmt.Fprintf(w, `{"token": %q}`, bearer)
		return false
	case r.URL.Path == "/token":
		http.Error(w, "no", http.StatusUnauthorized)
		return false
	case o.Token && r.Header.Get("Authorization") == "Bearer "+bearer, !o.Token && basic:
		return true
	case o.Token:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s://%s/token",service="test"`, scheme, r.Host))
	default:
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	}
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`, http.StatusUnauthorized)
	return false
}

// Layer is one layer of an artifact.
type Layer struct {
	MediaType string
	Data      []byte
}

// Push puts an artifact into the repository of the registry at address (host/path) under a tag, without asking for
// credentials, and returns its digest. config is the media type of its configuration.
func (o *OCIRegistry) Push(ctx context.Context, repository, tag, config string, layers ...Layer) (string, error) {
	repo, err := remote.NewRepository("registry.test/" + strings.Trim(repository, "/"))
	if err != nil {
		return "", err
	}
	repo.PlainHTTP, repo.Client = true, direct{o.inner}
	put := func(mediaType string, data []byte) (ocispec.Descriptor, error) {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		return d, repo.Push(ctx, d, bytes.NewReader(data))
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	if m.Config, err = put(config, []byte("{}")); err != nil {
		return "", fmt.Errorf("push configuration: %w", err)
	}
	for _, l := range layers {
		d, err := put(l.MediaType, l.Data)
		if err != nil {
			return "", fmt.Errorf("push layer: %w", err)
		}
		m.Layers = append(m.Layers, d)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	d := ocispec.Descriptor{MediaType: m.MediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := repo.PushReference(ctx, d, bytes.NewReader(data), tag); err != nil {
		return "", fmt.Errorf("push manifest: %w", err)
	}
	return d.Digest.String(), nil
}

// PushChart pushes a chart as Helm does; the chart's name is the last part of repository.
func (o *OCIRegistry) PushChart(ctx context.Context, repository, version string, data []byte) (string, error) {
	return o.Push(ctx, repository, strings.ReplaceAll(version, "+", "_"), HelmConfig, Layer{HelmContent, data})
}

// direct is a client that asks a handler in this process.
type direct struct{ handler http.Handler }

// Do implements remote.Client.
func (d direct) Do(req *http.Request) (*http.Response, error) {
	w := &recorder{header: http.Header{}, code: http.StatusOK}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	d.handler.ServeHTTP(w, req)
	return &http.Response{
		StatusCode: w.code, Status: http.StatusText(w.code), Header: w.header, Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()),
	}, nil
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
