package service

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

func TestWebhookRequests(t *testing.T) {
	for name, test := range map[string]struct {
		address string // below that of the server
		part    object
		line    string
		body    string
	}{
		"without a part":         {"/hook", nil, "GET /hook", "text"},
		"part of another":        {"/hook", object{"cd": object{"method": "POST"}}, "GET /hook", "text"},
		"body without method":    {"/hook", object{"ci": object{"body": "b"}}, "GET /hook", "b"},
		"empty body":             {"/hook", object{"ci": object{"method": "PUT"}}, "PUT /hook", ""},
		"path":                   {"/hook/", object{"ci": object{"method": "post", "path": "/a/b?c=d e", "body": "{}"}}, "POST /hook/a/b?c=d%20e", "{}"},
		"path below a query":     {"/hook?token=1", object{"ci": object{"method": "POST", "path": "run"}}, "POST /hook/run?token=1", ""},
		"both have a query":      {"/hook?token=1", object{"ci": object{"path": "run?x=2"}}, "GET /hook/run?token=1&x=2", ""},
		"escaped":                {"/hook", object{"ci": object{"path": "a%2Fb/c d"}}, "GET /hook/a%2Fb/c%20d", ""},
		"no way to another host": {"", object{"ci": object{"path": "//example.com/x@y"}}, "GET /example.com/x@y", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got recorder
			server := serve(t, got.record(answer200("")))
			m := notify.Message{Text: "text"}
			if test.part != nil {
				m = message("text", "webhook", test.part)
			}
			sent(t, build(t, "webhook", "ci", "url: "+server.URL+test.address), m, "")
			req := got.requests()[0]
			same(t, []string{req.Line, req.Body}, []string{test.line, test.body})
		})
	}
}

func TestWebhookHeaders(t *testing.T) {
	var got recorder
	server := serve(t, got.record(answer200("")))
	s := build(t, "webhook", "", "url: "+server.URL+`
headers:
- name: Content-Type
  value: application/x-www-form-urlencoded
- {name: X-Number, value: 007}
basicAuth: {username: ci, password: 0123}
retryMax: 3
retryWaitMin: 1s
`)
	sent(t, s, message("", "webhook", object{"webhook": object{"method": "POST", "body": "a=b"}}), "")
	req := got.requests()[0]
	r := http.Request{Header: req.Header}
	name, password, _ := r.BasicAuth()
	same(t, []string{name, password, r.Header.Get("X-Number"), r.Header.Get("Content-Type"), req.Body},
		[]string{"ci", "0123", "007", "application/x-www-form-urlencoded", "a=b"})
}

// The name of the certificate in the ConfigMap is that of the host, without a port.
func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(answer200(""))
	t.Cleanup(server.Close)
	_, err := New("webhook", "ci", nil, env())
	wantFault(t, err, fault.Invalid, "service.webhook.ci: url is missing")

	err = build(t, "webhook", "ci", "url: "+server.URL+"/canary").Send(t.Context(), notify.Message{}, "")
	wantFault(t, err, fault.Invalid, "add its authority to the ConfigMap argocd-tls-certs-cm under 127.0.0.1")
	if contains(err.Error(), "canary") {
		t.Error(err)
	}
	sent(t, build(t, "webhook", "ci", "insecureSkipVerify: true\nurl: "+server.URL), notify.Message{}, "")

	with := env()
	var asked []string
	with.CA = func(host string) []byte {
		asked = append(asked, host)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	}
	s, err := New("webhook", "ci", []byte("url: "+server.URL), with)
	if err != nil {
		t.Fatal(err)
	}
	sent(t, s, notify.Message{}, "")
	same(t, asked, []string{"127.0.0.1"})

	with.CA = func(string) []byte { return []byte("junk") }
	_, err = New("webhook", "ci", []byte("url: "+server.URL), with)
	wantFault(t, err, fault.Invalid, "no PEM certificate")
}

func TestProxyOfTheProcess(t *testing.T) {
	var got recorder
	proxy := serve(t, got.record(answer200("")))
	s, err := New("webhook", "ci", []byte("url: http://hooks.example.com/x"), Env{Env: []string{"HTTP_PROXY=" + proxy.URL}})
	if err != nil {
		t.Fatal(err)
	}
	sent(t, s, notify.Message{}, "")
	same(t, got.requests()[0].Line, "GET http://hooks.example.com/x")
}

// A redirect within the origin keeps everything, as does one that a service answers a message with.
func TestWebhookRedirects(t *testing.T) {
	var got recorder
	server := serve(t, got.record(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusPermanentRedirect)
		}
	}))
	s := build(t, "webhook", "ci", "url: "+server.URL+"/old\nheaders: [{name: X-Key, value: k}]")
	sent(t, s, message("", "webhook", object{"ci": object{"method": "POST", "body": "b"}}), "")
	req := got.requests()[1]
	same(t, []string{req.Line, req.Body, req.Header.Get("X-Key")}, []string{"POST /new", "b", "k"})

	loop := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	err := build(t, "webhook", "ci", "url: "+loop.URL).Send(t.Context(), notify.Message{}, "")
	wantFault(t, err, fault.Invalid, "too many redirects")
}

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct{ kind, options, want string }{
		"unknown type":     {"fax", "", `"fax" is no type of notification service: there are `},
		"no YAML":          {"webhook", "url: http://x\n  canary: : [", "service.webhook.x is no YAML (line 2)"},
		"a text":           {"webhook", "canary", "is a single text and not a map"},
		"a list":           {"webhook", "[canary]", "is no map of options"},
		"no address":       {"webhook", "url: canary", "url is no address that starts with http:// or https://"},
		"another scheme":   {"webhook", "url: 'ftp://canary'", "url is no address"},
		"broken address":   {"webhook", "url: 'http://canary:%zz'", "url is no address"},
		"no flag":          {"webhook", "url: http://x\ninsecureSkipVerify: canary", "insecureSkipVerify is neither true nor false"},
		"headers":          {"webhook", "url: http://x\nheaders: canary", "headers is no list"},
		"header":           {"webhook", "url: http://x\nheaders: [canary]", "headers[0] is no map"},
		"name of a header": {"webhook", "url: http://x\nheaders: [{name: 'ca nary', value: x}]", "headers[0].name is no name of a header"},
		"no name":          {"webhook", "url: http://x\nheaders: [{value: canary}]", "headers[0].name is missing"},
		"line end":         {"webhook", "url: http://x\nheaders: [{name: x, value: \"a\\ncanary\"}]", "headers[0].value holds line ends"},
		"auth":             {"webhook", "url: http://x\nbasicAuth: canary", "basicAuth is no map"},
		"auth within":      {"webhook", "url: http://x\nbasicAuth: {username: [canary]}", "basicAuth.username is no text"},
		"several":          {"webhook", "insecureSkipVerify: 2", "url is missing; insecureSkipVerify is neither"},
		"slack token":      {"slack", "username: canary", "service.slack.x: token is missing"},
		"slack line":       {"slack", `token: "a\nb"`, "token holds line ends"},
		"slack address":    {"slack", "token: canary\napiURL: canary", "apiURL is no address"},
		"email host":       {"email", "from: a@example.com", "host is missing"},
		"email from":       {"email", "host: x\nfrom: canary", "from is no mail address"},
		"email port":       {"email", "host: x\nfrom: a@example.com\nport: 70000", "port is no port"},
		"email port text":  {"email", "host: x\nfrom: a@example.com\nport: canary", "port is no whole number"},
		"email user":       {"email", "host: x\nfrom: a@example.com\npassword: canary", "username is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(test.kind, "x", []byte(test.options), env())
			wantFault(t, err, fault.Invalid, test.want)
			if err != nil && contains(err.Error(), "canary") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestAliasesAreBounded(t *testing.T) {
	text := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		n, m := string(rune('1'+i)), string(rune('0'+i))
		text += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+m+",", 10), ",") + "]\n"
	}
	_, err := New("webhook", "ci", []byte(text), env())
	wantFault(t, err, fault.Invalid, "more than 10000 values")
	build(t, "webhook", "ci", "x: &x http://example.com\nurl: *x")
}

func TestPartsThatAreWrong(t *testing.T) {
	server := serve(t, answer200(`{"ok": true}`))
	hook := build(t, "webhook", "ci", "url: "+server.URL)
	err := hook.Send(t.Context(), notify.Message{Parts: map[string]any{"webhook": "text"}}, "")
	wantFault(t, err, fault.Invalid, "the webhook part of the template: it is no map")
	err = hook.Send(t.Context(), message("", "webhook", object{"ci": []any{}}), "")
	wantFault(t, err, fault.Invalid, "ci is no map")
	err = hook.Send(t.Context(), message("", "webhook", object{"ci": object{"path": "%zz"}}), "")
	wantFault(t, err, fault.Invalid, "path cannot be part of an address")
	err = hook.Send(t.Context(), message("", "webhook", object{"ci": object{"method": "P ST"}}), "")
	wantFault(t, err, fault.Invalid, "the request cannot be made")
}

// Secrets are found in the forms in which servers repeat them.
func TestExcerptsHideSecrets(t *testing.T) {
	secret := `p/w&"x é`
	for _, text := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quote(secret), strings.ReplaceAll(quote(secret), "/", `\/`)} {
		if got := clean("it said "+text+" and left", []string{secret}); got != "it said *** and left" && got != `it said "***" and left` {
			t.Errorf("%s: %s", text, got)
		}
	}
	// A text that is cut may end with half of one.
	secret = "canary" + strings.Repeat("x", 1000)
	if got := clean(strings.Repeat(secret, 20)[:maxRefusal], []string{secret}); contains(got, "canary") || !contains(got, "***") {
		t.Error(got)
	}
	same(t, clean("a\nb\x1b[31m\xff", nil), `a b\x1b[31m`)
}
