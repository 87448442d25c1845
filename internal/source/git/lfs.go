package git

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	httpremote "github.com/belaycd/belay/internal/remote"
)

const (
	// lfsVersion begins a pointer: a small file in the place of a large one, which another server holds.
	lfsVersion = "version https://git-lfs.github.com/spec/v1\n"
	// maxPointer is the largest pointer, maxLFS the largest file that is fetched for one, maxBatch the longest answer that
	// says where it is; all in bytes.
	maxPointer, maxLFS, maxBatch = 1024, 100 << 20, 1 << 20
	lfsMedia                     = "application/vnd.git-lfs+json"
)

// pointer is the content of a file whose bytes Git LFS holds.
type pointer struct {
	oid  string // SHA-256 in hex
	size int64
}

// parsePointer reads a pointer of Git LFS; any other content is none.
func parsePointer(data []byte) (pointer, bool) {
	rest, ok := strings.CutPrefix(string(data), lfsVersion)
	if !ok || len(data) > maxPointer {
		return pointer{}, false
	}
	p := pointer{size: -1}
	for line := range strings.Lines(rest) {
		switch key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); key {
		case "oid":
			p.oid, _ = strings.CutPrefix(value, "sha256:")
		case "size":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return pointer{}, false
			}
			p.size = n
		}
	}
	return p, len(p.oid) == 64 && isHex(p.oid) && p.size >= 0
}

// pointer returns what the file stands for, if the repository uses Git LFS and the file is a pointer.
func (m *module) pointer(e entry, b blob) (pointer, bool) {
	if !m.lfs || !e.mode.is(fileMode) {
		return pointer{}, false
	}
	return parsePointer(b.data)
}

// large returns the file that p stands for, from the disk or from the LFS server of the repository. It is kept beside the
// mirror, so that nobody reads it who may not read that.
func (r *repo) large(p pointer) ([]byte, error) {
	if p.size > maxLFS {
		return nil, fault.New(fault.Invalid, "Git LFS: the file has %d bytes, more than the limit of %d", p.size, maxLFS)
	}
	at := filepath.Join(r.dir, "belay-lfs", p.oid)
	if data, err := os.ReadFile(at); err == nil && p.check(data) == nil {
		return data, nil
	}
	ctx, cancel := context.WithTimeout(r.src.life.Context(), r.src.cfg.FetchTimeout)
	defer cancel()
	err := r.single(ctx, "lfs "+p.oid, func(ctx context.Context) error {
		data, err := r.download(ctx, p)
		if err != nil {
			return err
		}
		return keepFile(r.src.git.tmp, at, data)
	})
	if err != nil {
		return nil, &wrapped{"Git LFS object " + p.oid + " of " + r.remote.shown(), err}
	}
	data, err := os.ReadFile(at)
	if err != nil {
		return nil, &wrapped{"read Git LFS cache", err}
	}
	return data, p.check(data)
}

// check compares data with what the pointer promises.
func (p pointer) check(data []byte) error {
	sum := sha256.Sum256(data)
	if int64(len(data)) != p.size || hex.EncodeToString(sum[:]) != p.oid {
		return fault.New(fault.Invalid, "the server sent other content than the pointer names; push the file again with `git lfs push --all`")
	}
	return nil
}

// keepFile puts data at a path, complete or not at all.
func keepFile(tmp, at string, data []byte) error {
	f, err := os.CreateTemp(tmp, "lfs-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close(), os.MkdirAll(filepath.Dir(at), 0o700))
	if err == nil {
		err = os.Rename(f.Name(), at)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// download asks the server where the file is and gets it.
func (r *repo) download(ctx context.Context, p pointer) ([]byte, error) {
	if r.remote.scheme != "https" && r.remote.scheme != "http" {
		return nil, fault.New(fault.Invalid, "Git LFS is supported for http and https only, not for %s; use the https address of the repository", r.remote.scheme)
	}
	base, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(r.remote.url, "/"), ".git") + ".git/info/lfs/objects/batch")
	if err != nil {
		return nil, fault.New(fault.Invalid, "address cannot be read")
	}
	creds, err := r.credentials()
	if err == nil {
		creds, err = creds.loggedIn(ctx, r.remote)
	}
	if err != nil {
		return nil, err
	}
	if creds.Username == "" && creds.Password == "" {
		creds.Username, creds.Password = r.remote.user, r.remote.password
	}
	client, err := httpremote.NewClient(base, httpremote.Access{
		Username: creds.Username, Password: creds.Password, BearerToken: creds.BearerToken, Insecure: creds.Insecure, CA: creds.CA,
		TLSClientCert: creds.TLSClientCert, TLSClientKey: creds.TLSClientKey, Proxy: creds.Proxy, NoProxy: creds.NoProxy,
	}, r.src.cfg.Env)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%w", err)
	}
	defer client.CloseIdleConnections()
	req, err := locate(ctx, client, base, p)
	if err != nil {
		return nil, err
	}
	data, err := exchange(client, req, p.size)
	if err != nil {
		return nil, err
	}
	return data, p.check(data)
}

// lfsBatch is the answer to the question where objects are.
type lfsBatch struct {
	Transfer string `json:"transfer"`
	Objects  []struct {
		OID   string `json:"oid"`
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
		Actions struct {
			Download *struct {
				Href   string            `json:"href"`
				Header map[string]string `json:"header"`
			} `json:"download"`
		} `json:"actions"`
	} `json:"objects"`
}

// locate returns the request that gets the object.
func locate(ctx context.Context, client *http.Client, batch *url.URL, p pointer) (*http.Request, error) {
	ask, err := json.Marshal(map[string]any{
		"operation": "download", "transfers": []string{"basic"}, "hash_algo": "sha256", "objects": []any{map[string]any{"oid": p.oid, "size": p.size}},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, batch.String(), bytes.NewReader(ask))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", lfsMedia)
	req.Header.Set("Content-Type", lfsMedia)
	data, err := exchange(client, req, maxBatch)
	if err != nil {
		return nil, err
	}
	var answer lfsBatch
	if err := json.Unmarshal(data, &answer); err != nil || len(answer.Objects) != 1 || answer.Objects[0].OID != p.oid ||
		answer.Transfer != "" && answer.Transfer != "basic" {
		return nil, fault.New(fault.Invalid, "%s does not answer as a Git LFS server does", batch.Redacted())
	}
	object := answer.Objects[0]
	if object.Error != nil || object.Actions.Download == nil {
		why := "it names no place to get it from"
		if object.Error != nil {
			why = strconv.Itoa(object.Error.Code) + " " + Redact(shorten(object.Error.Message))
		}
		return nil, fault.New(fault.Invalid, "the server does not have it (%s); push it with `git lfs push --all`", why)
	}
	href, err := url.Parse(object.Actions.Download.Href)
	if err != nil || href.Host == "" || href.Scheme != "https" && (href.Scheme != "http" || batch.Scheme == "https") {
		return nil, fault.New(fault.Invalid, "the server names a place that is not used: an address with https, or with http if its own is, is needed")
	}
	if req, err = http.NewRequestWithContext(ctx, http.MethodGet, href.String(), nil); err != nil {
		return nil, fault.New(fault.Invalid, "the server names a place that cannot be read")
	}
	for key, value := range object.Actions.Download.Header {
		req.Header.Set(key, value)
	}
	return req, nil
}

// exchange makes a request and returns the answer, of at most limit bytes. Queries of addresses may hold signatures and
// are not told.
func exchange(client *http.Client, req *http.Request, limit int64) ([]byte, error) {
	req.Header.Set("User-Agent", "belay")
	shown := req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text holds the URL
		}
		return nil, fault.New(fault.Transient, "%s: %w", shown, err)
	}
	defer resp.Body.Close()
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return nil, fault.New(fault.Denied, "%s: the server refuses access (%d); the repository's Secret must hold credentials that may read Git LFS", shown, code)
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return nil, fault.New(fault.Transient, "%s: the server answers %d", shown, code)
	default:
		return nil, fault.New(fault.Invalid, "%s: the server answers %d; does it serve Git LFS for this repository?", shown, code)
	}
	var data bytes.Buffer // grows with what really comes
	n, err := io.Copy(&data, io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fault.New(fault.Transient, "%s: %w", shown, err)
	}
	if n > limit {
		return nil, fault.New(fault.Invalid, "%s: the server sends more than %d bytes", shown, limit)
	}
	return data.Bytes(), nil
}
