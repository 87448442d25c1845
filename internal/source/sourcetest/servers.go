package sourcetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/belaycd/belay/internal/gitserver"
)

// HTTP serves the repositories below cfg.Dir and returns the URL of the server.
func HTTP(t testing.TB, cfg gitserver.Config) string {
	t.Helper()
	srv := httptest.NewServer(gitserver.New(cfg))
	t.Cleanup(srv.Close)
	return srv.URL
}

// HTTPS is HTTP with a certificate of its own CA, which is returned as PEM.
func HTTPS(t testing.TB, cfg gitserver.Config) (url string, ca []byte) {
	t.Helper()
	srv := httptest.NewTLSServer(gitserver.New(cfg))
	t.Cleanup(srv.Close)
	return srv.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
}

// SSHServer is an SSH server in this process that lets one key read repositories.
type SSHServer struct {
	URL        string // ssh://git@127.0.0.1:port
	PrivateKey []byte // OpenSSH form, of the key that is let in
	KnownHosts []byte // the line for this server
	dir        string
	config     *ssh.ServerConfig
}

// SSH serves the repositories below dir.
func SSH(t testing.TB, dir string) *SSHServer {
	t.Helper()
	hostKey, _ := newKey(t)
	clientKey, clientPEM := newKey(t)
	allowed := string(clientKey.PublicKey().Marshal())
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if string(key.Marshal()) != allowed {
				return nil, net.ErrClosed // any error refuses the key
			}
			return nil, nil
		},
	}
	config.AddHostKey(hostKey)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &SSHServer{
		URL: "ssh://git@" + listener.Addr().String(), PrivateKey: clientPEM, dir: dir, config: config,
		KnownHosts: []byte(knownhosts.Line([]string{listener.Addr().String()}, hostKey.PublicKey()) + "\n"),
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // ends Accept; connections end with their clients
		conns.Wait()
	})
	return s
}

// NewKey returns a fresh private key in OpenSSH form.
func NewKey(t testing.TB) []byte {
	t.Helper()
	_, data := newKey(t)
	return data
}

func newKey(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func (s *SSHServer) serve(conn net.Conn) {
	defer conn.Close()
	server, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return // refused
	}
	defer server.Close()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		s.session(channel, requests)
	}
}

// session runs the one command of a session.
func (s *SSHServer) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	env := Env()
	for r := range requests {
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			if ssh.Unmarshal(r.Payload, &v) == nil && v.Name == "GIT_PROTOCOL" {
				env = append(env, "GIT_PROTOCOL="+v.Value)
			}
			_ = r.Reply(true, nil)
		case "exec":
			var v struct{ Command string }
			_ = ssh.Unmarshal(r.Payload, &v)
			_ = r.Reply(true, nil)
			status := struct{ Status uint32 }{uint32(s.run(channel, v.Command, env))}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
			return
		default:
			_ = r.Reply(false, nil)
		}
	}
}

func (s *SSHServer) run(channel ssh.Channel, command string, env []string) int {
	path, ok := strings.CutPrefix(command, "git-upload-pack ")
	path = strings.Trim(path, "'/")
	if !ok || !filepath.IsLocal(path) {
		_, _ = channel.Stderr().Write([]byte("only git-upload-pack is served\n"))
		return 1
	}
	cmd := exec.Command("git", "upload-pack", filepath.Join(s.dir, path))
	cmd.Env = append(env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0=true")
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(stdin, channel) // ends when either side hangs up
		_ = stdin.Close()
	}()
	if err := cmd.Run(); err != nil {
		return 128
	}
	return 0
}
