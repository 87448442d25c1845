package service

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// webhook sends any request.
type webhook struct {
	name   string
	to     *endpoint
	header map[string]string
}

func newWebhook(c config) (notify.Service, error) {
	o := c.options
	base := o.address("url", o.required("url"))
	access := remote.Access{Insecure: o.flag("insecureSkipVerify", false)}
	if auth := o.within("basicAuth"); auth != nil {
		access.Username, access.Password = auth.text("username"), auth.text("password")
	}
	header := map[string]string{}
	var secrets []string
	for _, h := range o.each("headers") {
		name, value := h.required("name"), h.text("value")
		if name != "" && !httpguts.ValidHeaderFieldName(name) {
			h.problem("name", "is no name of a header")
		}
		if !httpguts.ValidHeaderFieldValue(value) {
			h.problem("value", "holds line ends or control characters")
		}
		header[name] = value
		if !plainHeader(name) {
			secrets = append(secrets, value)
			secrets = append(secrets, strings.Fields(value)...) // Bearer TOKEN
		}
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	to, err := c.endpoint("url", base, access, append(secrets, secretsOf(base)...)...)
	if err != nil {
		return nil, err
	}
	to.keepMethod = false // some services take the message, and then redirect to a page about it
	return &webhook{name: cmp.Or(c.name, c.kind), to: to, header: header}, nil
}

// plainHeader reports whether the value of a header is no credential.
func plainHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept", "Content-Type", "User-Agent":
		return true
	}
	return false
}

// Send implements notify.Service. A template that says nothing for this webhook makes a GET request with the text as its body, as in
// Argo CD.
func (s *webhook) Send(ctx context.Context, m notify.Message, _ string) error {
	req := call{method: http.MethodGet, url: s.to.base, header: s.header, body: []byte(m.Text)}
	if p := part(m, "webhook").within(s.name); p != nil {
		req.method = strings.ToUpper(cmp.Or(p.text("method"), http.MethodGet))
		req.body = []byte(p.body("body"))
		path := p.text("path")
		if err := p.err(); err != nil {
			return err
		}
		var ok bool
		if req.url, ok = below(s.to.base, path); !ok {
			return fault.New(fault.Invalid, "%s: path cannot be part of an address", p.where)
		}
	} else if err := part(m, "webhook").err(); err != nil {
		return err
	}
	_, err := s.to.do(ctx, req)
	return err
}

// below returns the address of a path, which may have a query of its own. It is always below the host of base.
func below(base *url.URL, path string) (*url.URL, bool) {
	if path == "" {
		return base, true
	}
	rest, query, _ := strings.Cut(strings.ReplaceAll(path, " ", "%20"), "?")
	u := *base
	joined, err := url.Parse(strings.TrimRight(u.EscapedPath(), "/") + "/" + strings.TrimLeft(rest, "/"))
	if err != nil {
		return nil, false
	}
	u.Path, u.RawPath = joined.Path, joined.RawPath
	if query != "" {
		u.RawQuery = strings.TrimLeft(u.RawQuery+"&"+query, "&")
	}
	return &u, true
}
