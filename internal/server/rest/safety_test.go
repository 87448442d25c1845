package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
)

// offline is a handler over a service layer without a cluster, for what is decided before one is asked.
func offline(t testing.TB, change func(*rest.Options)) (*rest.Handler, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	o := rest.Options{
		Server: server.New(server.Options{Namespace: "argocd", Access: roles{}, Sessions: &sessions{tokens: map[string]string{"t": "admin"}}, Now: time.Now, Log: logger(log)}),
		Log:    logger(log), MaxBody: 1 << 10,
	}
	if change != nil {
		change(&o)
	}
	h, err := rest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, log
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestForeignSitesMayNotWrite(t *testing.T) {
	h, _ := offline(t, nil)
	cookie := []string{"Cookie", "argocd.token=t"}
	for _, test := range []struct {
		name   string
		header []string
		want   int
	}{
		{"a page of another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of a sibling", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"an old browser on another site", []string{"Origin", "https://evil.example.com"}, 403},
		{"a page without an origin", []string{"Origin", "null"}, 403},
		{"the own page", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"the own page in an old browser", []string{"Origin", "http://example.com"}, 200},
		{"a program", nil, 200},
	} {
		w := ask(h, "DELETE", "/api/v1/session", "", append(test.header, cookie...)...)
		if w.Code != test.want {
			t.Errorf("%s: status %d, want %d", test.name, w.Code, test.want)
		}
	}
	if w := ask(h, "GET", "/api/v1/session/userinfo", "", "Sec-Fetch-Site", "cross-site"); w.Code != 200 {
		t.Errorf("reading: status %d", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	h, _ := offline(t, func(o *rest.Options) {
		o.UI = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	})
	for path, policy := range map[string]string{"/": "script-src 'self'", "/api/version": "default-src 'none'"} {
		header := ask(h, "GET", path, "").Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
		} {
			if !strings.Contains(header.Get(name), want) {
				t.Errorf("%s: %s is %q, want %s", path, name, header.Get(name), want)
			}
		}
		if !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || strings.Contains(header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("%s: policy %q", path, header.Get("Content-Security-Policy"))
		}
		if header.Get("X-Request-Id") == "" {
			t.Errorf("%s: the request has no name", path)
		}
	}
}

func TestCookie(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*rest.Options)
		header []string
		secure bool
	}{
		{"plain", nil, nil, false},
		{"behind a proxy that speaks TLS", nil, []string{"X-Forwarded-Proto", "https"}, true},
		{"said to be secure", func(o *rest.Options) { o.Secure = true }, nil, true},
	} {
		h, _ := offline(t, test.change)
		w := ask(h, "POST", "/api/v1/session", `{"username":"admin","password":"correct horse"}`, test.header...)
		cookie := w.Header().Get("Set-Cookie")
		if w.Code != 200 || strings.Contains(cookie, "; Secure") != test.secure || !strings.Contains(cookie, "HttpOnly") {
			t.Errorf("%s: status %d, cookie %q", test.name, w.Code, cookie)
		}
	}
	h, _ := offline(t, nil)
	if cookie := ask(h, "DELETE", "/api/v1/session", "", "Cookie", "argocd.token=t").Header().Get("Set-Cookie"); !strings.Contains(cookie, "Max-Age=0") {
		t.Errorf("signing out leaves %q", cookie)
	}
	if w := ask(h, "GET", "/api/v1/session/userinfo", "", "Cookie", "argocd.token=t"); strings.Contains(w.Body.String(), "admin") {
		t.Error("the session goes on after signing out")
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	h, log := offline(t, nil)
	bearer := []string{"Authorization", "Bearer t"}
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"too large", "POST", "/api/v1/session", `{"username":"` + strings.Repeat("x", 2<<10) + `"}`, 413, "larger than 1024 bytes"},
		{"no JSON", "POST", "/api/v1/session", `{"username":`, 400, "ends too early"},
		{"wrong at a place", "POST", "/api/v1/session", `{"username":]`, 400, "wrong at byte"},
		{"a wrong type", "POST", "/api/v1/session", `{"username":5}`, 400, "wrong type at username"},
		{"two values", "POST", "/api/v1/session", `{} {}`, 400, "more than one"},
		{"a wrong query", "GET", "/api/v1/applications/shop/logs?tailLines=many", "", 400, "tailLines"},
		{"no such path", "GET", "/api/v1/nonsense", "", 404, "no such path"},
		{"no such path, another method", "PUT", "/api/v1/nonsense/x", "", 404, "no such path"},
		{"no such method", "POST", "/api/v1/settings", "", 405, "GET, HEAD"},
		{"no such method of an application", "POST", "/api/v1/applications/shop", "", 405, "DELETE, GET, HEAD, PATCH, PUT"},
		{"unknown fields are passed over", "POST", "/api/v1/session", `{"surprise":{"a":[1]},"token":"wrong"}`, 401, "invalid session"},
	} {
		w := ask(h, test.method, test.path, test.body, bearer...)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) || !strings.Contains(w.Body.String(), `"code":`) {
			t.Errorf("%s: status %d, %s", test.name, w.Code, w.Body)
		}
		if allow := w.Header().Get("Allow"); (w.Code == 405) != (allow == test.says) {
			t.Errorf("%s: status %d, Allow %q", test.name, w.Code, allow)
		}
	}
	if strings.Contains(log.String(), "xxxxxxxx") {
		t.Error("the log holds a body")
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		body   string
	}{
		{fault.New(fault.Unauthenticated, "who"), 401, `{"error":"who","code":16,"message":"who"}`},
		{fault.New(fault.Denied, "no"), 403, `{"error":"no","code":7,"message":"no"}`},
		{fault.New(fault.NotFound, "gone"), 404, `{"error":"gone","code":5,"message":"gone"}`},
		{fault.New(fault.Conflict, "raced"), 409, `{"error":"raced","code":10,"message":"raced"}`},
		{fault.New(fault.Invalid, "bad"), 400, `{"error":"bad","code":3,"message":"bad"}`},
		{fault.New(fault.Transient, "fetch https://me:hunter2@git.example.com/x: refused"), 503, `{"error":"fetch https://me:xxxxx@git.example.com/x: refused","code":14,"message":"fetch https://me:xxxxx@git.example.com/x: refused"}`},
		{context.DeadlineExceeded, 503, `{"error":"context deadline exceeded","code":14,"message":"context deadline exceeded"}`},
		{errors.New("the secret is hunter2"), 500, `{"error":"internal error; the log of the server has it under request r1","code":13,"message":"internal error; the log of the server has it under request r1"}`},
	} {
		h, _ := offline(t, func(o *rest.Options) {
			o.RequestID = func() string { return "r1" }
			o.Server.Sessions = failing{test.err}
		})
		w := ask(h, "POST", "/api/v1/session", `{"username":"a","password":"b"}`)
		want := test.status
		body := test.body
		if fault.Is(test.err, fault.Denied) { // of a password it is none of a right
			want, body = 401, strings.Replace(body, `"code":7`, `"code":16`, 1)
		}
		if w.Code != want || w.Body.String() != body {
			t.Errorf("%v: status %d, body %s", test.err, w.Code, w.Body)
		}
	}
}

// failing are sessions of which nobody is.
type failing struct{ err error }

func (f failing) Login(context.Context, string, string, string) (server.Token, error) {
	return server.Token{}, f.err
}
func (f failing) Verify(context.Context, string) (server.Caller, error) {
	return server.Caller{}, f.err
}
func (f failing) Revoke(context.Context, string) error { return f.err }
func (f failing) Anonymous() (server.Caller, bool)     { return server.Caller{}, false }

func TestPanic(t *testing.T) {
	h, log := offline(t, func(o *rest.Options) {
		o.Mounts = map[string]http.Handler{"GET /auth/callback": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") })}
	})
	if w := ask(h, "GET", "/auth/callback", ""); w.Code != 500 || strings.Contains(w.Body.String(), "oh\"") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), `"panic":"oh"`) {
		t.Errorf("the log does not tell of it: %s", log)
	}
}

func TestAnonymous(t *testing.T) {
	h, _ := offline(t, func(o *rest.Options) { o.Server.Sessions = &sessions{tokens: map[string]string{}, anonymous: true} })
	w := ask(h, "GET", "/api/v1/account/can-i/applications/get/default/shop", "")
	if w.Code != 200 || w.Body.String() != `{"value":"no"}` {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

func TestAddressOfCaller(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		h, log := offline(t, func(o *rest.Options) { o.TrustForwarded = trusted })
		ask(h, "GET", "/api/version", "", "X-Forwarded-For", "198.51.100.9, 203.0.113.7")
		if got := strings.Contains(log.String(), "203.0.113.7"); got != trusted {
			t.Errorf("trusted %v: the log has %s", trusted, log)
		}
	}
}

// record keeps what was recorded.
type record struct{ all []audit.Activity }

func (r *record) Record(_ context.Context, a audit.Activity) { r.all = append(r.all, a) }

// TestAddressOfMounted: handlers beside the table learn where a caller is as its procedures do, without a port.
func TestAddressOfMounted(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		kept := &record{}
		h, _ := offline(t, func(o *rest.Options) {
			o.TrustForwarded, o.Server.Recorder = trusted, kept
			o.Mounts = map[string]http.Handler{"GET /auth/callback": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				o.Server.RecordSingleSignOn(r.Context(), "somebody", nil)
				o.Server.RecordSingleSignOn(r.Context(), "", fault.New(fault.Denied, "fetch https://me:hunter2@id.example.com/: refused"))
				o.Server.RecordSingleSignOn(r.Context(), "", fault.New(fault.Transient, "the provider is away"))
			})}
		})
		ask(h, "GET", "/auth/callback", "", "X-Forwarded-For", "198.51.100.9, 203.0.113.7")
		ask(h, "POST", "/api/v1/session", `{"username":"admin","password":"wrong"}`, "X-Forwarded-For", "203.0.113.7")
		want := map[bool]string{false: "192.0.2.1", true: "203.0.113.7"}[trusted]
		var got []string
		for _, a := range kept.all {
			if a.Address != want {
				t.Errorf("trusted %v: %q was recorded for %s", trusted, a.Address, want)
			}
			got = append(got, a.Kind+" "+a.Actor+" "+a.Outcome)
			if strings.Contains(a.Text, "hunter2") {
				t.Errorf("the record has a password: %s", a.Text)
			}
		}
		if text := strings.Join(got, ", "); text != "login somebody success, login-failed  denied, login-failed  failure, login-failed admin denied" {
			t.Errorf("recorded: %s", text)
		}
	}
}

func TestFields(t *testing.T) {
	b := newBench(t)
	b.App("one", nil)
	b.App("two", nil)
	got := b.as("admin", "GET", "/api/v1/applications?fields=items.metadata.name,items.spec.project", nil).is(t, 200)
	want := `{"items":[{"metadata":{"name":"one"},"spec":{"project":"default"}},{"metadata":{"name":"two"},"spec":{"project":"default"}}]}`
	if string(got.body) != want {
		t.Errorf("got %s", got.body)
	}
	var app v1alpha1.Application
	b.as("admin", "GET", "/api/v1/applications/one?fields=-spec.source", nil).is(t, 200).into(t, &app)
	if app.Spec.Source != nil || app.Spec.Project != "default" {
		t.Errorf("got %+v", app.Spec)
	}
}
