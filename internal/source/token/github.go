package token

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// GitHubApp is an app of GitHub and one of its installations.
type GitHubApp struct {
	ID int64
	// InstallationID may be 0: then it is that of the repository.
	InstallationID int64
	// PrivateKey is PEM.
	PrivateKey string
	// BaseURL is the address of the API of GitHub Enterprise, such as https://ghe.example.com/api/v3; empty means github.com.
	BaseURL string
	// Repository is the address of the repository.
	Repository string `json:"-"`
}

const gitHubAPI = "https://api.github.com"

// GitHubApp logs in as an installation of an app: github.com gives it a password for an hour.
func (s *Store) GitHubApp(a GitHubApp, reach Reach) *Login {
	if a.InstallationID != 0 {
		a.Repository = ""
	}
	return s.login("GitHub App", a, a.Repository, reach)
}

func (a GitHubApp) issue(ctx context.Context, s *Store, reach Reach) (grant, error) {
	if a.ID <= 0 {
		return grant{}, fault.New(fault.Invalid, "githubAppID is missing: it is the number on the app's page of settings")
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(a.PrivateKey))
	if err != nil {
		return grant{}, fault.New(fault.Invalid, "githubAppPrivateKey is no RSA key in PEM")
	}
	base := strings.TrimSuffix(cmp.Or(a.BaseURL, gitHubAPI), "/")
	client, err := s.client("githubAppEnterpriseBaseUrl", base, reach)
	if err != nil {
		return grant{}, err
	}
	defer client.CloseIdleConnections()
	api := gitHubCaller{client: client, base: base, app: a.ID, key: key, now: s.now}
	id := a.InstallationID
	if id == 0 {
		if id, err = api.installation(ctx, a.Repository); err != nil {
			return grant{}, err
		}
	}
	var answer struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
	}
	if err := api.call(ctx, http.MethodPost, "/app/installations/"+strconv.FormatInt(id, 10)+"/access_tokens", &answer); err != nil {
		return grant{}, fmt.Errorf("get a token of installation %d of GitHub App %d: %w", id, a.ID, err)
	}
	if answer.Token == "" {
		return grant{}, fault.New(fault.Transient, "%s answers without a token", base)
	}
	return grant{username: "x-access-token", password: answer.Token, issued: s.now(), ends: answer.Expires}, nil
}

type gitHubCaller struct {
	client *http.Client
	base   string
	app    int64
	key    *rsa.PrivateKey
	now    func() time.Time
}

// installation finds the installation of the app that a repository belongs to.
func (g gitHubCaller) installation(ctx context.Context, repository string) (int64, error) {
	u, err := url.Parse(repository)
	if err != nil {
		return 0, fault.New(fault.Invalid, "githubAppInstallationID is missing, and the address of the repository does not tell it")
	}
	owner, name, found := strings.Cut(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"), "/")
	if !found || strings.Contains(name, "/") {
		return 0, fault.New(fault.Invalid, "githubAppInstallationID is missing, and %s is no OWNER/REPOSITORY of which it could be found out", source.Redact(repository))
	}
	var answer struct {
		ID int64 `json:"id"`
	}
	if err := g.call(ctx, http.MethodGet, "/repos/"+url.PathEscape(owner)+"/"+url.PathEscape(name)+"/installation", &answer); err != nil {
		return 0, fmt.Errorf("find the installation of GitHub App %d for %s/%s: %w", g.app, owner, name, err)
	}
	return answer.ID, nil
}

// call makes one request in the name of the app.
func (g gitHubCaller) call(ctx context.Context, method, path string, into any) error {
	now := g.now()
	// GitHub refuses more than ten minutes, and clocks that go ahead of its own.
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: strconv.FormatInt(g.app, 10), IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(8 * time.Minute)),
	}).SignedString(g.key)
	if err != nil {
		return fault.New(fault.Invalid, "githubAppPrivateKey cannot sign: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, http.NoBody)
	if err != nil {
		return fault.New(fault.Invalid, "address %s: %w", g.base, err)
	}
	req.Header.Set("Authorization", "Bearer "+signed)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-Github-Api-Version", "2022-11-28")
	resp, err := g.client.Do(req)
	if err != nil {
		return fault.As(fault.Transient, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fault.New(fault.Transient, "read the answer of %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode/100 != 2 {
		return refused(req.URL.Host, resp.StatusCode, message(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fault.New(fault.Transient, "%s answers something that is not of GitHub's API", req.URL.Host)
	}
	return nil
}

// message is what GitHub says of a refusal.
func message(body []byte) string {
	var said struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Message
}

// refused is the error of an answer that is no success. said comes from the server.
func refused(host string, code int, said string) error {
	kind := fault.Denied
	if code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout {
		kind = fault.Transient
	}
	text := fmt.Sprintf("%s answers %d %s", host, code, http.StatusText(code))
	if said = clip(said); said != "" {
		text += ": " + said
	}
	return fault.New(kind, "%s", text)
}

// clip keeps a text of a server to one line of a bearable length.
func clip(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
