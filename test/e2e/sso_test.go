package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/identity/oidc/oidctest"
	"github.com/belaycd/belay/test/e2e/harness"
)

// configure sets keys of a ConfigMap of the control plane.
func configure(t *testing.T, plane *harness.Plane, name string, data map[string]string) {
	t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: plane.Namespace, Name: name}}
	_, err := controllerutil.CreateOrUpdate(t.Context(), plane.WithWatch, cm, func() error {
		if cm.Data == nil {
			cm.Data = map[string]string{}
		}
		for key, value := range data {
			cm.Data[key] = value
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSingleSignOn signs in at a real provider, is what its groups may be, and is nobody after signing out. The record has the
// sign-in and the one that failed, with the address that the proxy in front gave.
func TestSingleSignOn(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t, "--trust-forwarded-for")
	home := "http://" + w.address
	provider := oidctest.New(t, home+"/auth/callback")
	w.password() // the Secret argocd-secret is there by then
	secret := &corev1.Secret{}
	if err := w.plane.Get(t.Context(), client.ObjectKey{Namespace: w.plane.Namespace, Name: "argocd-secret"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["oidc.test.clientSecret"] = []byte(oidctest.ClientSecret)
	if err := w.plane.WithWatch.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	configure(t, w.plane, "argocd-rbac-cm", map[string]string{"policy.csv": "g, ops, role:admin\n", "scopes": "[groups]"})
	configure(t, w.plane, "argocd-cm", map[string]string{"url": home, "oidc.config": fmt.Sprintf(
		"name: Test\nissuer: %s\nclientID: %s\ncliClientID: %s\nclientSecret: $oidc.test.clientSecret\nrequestedScopes: [openid, profile, email]\nenablePKCEAuthentication: true\nrootCA: |\n  %s\n",
		provider.URL, oidctest.ClientID, oidctest.PublicClientID, strings.ReplaceAll(strings.TrimSpace(provider.RootCA), "\n", "\n  "))})
	// A second server's cookie, or none, is not taken for a sign-in that was begun here.
	harness.Eventually(t, "the provider is set", func(context.Context) error {
		resp, err := http.Get(home + "/auth/callback?state=x&code=y")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "has begun no sign-in") {
			return fmt.Errorf("%d %w %s", resp.StatusCode, err, body)
		}
		return nil
	})

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	step := func(method, address string, status int) *http.Response {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "198.51.100.9, "+browserAddress)
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: %d, want %d: %v %s", method, address, resp.StatusCode, status, err, body)
		}
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		return resp
	}
	begun := step("GET", home+"/auth/login?return_url="+url.QueryEscape("/applications?view=list"), http.StatusSeeOther)
	redirect := begun.Header.Get("Location")
	if !strings.HasPrefix(redirect, provider.URL) || !strings.Contains(redirect, "code_challenge") {
		t.Fatalf("sent to %s", redirect)
	}
	back := provider.Browser(t, redirect, home)
	done := step("GET", back.String(), http.StatusSeeOther)
	if to := done.Header.Get("Location"); to != "/applications?view=list" {
		t.Errorf("sent back to %q", to)
	}
	body, err := io.ReadAll(step("GET", home+"/api/v1/session/userinfo", http.StatusOK).Body)
	if err != nil || !strings.Contains(string(body), `"ops"`) || !strings.Contains(string(body), `"loggedIn":true`) {
		t.Errorf("%s %v", body, err)
	}
	// role:admin by the group ops.
	step("GET", home+"/api/v1/clusters", http.StatusOK)
	if body, _ := io.ReadAll(step("GET", home+"/api/v1/account/can-i/applications/delete/default/web", http.StatusOK).Body); !strings.Contains(string(body), "yes") {
		t.Errorf("may the group delete: %s", body)
	}
	// The same answer of the provider is worth nothing a second time: the cookie of the sign-in is gone.
	step("GET", back.String(), http.StatusForbidden)
	w.recorded(t, "login", "id1")
	w.recorded(t, "login-failed", "")

	w.commandLineSignsIn(t, provider)

	token := cookieOf(t, jar, home)
	step("DELETE", home+"/api/v1/session", http.StatusOK)
	if _, data := (&restClient{t: t, address: w.address, token: token}).ask("GET", "/api/v1/session/userinfo", nil); strings.Contains(string(data), `"loggedIn":true`) {
		t.Errorf("after signing out: %s", data)
	}
	if log := w.plane.Log(); strings.Contains(log, token) || strings.Contains(log, oidctest.ClientSecret) {
		t.Error("the log has the token or the secret of the client")
	}
}

// commandLineSignsIn signs the command line in by a browser, and asks with the token for what its groups may do.
func (w *ways) commandLineSignsIn(t *testing.T, provider *oidctest.Issuer) {
	t.Helper()
	trust := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trust, []byte(provider.RootCA), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(harness.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.plane.Belay, "login", w.address, "--plaintext", "--sso", "--sso-launch-browser=false", "--sso-port", port)
	cmd.Env = []string{"HOME=" + w.home, "PATH=" + os.Getenv("PATH"), "SSL_CERT_FILE=" + trust}
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, address := bufio.NewScanner(said), ""
	for address == "" && lines.Scan() {
		if strings.HasPrefix(lines.Text(), provider.URL) {
			address = lines.Text()
		} else {
			t.Log(lines.Text())
		}
	}
	if address == "" {
		t.Fatalf("no address was printed: %v", cmd.Wait())
	}
	resp, err := http.Get(provider.Browser(t, address, "http://localhost:"+port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := cmd.Wait(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("sign in by the browser: %v, the page has status %d", err, resp.StatusCode)
	}
	if got := w.server("proj", "list"); got.code != 0 {
		t.Error(got)
	}
}

// browserAddress is where the browser is, as the proxy in front says.
const browserAddress = "203.0.113.7"

// recorded waits until the record has an activity from the browser's address.
func (w *ways) recorded(t *testing.T, kind, actor string) {
	t.Helper()
	admin := w.signIn()
	harness.Eventually(t, "the record has a "+kind, func(context.Context) error {
		status, data := admin.ask("GET", "/api/belay/v1/activities?kind="+kind+"&text="+browserAddress, nil)
		var page audit.Page
		if err := json.Unmarshal(data, &page); err != nil || status != http.StatusOK || len(page.Items) == 0 {
			return fmt.Errorf("%d %w %s", status, err, data)
		}
		for _, a := range page.Items {
			if a.Address == browserAddress && a.Actor == actor && strings.Contains(a.Text, "at the identity provider") {
				return nil
			}
		}
		return fmt.Errorf("%s", data)
	})
}

// cookieOf is the token that a browser holds.
func cookieOf(t *testing.T, jar http.CookieJar, home string) string {
	t.Helper()
	at, err := url.Parse(home)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range jar.Cookies(at) {
		if c.Name == "argocd.token" {
			return c.Value
		}
	}
	t.Fatal("the browser holds no token")
	return ""
}
