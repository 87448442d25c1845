package service

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// mailServer is a mail server (RFC 5321) with STARTTLS and AUTH PLAIN.
type mailServer struct {
	address     string
	certificate []byte // PEM
	config      *tls.Config
	startTLS    bool
	implicit    bool   // begins with TLS
	password    string // asked for, if it is not empty; offered over TLS, or always with plainAuth
	plainAuth   bool
	// reply replaces what is answered to a command, by its first word; "hang" answers nothing.
	reply   map[string]string
	arrived chan string
	release chan struct{}

	mu   sync.Mutex
	mail []delivered
}

type delivered struct {
	From, User string
	To         []string
	TLS        bool
	Message    string
}

func newMailServer(t *testing.T, s *mailServer) *mailServer {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	s.config = &tls.Config{Certificates: web.TLS.Certificates}
	s.certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	web.Close()
	s.arrived, s.release = make(chan string, 100), make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if s.implicit {
				conn = tls.Server(conn, s.config)
			}
			all.Go(func() { s.talk(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		close(s.release)
		all.Wait()
	})
	return s
}

func (s *mailServer) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	if greeting := s.reply["greeting"]; greeting == "hang" {
		s.arrived <- "greeting"
		<-s.release
		return
	} else if greeting != "" {
		say(greeting)
		return
	}
	say("220 mail.example.com ESMTP")
	now := delivered{TLS: s.implicit}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		verb = strings.ToUpper(verb)
		answer := s.reply[verb]
		switch {
		case answer == "hang":
			s.arrived <- verb
			<-s.release
			return
		case answer != "":
			say(strings.ReplaceAll(answer, "LINE", strings.TrimSpace(line)))
		case verb == "EHLO":
			say("250-mail.example.com")
			if s.startTLS && !now.TLS {
				say("250-STARTTLS")
			}
			if s.password != "" && (now.TLS || s.plainAuth) {
				say("250-AUTH PLAIN LOGIN")
			}
			say("250 8BITMIME")
		case verb == "STARTTLS":
			say("220 go on")
			secure := tls.Server(conn, s.config)
			conn, in, now.TLS = secure, bufio.NewReader(secure), true
		case verb == "AUTH":
			_, token, _ := strings.Cut(rest, " ")
			given, _ := base64.StdEncoding.DecodeString(token)
			parts := strings.Split(string(given), "\x00")
			if len(parts) != 3 || parts[2] != s.password {
				say("535 5.7.8 wrong: " + token + " " + parts[len(parts)-1])
				continue
			}
			now.User = parts[1]
			say("235 welcome")
		case verb == "MAIL":
			now.From = strings.TrimPrefix(strings.Fields(rest)[0], "FROM:")
			say("250 ok")
		case verb == "RCPT":
			now.To = append(now.To, strings.TrimPrefix(strings.Fields(rest)[0], "TO:"))
			say("250 ok")
		case verb == "DATA":
			say("354 go on")
			var text strings.Builder
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
				text.WriteString(line)
			}
			now.Message = text.String()
			s.mu.Lock()
			s.mail = append(s.mail, now)
			s.mu.Unlock()
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("500 what?")
		}
	}
}

func (s *mailServer) options(more string) []byte {
	host, port, _ := net.SplitHostPort(s.address)
	return []byte("host: " + host + "\nport: '" + port + "'\nfrom: Argo <argo@example.com>\n" + more)
}

func (s *mailServer) service(t *testing.T, more string) notify.Service {
	t.Helper()
	with := env()
	with.CA = func(string) []byte { return s.certificate }
	out, err := New("email", "", s.options(more), with)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEmail(t *testing.T) {
	s := newMailServer(t, &mailServer{startTLS: true, password: canary1})
	svc := s.service(t, "username: argo\npassword: "+quote(canary1))
	m := message("text", "email", object{"subject": "Grüße\nBcc: all@example.com\n", "body": "Straße\n"})
	sent(t, svc, m, "a@example.com, b@example.com;c@example.com")
	if len(s.mail) != 1 {
		t.Fatalf("%d messages", len(s.mail))
	}
	got := s.mail[0]
	same(t, []any{got.From, got.To, got.TLS, got.User},
		[]any{"<argo@example.com>", []string{"<a@example.com>", "<b@example.com>", "<c@example.com>"}, true, "argo"})
	parsed, err := netmail.ReadMessage(strings.NewReader(got.Message))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(quotedprintable.NewReader(parsed.Body))
	same(t, []string{subject, parsed.Header.Get("Bcc"), parsed.Header.Get("Content-Type"), strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(string(body)), "."))},
		[]string{"Grüße Bcc: all@example.com", "", "text/plain; charset=UTF-8", "Straße"})
	if parsed.Header.Get("Date") == "" || parsed.Header.Get("Message-ID") == "" {
		t.Error("there is no date or no id")
	}
}

// Over TLS from the beginning, a password may be sent as it is.
func TestEmailImplicitTLS(t *testing.T) {
	with, err := New("email", "", []byte("host: smtp.example.com\nport: '465'\nfrom: a@example.com"), env())
	if err != nil || !with.(*email).implicit {
		t.Fatalf("port 465 does not begin with TLS (%v)", err)
	}
	s := newMailServer(t, &mailServer{implicit: true, password: canary1})
	svc := s.service(t, "username: argo\npassword: "+quote(canary1))
	svc.(*email).implicit = true
	sent(t, svc, notify.Message{Text: "x"}, "a@example.com")
	same(t, []any{s.mail[0].TLS, s.mail[0].User}, []any{true, "argo"})

	untrusted, err := New("email", "", s.options(""), env())
	if err != nil {
		t.Fatal(err)
	}
	untrusted.(*email).implicit = true
	wantFault(t, untrusted.Send(t.Context(), notify.Message{Text: "x"}, "a@example.com"), fault.Invalid, "argocd-tls-certs-cm")
}

func TestEmailWithoutPart(t *testing.T) {
	s := newMailServer(t, &mailServer{})
	sent(t, s.service(t, "html: true"), notify.Message{Text: "<b>hello</b>"}, "a@example.com")
	got := s.mail[0]
	if got.TLS || !contains(got.Message, "Content-Type: text/html") || !contains(got.Message, "<b>hello</b>") {
		t.Errorf("%+v", got)
	}
}

// A server that is gone after it has taken a message has taken it.
func TestEmailIsDeliveredOnce(t *testing.T) {
	s := newMailServer(t, &mailServer{reply: map[string]string{"QUIT": "500 no", "RSET": "500 no"}})
	sent(t, s.service(t, ""), notify.Message{Text: "x"}, "a@example.com")
}

func TestEmailRefusals(t *testing.T) {
	login := "username: argo\npassword: " + quote(canary1)
	for name, test := range map[string]struct {
		server  *mailServer
		options string
		kind    fault.Kind
		text    string
	}{
		"wrong password":    {&mailServer{startTLS: true, password: "other"}, login, fault.Denied, "535"},
		"echo of a command": {&mailServer{startTLS: true, password: "other", reply: map[string]string{"AUTH": "500 not understood: LINE"}}, login, fault.Invalid, "not understood"},
		"login fails now":   {&mailServer{startTLS: true, password: "other", reply: map[string]string{"AUTH": "454 later"}}, login, fault.Transient, "454"},
		"no TLS":            {&mailServer{password: canary1, plainAuth: true}, login, fault.Denied, "the password is not sent in the clear"},
		"no login":          {&mailServer{startTLS: true}, login, fault.Invalid, "does not support SMTP AUTH"},
		"busy":              {&mailServer{reply: map[string]string{"greeting": "421 too busy"}}, "", fault.Transient, "421"},
		"not for us":        {&mailServer{reply: map[string]string{"greeting": "554 no service"}}, "", fault.Invalid, "554"},
		"sender":            {&mailServer{reply: map[string]string{"MAIL": "550 not yours"}}, "", fault.Invalid, "not yours"},
		"authentication":    {&mailServer{reply: map[string]string{"MAIL": "530 log in"}}, "", fault.Denied, "530"},
		"recipient":         {&mailServer{reply: map[string]string{"RCPT": "550 no such user"}}, "", fault.NotFound, "no such user"},
		"greylisting":       {&mailServer{reply: map[string]string{"RCPT": "451 come again"}}, "", fault.Transient, "come again"},
		"content":           {&mailServer{reply: map[string]string{"DATA": "554 " + strings.Repeat("spam ", 80)}}, "", fault.Invalid, "spam"},
		"another protocol":  {&mailServer{reply: map[string]string{"greeting": "HTTP/1.1 400"}}, "", fault.Invalid, "HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMailServer(t, test.server)
			err := s.service(t, test.options).Send(t.Context(), notify.Message{Text: "x"}, "a@example.com")
			wantFault(t, err, test.kind, test.text)
			subject{kind: "email", secrets: []string{canary1}}.secretless(t, err)
			if len(s.mail) != 0 {
				t.Error("it was delivered")
			}
			if !contains(err.Error(), s.address) {
				t.Errorf("the error does not name the server: %v", err)
			}
		})
	}
}

func TestEmailCertificate(t *testing.T) {
	s := newMailServer(t, &mailServer{startTLS: true})
	svc, err := New("email", "", s.options(""), env())
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, svc.Send(t.Context(), notify.Message{Text: "x"}, "a@example.com"), fault.Invalid, "add its authority to the ConfigMap argocd-tls-certs-cm under 127.0.0.1")
	svc, err = New("email", "", s.options("insecure_skip_verify: true"), env())
	if err != nil {
		t.Fatal(err)
	}
	sent(t, svc, notify.Message{Text: "x"}, "a@example.com")
}

func TestEmailRecipients(t *testing.T) {
	s := newMailServer(t, &mailServer{})
	for _, recipient := range []string{"", "nobody", "a@example.com b@example.com", "a@example.com\r\nRCPT TO:<x@example.com>"} {
		err := s.service(t, "").Send(t.Context(), notify.Message{Text: "x"}, recipient)
		wantFault(t, err, fault.Invalid, "is no mail address")
	}
	sent(t, s.service(t, ""), notify.Message{Text: "x"}, "Team <team@example.com>, ")
	same(t, s.mail[0].To, []string{"<team@example.com>"})
}

func TestEmailEndsWithContext(t *testing.T) {
	for _, at := range []string{"greeting", "EHLO", "MAIL", "DATA"} {
		t.Run(at, func(t *testing.T) {
			s := newMailServer(t, &mailServer{reply: map[string]string{at: "hang"}})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			svc := s.service(t, "")
			go func() { done <- svc.Send(ctx, notify.Message{Text: "x"}, "a@example.com") }()
			same(t, <-s.arrived, at)
			cancel()
			err := <-done
			if !errors.Is(err, context.Canceled) || !fault.Is(err, fault.Transient) {
				t.Errorf("%v (%v)", err, fault.KindOf(err))
			}
		})
	}
	s := newMailServer(t, &mailServer{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.service(t, "").Send(ctx, notify.Message{Text: "x"}, "a@example.com"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestEmailAtOnceAndUnreachable(t *testing.T) {
	s := newMailServer(t, &mailServer{startTLS: true, password: "p"})
	svc := s.service(t, "username: u\npassword: p")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := svc.Send(t.Context(), notify.Message{Text: "x"}, fmt.Sprintf("u%d@example.com", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var to []string
	for _, m := range s.mail {
		to = append(to, m.To...)
	}
	slices.Sort(to)
	same(t, len(slices.Compact(to)), 8)

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	gone := &mailServer{address: closed.Addr().String()}
	wantFault(t, gone.service(t, "").Send(t.Context(), notify.Message{Text: "x"}, "a@example.com"), fault.Transient, "refused")
}
