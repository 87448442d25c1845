package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// argocdFile is what an argocd program leaves, with fields that this one does not know.
const argocdFile = `contexts:
- name: prod
  server: cd.example.com
  user: prod
- name: local
  server: 127.0.0.1:8080
  user: local
- name: kubernetes
  server: kubernetes
  user: kubernetes
current-context: prod
prompts-enabled: true
servers:
- grpc-web: true
  grpc-web-root-path: argo
  server: cd.example.com
  future: {a: [1, 2]}
- grpc-web-root-path: ""
  insecure: true
  plain-text: true
  server: 127.0.0.1:8080
- core: true
  server: kubernetes
users:
- auth-token: canary-prod
  name: prod
  refresh-token: canary-refresh
- auth-token: canary-local
  name: local
- name: kubernetes
`

// saved returns a command line with a file of saved contexts and an environment.
func withSaved(t *testing.T, content string, env map[string]string) *cli {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := &cli{Env: Env{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(name string) string { return env[name] }}}
	c.kube.namespace = defaultNamespace
	c.server.config = path
	return c
}

// TestTarget says which control plane a command line means.
func TestTarget(t *testing.T) {
	type want struct {
		Address, Path, Token, From string
		Plaintext, Insecure        bool
	}
	prod := want{Address: "cd.example.com", Path: "argo", Token: "canary-prod", From: "the saved context 'prod'"}
	for name, test := range map[string]struct {
		flags func(*cli)
		env   map[string]string
		want  *want
		err   string
	}{
		"the current context": {want: &prod},
		"core":                {flags: func(c *cli) { c.kube.core = true }},
		"a kubeconfig":        {flags: func(c *cli) { c.kube.kubeconfig = "x" }},
		"a kube context":      {flags: func(c *cli) { c.kube.context = "x" }, env: map[string]string{"ARGOCD_SERVER": "cd.example.com"}},
		"a kubeconfig and a server": {flags: func(c *cli) { c.kube.kubeconfig, c.server.server = "x", "y" },
			err: "not both"},
		"another context": {flags: func(c *cli) { c.server.context = "local" },
			want: &want{Address: "127.0.0.1:8080", Token: "canary-local", From: "the saved context 'local'", Plaintext: true, Insecure: true}},
		"a context that is the kubeconfig": {flags: func(c *cli) { c.server.context = "kubernetes" }},
		"no such context":                  {flags: func(c *cli) { c.server.context = "x" }, err: "no saved context 'x'"},
		"a server that is saved": {flags: func(c *cli) { c.server.server = "127.0.0.1:8080" },
			want: &want{Address: "127.0.0.1:8080", Token: "canary-local", From: "--server", Plaintext: true, Insecure: true}},
		"a server that is not saved gets no saved token": {flags: func(c *cli) { c.server.server = "evil.example.com" },
			want: &want{Address: "evil.example.com", From: "--server"}},
		"another port gets no saved token": {flags: func(c *cli) { c.server.server = "cd.example.com:8443" },
			want: &want{Address: "cd.example.com:8443", From: "--server"}},
		"the server of the environment": {env: map[string]string{"ARGOCD_SERVER": "ci.example.com", "ARGOCD_AUTH_TOKEN": "t"},
			want: &want{Address: "ci.example.com", Token: "t", From: "ARGOCD_SERVER"}},
		"the token of the flag comes first": {flags: func(c *cli) { c.server.authToken = "f" }, env: map[string]string{"ARGOCD_AUTH_TOKEN": "t"},
			want: &want{Address: "cd.example.com", Path: "argo", Token: "f", From: prod.From}},
		"a URL": {flags: func(c *cli) { c.server.server = "http://x.example.com:80/argo/" },
			want: &want{Address: "x.example.com:80", Path: "argo", From: "--server", Plaintext: true}},
		"a URL with a password": {flags: func(c *cli) { c.server.server = "https://a:canary@x.example.com" }, err: "is no address"},
		"no address":            {flags: func(c *cli) { c.server.server = "::" }, err: "is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			c := withSaved(t, argocdFile, test.env)
			if test.flags != nil {
				test.flags(c)
			}
			target, err := c.target()
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				if text := failureText(classify(err)); strings.Contains(text, "canary-") {
					t.Errorf("a token is shown: %s", text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got *want
			if target != nil {
				o := target.opts
				got = &want{o.Address, o.RootPath, o.Token, target.from, o.Plaintext, o.Insecure}
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTargetWithoutContexts(t *testing.T) {
	c := withSaved(t, "", nil)
	if target, err := c.target(); err != nil || target != nil {
		t.Errorf("%v, %v", target, err)
	}
	c.server.authToken = "x"
	if _, err := c.target(); err == nil {
		t.Error("a token without a server is accepted")
	}
	c.server = serverFlags{config: filepath.Join(t.TempDir(), "none")}
	if target, err := c.target(); err != nil || target != nil {
		t.Errorf("%v, %v", target, err)
	}
}

// TestSavedConfigKeepsWhatItDoesNotKnow writes into a file of argocd and reads what has become of it.
func TestSavedConfigKeepsWhatItDoesNotKnow(t *testing.T) {
	c := withSaved(t, argocdFile, nil)
	// Dotfiles are often links.
	link := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink(c.server.config, link); err != nil {
		t.Fatal(err)
	}
	file := c.server.config
	c.server.config = link
	s, err := c.savedConfig()
	if err != nil {
		t.Fatal(err)
	}
	s.remember("prod", ServerOptions{Address: "cd.example.com", RootPath: "argo", Token: "fresh", CA: []byte("pem")})
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("canary-prod", "fresh", "  refresh-token: canary-refresh\n", "",
		"  server: cd.example.com\n  future", "  certificate-authority-data: cGVt\n  server: cd.example.com\n  future").Replace(argocdFile)
	var a, b any
	if err := errors.Join(yaml.Unmarshal([]byte(want), &a), yaml.Unmarshal(data, &b)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
	if err := c.deleteContext(s, "prod"); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(file); err != nil || bytes.Contains(data, []byte("fresh")) || bytes.Contains(data, []byte("cd.example.com")) {
		t.Errorf("%v\n%s", err, data)
	}
}

// TestHostileSavedConfig reads files that argocd would not write. No error shows what is in them.
func TestHostileSavedConfig(t *testing.T) {
	for name, test := range map[string]struct{ content, err string }{
		"no YAML":                   {"users: [canary-1", "not in the form"},
		"a list":                    {"- canary-1", "not in the form"},
		"contexts of another type":  {"contexts: canary-1", "not in the form"},
		"an entry of another type":  {"users: [canary-1]", "not in the form"},
		"too large":                 {strings.Repeat("# canary-1\n", maxSavedConfig/10), "not in the form"},
		"an alias bomb":             {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g]\n", "not in the form"},
		"a context without server":  {"current-context: a\ncontexts: [{name: a, server: b, user: c}]", "names a server that is not in"},
		"a certificate that is bad": {"current-context: a\ncontexts: [{name: a, server: b}]\nservers: [{server: b, client-certificate-key-data: 'canary-1!'}]", "is not base64"},
		"a context that is not":     {"current-context: a", "no saved context 'a'"},
		"a bad address":             {"current-context: a\ncontexts: [{name: a, server: 'http://u:canary-1@x'}]\nservers: [{server: 'http://u:canary-1@x'}]", "is no address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := withSaved(t, test.content, nil).target()
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if text := failureText(classify(err)); strings.Contains(text, "canary-1") {
				t.Errorf("the content is shown: %s", text)
			}
		})
	}
	t.Run("readable for others", func(t *testing.T) {
		c := withSaved(t, argocdFile, nil)
		if err := os.Chmod(c.server.config, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := c.target(); err == nil || !strings.Contains(failureText(classify(err)), "chmod 600") {
			t.Error(err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		c := withSaved(t, argocdFile, nil)
		c.server.config = t.TempDir()
		if _, err := c.target(); err == nil || !strings.Contains(err.Error(), "is no file") {
			t.Error(err)
		}
	})
}

func TestSavedPath(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{"HOME": home}
	c := withSaved(t, "", env)
	c.server.config = ""
	check := func(want string) {
		t.Helper()
		if got := c.savedPath(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check(filepath.Join(home, ".config/argocd/config"))
	env["XDG_CONFIG_HOME"] = "/x"
	check("/x/argocd/config")
	if err := errors.Join(os.MkdirAll(filepath.Join(home, ".argocd"), 0o700), os.WriteFile(filepath.Join(home, ".argocd/config"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	check(filepath.Join(home, ".argocd/config"))
	env["ARGOCD_CONFIG_DIR"] = "/d"
	check("/d/config")
}

// FuzzSavedConfig reads any document: it is refused, or every context in it can be asked for and the document can be written.
func FuzzSavedConfig(f *testing.F) {
	f.Add(argocdFile)
	f.Add("contexts: [{name: a, server: [], user: {}}]\nservers: [{server: 1}]\nusers: [null]")
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := parseSaved([]byte(text))
		if err != nil {
			return
		}
		s := &savedConfig{doc: doc}
		for _, name := range s.names() {
			_, _ = s.context(name) // an error is an answer
			_, _ = s.contextOf(name, "")
		}
		s.remember("x", ServerOptions{Address: "y", Token: "z"})
		data, err := yaml.Marshal(s.doc)
		if err != nil {
			t.Fatal(err)
		}
		if doc, err = parseSaved(data); err != nil {
			if len(data) > maxSavedConfig {
				return
			}
			t.Fatalf("what was written cannot be read: %v\n%s", err, data)
		}
		again := &savedConfig{doc: doc}
		if in, err := again.context("x"); err != nil || in.opts.Token != "z" {
			t.Fatalf("%v, %v", in, err)
		}
	})
}

func TestAccountOf(t *testing.T) {
	for token, want := range map[string]string{
		"x." + "eyJzdWIiOiJhZG1pbjpsb2dpbiIsImlzcyI6ImFyZ29jZCJ9" + ".y": "admin",
		"x." + "eyJzdWIiOiJhZG1pbiIsImlzcyI6Imh0dHBzOi8vaWRwIn0" + ".y":  "",
		"": "", "a.b.c": "", "opaque": "",
	} {
		if got := accountOf(token); got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}
