package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/remote"
	"github.com/belaycd/belay/internal/source"
)

// visitor makes requests to one place with the credentials that count at the moment.
type visitor struct {
	src  *Source
	at   place
	base *url.URL

	mu     sync.Mutex
	client *http.Client
	made   string // fingerprint of the access that client was made of
}

// access returns what the place is reached with, and its fingerprint.
func (v *visitor) access() (Access, string, error) {
	a, err := v.src.access(v.at)
	if err != nil {
		return a, "", err
	}
	type plain remote.Access // without the methods that hide the content
	data, err := json.Marshal([]any{plain(a.Access), a.PlainHTTP})
	if err != nil {
		return a, "", fault.New(fault.Internal, "read credentials of %s", v.at)
	}
	sum := sha256.Sum256(data)
	return a, hex.EncodeToString(sum[:]), nil
}

// credentials names those of the moment. An error is met and reported by the request itself.
func (v *visitor) credentials() string {
	_, fingerprint, err := v.access()
	if err != nil {
		return err.Error()
	}
	return fingerprint
}

// http returns a client with the access of the moment, or without names and passwords when the protocol sends them itself.
func (v *visitor) http(anonymous bool) (*http.Client, Access, error) {
	a, fingerprint, err := v.access()
	if err != nil {
		return nil, a, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.client != nil && v.made == fingerprint {
		return v.client, a, nil
	}
	with := a.Access
	if anonymous {
		with.Username, with.Password, with.BearerToken = "", "", ""
	}
	base := *v.base
	if a.PlainHTTP {
		base.Scheme = "http"
	}
	client, err := remote.NewClient(&base, with, v.src.cfg.Env)
	if err != nil {
		return nil, a, fault.New(fault.Invalid, "reach %s: %w", v.at, err)
	}
	if v.client != nil {
		v.client.CloseIdleConnections()
	}
	v.client, v.made = client, fingerprint
	return client, a, nil
}

// observed reports how a request went.
func (v *visitor) observed(ctx context.Context, kind string, limit time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := v.src.cfg.Now()
	err := run(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fault.New(fault.Transient, "%s %s: no complete answer within %s", kind, v.at, limit)
	}
	if !errors.Is(err, context.Canceled) {
		v.src.cfg.Observe(v.at.repo(), kind, v.src.cfg.Now().Sub(began), err)
	}
	return err
}

// get makes a request and returns the body of the answer, of at most limit bytes. The header is the request's on the way
// out and the answer's on return. An answer 304 has no body and no error.
func (v *visitor) get(ctx context.Context, address string, header http.Header, limit int64) ([]byte, http.Header, error) {
	client, access, err := v.http(false)
	if err != nil {
		return nil, nil, err
	}
	shown := source.Redact(address)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "address %q cannot be read", shown)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "belay")
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, transportError(shown, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified {
		return nil, resp.Header, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, statusError(shown, resp.StatusCode, access.Authenticates())
	}
	data, err := readAll(resp.Body, limit)
	if err != nil {
		if fault.Is(err, fault.Invalid) {
			return nil, nil, fault.New(fault.Invalid, "get %s: %w", shown, err)
		}
		return nil, nil, transportError(shown, err)
	}
	return data, resp.Header, nil
}

// readAll reads at most limit bytes; more is an error of kind Invalid.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	var data bytes.Buffer // grows with what really comes
	n, err := io.Copy(&data, io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fault.New(fault.Invalid, "the answer is larger than %d bytes", limit)
	}
	return data.Bytes(), nil
}

// transportError classifies a request that got no answer.
func transportError(shown string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // its text holds the URL with what may be a token
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var verify *tls.CertificateVerificationError
	if errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &host) || errors.As(err, &verify) {
		return fault.New(fault.Denied, "get %s: the server's certificate is not trusted: %w; add its authority to ConfigMap argocd-tls-certs-cm", shown, err)
	}
	return fault.New(fault.Transient, "get %s: %w", shown, err)
}

// statusError classifies an answer that is none.
func statusError(shown string, code int, authenticated bool) error {
	text := http.StatusText(code)
	switch {
	case (code == http.StatusUnauthorized || code == http.StatusForbidden) && authenticated:
		return fault.New(fault.Denied, "get %s: the server refuses the configured credentials (%d %s)", shown, code, text)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fault.New(fault.Denied, "get %s: the server wants credentials (%d %s) and none are configured; add a repository Secret", shown, code, text)
	case code == http.StatusNotFound || code == http.StatusGone:
		return fault.New(fault.NotFound, "get %s: there is no such thing (%d %s)", shown, code, text)
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fault.New(fault.Transient, "get %s: the server answers %d %s", shown, code, text)
	}
	return fault.New(fault.Invalid, "get %s: the server answers %d %s", shown, code, text)
}
