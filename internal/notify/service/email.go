package service

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// mailTimeout is how long a server may take with a session (RFC 5321, section 4.5.3.2): some make unknown clients wait. The context may
// end it before.
const mailTimeout = 5 * time.Minute

// implicitTLS is the port of servers that begin with TLS; others are asked for it with STARTTLS.
const implicitTLS = 465

// email sends through a mail server.
type email struct {
	who                string
	host               string
	port               int
	username, password string
	from               string
	html               bool
	tls                *tls.Config
	// implicit begins with TLS.
	implicit bool
}

func newEmail(c config) (notify.Service, error) {
	o := c.options
	s := &email{who: "email", host: o.required("host"), port: int(o.number("port", 587)), username: o.text("username"), password: o.text("password"),
		from: o.required("from"), html: o.flag("html", false)}
	if c.name != "" && c.name != c.kind {
		s.who += " " + c.name
	}
	s.implicit = s.port == implicitTLS
	if s.port < 1 || s.port > 65535 {
		o.problem("port", "is no port")
	}
	if _, err := netmail.ParseAddress(s.from); err != nil && s.from != "" {
		o.problem("from", "is no mail address")
	}
	if s.password != "" && s.username == "" {
		o.problem("username", "is missing, though there is a password")
	}
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.flag("insecure_skip_verify", false)} //nolint:gosec // the user's choice
	if err := o.err(); err != nil {
		return nil, err
	}
	if c.env.CA == nil {
		return s, nil
	}
	if pem := c.env.CA(s.host); len(pem) > 0 {
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "%s: argocd-tls-certs-cm holds no PEM certificate for %s", c.key(), s.host)
		}
	}
	return s, nil
}

// Send implements notify.Service. recipient is an address, or several separated by commas or semicolons.
func (s *email) Send(ctx context.Context, m notify.Message, recipient string) error {
	p := part(m, "email")
	subject, body := p.text("subject"), cmp.Or(p.body("body"), m.Text)
	if err := p.err(); err != nil {
		return err
	}
	to, err := netmail.ParseAddressList(strings.Trim(strings.ReplaceAll(recipient, ";", ","), ", "))
	if err != nil {
		return fault.New(fault.Invalid, "%s: the recipient %q is no mail address", s.who, clean(recipient, nil))
	}
	msg := mail.NewMsg()
	if err := msg.From(s.from); err != nil {
		return fault.New(fault.Invalid, "%s: from is no mail address", s.who)
	}
	addresses := make([]string, 0, len(to))
	for _, a := range to {
		addresses = append(addresses, a.String())
	}
	if err := msg.To(addresses...); err != nil {
		return fault.New(fault.Invalid, "%s: the recipient %q is no mail address", s.who, clean(recipient, nil))
	}
	msg.Subject(strings.Join(strings.Fields(subject), " "))
	msg.SetDate()
	msg.SetMessageID()
	kind := mail.TypeTextPlain
	if s.html {
		kind = mail.TypeTextHTML
	}
	msg.SetBodyString(kind, body)
	return s.deliver(ctx, msg)
}

// deliver hands a message to the server. It counts as delivered when the server has taken it, whatever comes after.
func (s *email) deliver(ctx context.Context, msg *mail.Msg) error {
	var open atomic.Pointer[net.Conn]
	stop := context.AfterFunc(ctx, func() {
		if conn := open.Load(); conn != nil {
			(*conn).Close()
		}
	})
	defer stop()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var conn net.Conn
		var err error
		if s.implicit {
			conn, err = (&tls.Dialer{Config: s.tls}).DialContext(ctx, network, address)
		} else {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}
		if err == nil {
			open.Store(&conn)
			if ctx.Err() != nil { // it ended before there was something to close
				conn.Close()
			}
		}
		return conn, err
	}
	// Not WithSSL: with a connection of ours, it would take it for one in the clear.
	options := []mail.Option{mail.WithPort(s.port), mail.WithTimeout(mailTimeout), mail.WithTLSConfig(s.tls), mail.WithDialContextFunc(dial), mail.WithTLSPolicy(mail.TLSOpportunistic),
		mail.WithoutNoop(), mail.WithoutRset()}
	if s.username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.username), mail.WithPassword(s.password))
	}
	client, err := mail.NewClient(s.host, options...)
	if err != nil {
		return s.fail(ctx, fault.Invalid, err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if conn := open.Load(); conn != nil {
			(*conn).Close()
		}
		return s.fail(ctx, s.kindOf(err), err)
	}
	defer session.Close()
	if err := client.SendWithSMTPClient(session, msg); err != nil {
		return s.fail(ctx, s.kindOf(err), err)
	}
	_ = session.Quit()
	return nil
}

func (s *email) fail(ctx context.Context, kind fault.Kind, err error) error {
	at := net.JoinHostPort(s.host, strconv.Itoa(s.port))
	if ctx.Err() != nil {
		return fault.New(fault.Transient, "%s at %s: gave up waiting: %w", s.who, at, ctx.Err())
	}
	// Servers repeat commands that they do not understand.
	encode := base64.StdEncoding.EncodeToString
	text := clean(err.Error(), []string{s.password, encode([]byte(s.password)), encode([]byte("\x00" + s.username + "\x00" + s.password))})
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		kind, text = fault.Invalid, "its certificate is not trusted: "+text+"; add its authority to the ConfigMap argocd-tls-certs-cm under "+s.host
	case errors.Is(err, mail.ErrNoSupportedAuthDiscovered):
		kind, text = fault.Denied, "it offers no way to log in that keeps the password from others: without TLS, the password is not sent in the clear"
	}
	return fault.New(kind, "%s at %s: %s", s.who, at, text)
}

// kindOf says what a reply of the server means (RFC 5321, RFC 4954).
func (s *email) kindOf(err error) fault.Kind {
	code := 0
	var sent *mail.SendError
	var reply *textproto.Error
	var broken net.Error
	switch {
	case errors.As(err, &sent) && sent.ErrorCode() != 0:
		code = sent.ErrorCode()
	case errors.As(err, &reply):
		code = reply.Code
	case errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return fault.Transient
	}
	switch {
	case code == 530, code == 534, code == 535, code == 538:
		return fault.Denied
	case code == 550 && sent != nil && sent.Reason == mail.ErrSMTPRcptTo, code == 551:
		return fault.NotFound
	case code >= 500:
		return fault.Invalid
	case code >= 400:
		return fault.Transient
	}
	if errors.Is(err, mail.ErrNoSupportedAuthDiscovered) {
		return fault.Denied
	}
	return fault.Invalid // what answers is no mail server, or none for this way to log in
}
