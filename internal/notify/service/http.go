package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/remote"
)

const (
	// maxAnswer bounds what is read of an answer. Lists of GitHub are the longest.
	maxAnswer = 4 << 20
	// maxRefusal bounds what is read of an error: it is searched for secrets.
	maxRefusal = 16 << 10
	// maxExcerpt bounds what of an answer an error tells, in characters.
	maxExcerpt = 300
)

// endpoint is one address of a service and what it is reached with.
type endpoint struct {
	who    string // the service, for errors
	option string // what its address is set with
	base   *url.URL
	client *http.Client
	hide   []string
	// keepMethod refuses redirects that make a GET of a POST: what an API answers to that says nothing about the message.
	keepMethod bool
	// closedBody refuses redirects that carry the body to another origin, since it holds credentials.
	closedBody bool
}

// endpoint returns the endpoint at base, the address of an option. secrets are kept out of every error, those of access among them.
func (c config) endpoint(option string, base *url.URL, access remote.Access, secrets ...string) (*endpoint, error) {
	if c.env.CA != nil {
		access.CA = c.env.CA(base.Hostname())
	}
	who := c.kind
	if c.name != "" && c.name != c.kind {
		who += " " + c.name
	}
	e := &endpoint{who: who, option: c.key() + " " + option, base: base, keepMethod: true}
	password, _ := base.User.Password()
	e.hide = append(secrets, access.Password, access.BearerToken, password)
	if access.Username != "" || access.Password != "" {
		e.hide = append(e.hide, base64.StdEncoding.EncodeToString([]byte(access.Username+":"+access.Password)))
	}
	client, err := remote.NewClient(base, access, c.env.Env)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: reach %s: %s", c.key(), base.Host, e.clean(err.Error()))
	}
	bounds := client.CheckRedirect
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if err := bounds(req, via); err != nil {
			return &redirected{err.Error()}
		}
		return e.redirect(req, via[0])
	}
	e.client = client
	return e, nil
}

// redirected is a redirect that is not followed.
type redirected struct{ why string }

func (r *redirected) Error() string { return r.why }

// redirect decides whether a redirect is followed, and takes credentials out of what goes to another origin.
func (e *endpoint) redirect(req, first *http.Request) error {
	if e.keepMethod && req.Method != first.Method {
		return &redirected{fmt.Sprintf("it redirects to %s, where the message would not arrive: set %s to where the service is", e.clean(req.URL.Host), e.option)}
	}
	if remote.SameOrigin(req.URL, e.base) {
		return nil
	}
	if e.closedBody && req.Method == first.Method {
		return &redirected{fmt.Sprintf("it redirects to %s, which does not get the credentials: set %s to where the service is", e.clean(req.URL.Host), e.option)}
	}
	// Headers may be credentials whatever their name, and Referer is the address, which may be one too.
	for name := range req.Header {
		if name != "Content-Type" && name != "Accept" && name != "User-Agent" {
			req.Header.Del(name)
		}
	}
	return nil
}

// call is one request.
type call struct {
	method string
	url    *url.URL
	header map[string]string
	body   []byte
	// secrets of this request, besides those of the endpoint.
	secrets []string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool // there is more
}

// do sends a request. Everything but a status of 2xx is an error, with a kind that says whether to try again.
func (e *endpoint) do(ctx context.Context, c call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.url.String(), bytes.NewReader(c.body))
	if err != nil {
		return answer{}, e.fail(fault.Invalid, "the request cannot be made") // err quotes the address
	}
	req.Header.Set("User-Agent", "Belay")
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return answer{}, e.unreached(ctx, err, c.secrets)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	ok := resp.StatusCode >= 200 && resp.StatusCode <= 299
	limit := maxRefusal
	if ok {
		limit = maxAnswer
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if len(a.body) > limit {
		a.body, a.cut = a.body[:limit], true
	}
	if !ok {
		return a, e.refused(a, c.secrets)
	}
	if err != nil {
		return a, e.unreached(ctx, err, c.secrets)
	}
	return a, nil
}

// send is do for JSON: in is the body, if there is one, and out is filled from the answer, if it is not nil.
func (e *endpoint) send(ctx context.Context, c call, in, out any) error {
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return e.fail(fault.Invalid, "the message cannot be written as JSON")
		}
		header := map[string]string{"Content-Type": "application/json; charset=utf-8"}
		for k, v := range c.header {
			header[k] = v
		}
		c.header, c.body = header, body
	}
	a, err := e.do(ctx, c)
	if err != nil || out == nil {
		return err
	}
	if a.cut {
		return e.fail(fault.Invalid, "its answer is larger than "+strconv.Itoa(maxAnswer>>20)+" MiB")
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return e.fail(fault.Invalid, "its answer is not the JSON of this service, so that its address may be wrong ("+e.option+"): "+e.excerpt(a, c.secrets))
	}
	return nil
}

// post is send for a path below the endpoint's address.
func (e *endpoint) post(ctx context.Context, path string, header map[string]string, in, out any) error {
	return e.send(ctx, call{method: http.MethodPost, url: e.at(path), header: header}, in, out)
}

// at returns the address of a path below the endpoint's.
func (e *endpoint) at(path string) *url.URL { return e.base.JoinPath(path) }

// fail makes an error of a text of our own. What of it comes from elsewhere must have passed clean.
func (e *endpoint) fail(kind fault.Kind, text string) error {
	return fault.New(kind, "%s at %s: %s", e.who, e.base.Host, mask.Line(text))
}

// unreached makes an error of one of the connection.
func (e *endpoint) unreached(ctx context.Context, err error, secrets []string) error {
	if ctx.Err() != nil {
		return fault.New(fault.Transient, "%s at %s: gave up waiting: %w", e.who, e.base.Host, ctx.Err())
	}
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // without the address
	}
	var refused *redirected
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &refused):
		return e.fail(fault.Invalid, refused.why)
	case errors.As(err, &certificate):
		return e.fail(fault.Invalid, "its certificate is not trusted: "+e.clean(certificate.Err.Error(), secrets...)+
			"; add its authority to the ConfigMap argocd-tls-certs-cm under "+e.base.Hostname())
	}
	return e.fail(fault.Transient, e.clean(err.Error(), secrets...))
}

// refused makes an error of an answer.
func (e *endpoint) refused(a answer, secrets []string) error {
	text := strconv.Itoa(a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	if excerpt := e.excerpt(a, secrets); excerpt != "" {
		text += ": " + excerpt
	}
	return fault.As(kindOf(a), &refusal{a.status, e.fail(fault.Invalid, text)})
}

// refusal is an answer with a status that is an error.
type refusal struct {
	status int
	error
}

// kindOf says what a status means. GitHub and others refuse with 403 who asks too often, and say so.
func kindOf(a answer) fault.Kind {
	switch {
	case a.status == http.StatusRequestTimeout, a.status == http.StatusTooEarly, a.status == http.StatusTooManyRequests, a.status >= 500,
		a.status == http.StatusForbidden && (a.header.Get("Retry-After") != "" || a.header.Get("X-Ratelimit-Remaining") == "0"):
		return fault.Transient
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return fault.Denied
	case a.status == http.StatusNotFound:
		return fault.NotFound
	}
	return fault.Invalid
}

// excerpt is the beginning of an answer, without credentials.
func (e *endpoint) excerpt(a answer, secrets []string) string {
	return e.clean(string(a.body), secrets...)
}

// clean takes credentials and line ends out of a text, and bounds it.
func (e *endpoint) clean(text string, secrets ...string) string {
	return clean(text, slices.Concat(e.hide, secrets))
}

func clean(text string, secrets []string) string {
	forms := formsOf(secrets)
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, mask.Hidden)
	}
	cut := len(text) >= maxRefusal
	text = strings.NewReplacer(pairs...).Replace(text[:min(len(text), maxRefusal)])
	if cut {
		text = withoutBeginning(text, forms)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(mask.Values(text), "")), " ")
	if r := []rune(text); len(r) > maxExcerpt {
		text = string(r[:maxExcerpt]) + "..."
	}
	return mask.Line(text)
}

// withoutBeginning drops the beginning of a secret from the end of a text.
func withoutBeginning(text string, forms []string) string {
	longest := 0
	for _, f := range forms {
		for n := min(len(f), len(text)); n > longest; n-- {
			if strings.HasSuffix(text, f[:n]) {
				longest = n
			}
		}
	}
	return text[:len(text)-longest]
}

// formsOf returns secrets in the forms that servers repeat them in, the longest first: one may begin with another.
func formsOf(secrets []string) []string {
	var forms []string
	for _, s := range secrets {
		if s == "" {
			continue
		}
		quoted, _ := json.Marshal(s)
		inner := strings.Trim(string(quoted), `"`)
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), inner, strings.ReplaceAll(inner, "/", `\/`))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	return forms
}

// secretsOf returns what of an address must not be told: all but the host. Addresses of Teams, Chat and the like are credentials.
func secretsOf(u *url.URL) []string {
	var out []string
	if path := u.EscapedPath(); len(path) > 1 {
		out = append(out, path, u.RequestURI())
		for _, segment := range strings.Split(u.Path, "/") {
			if len(segment) >= minSegment {
				out = append(out, segment)
			}
		}
	}
	for _, values := range u.Query() {
		out = append(out, values...)
	}
	return out
}

// minSegment is how long a part of a path is that may be a credential: shorter ones are words.
const minSegment = 8
