package settings

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/fault"
)

func secret(kind, name string, keysAndValues ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "argocd", Labels: map[string]string{"argocd.argoproj.io/secret-type": kind}}, Data: map[string][]byte{}}
	for i := 0; i < len(keysAndValues); i += 2 {
		s.Data[keysAndValues[i]] = []byte(keysAndValues[i+1])
	}
	return s
}

func TestRepositories(t *testing.T) {
	r, problems := NewRepositories([]*corev1.Secret{
		secret("repository", "web", "url", "https://git.example.com/shop/web.git", "username", "bob", "password", "p-web\n"),
		secret("repository", "bare", "url", "https://git.example.com/shop/bare", "name", "bare", "enableLfs", "true", "insecure", "true"),
		secret("repository", "ours", "url", "https://git.example.com/shop/ours", "password", "p-ours", "project", "ours"),
		secret("repository", "broken", "url", "https://git.example.com/shop/broken", "insecure", "canary"),
		secret("repository", "ssh", "url", "git@git.example.com:shop/ssh.git", "sshPrivateKey", "KEY\nLINES\n"),
		secret("repo-creds", "host", "url", "https://git.example.com", "password", "p-host"),
		secret("repo-creds", "shop", "url", "https://git.example.com/shop", "password", "p-shop", "proxy", "http://proxy:3128"),
		secret("repo-creds", "closed", "url", "https://git.example.com/closed/", "password", "p-closed"),
		secret("repo-creds", "ssh-all", "url", "git@git.example.com", "sshPrivateKey", "ALL"),
		secret("repo-creds", "team", "url", "https://git.example.com/team/", "password", "p-team", "project", "ours"),
		secret("repository", "lent", "url", "https://git.example.com/team/lent"),
		secret("repository-write", "write", "url", "https://git.example.com/shop/web", "password", "p-write"),
		secret("", "other", "url", "https://git.example.com/shop/web", "password", "p-other"),
		nil,
	}, Trust{})
	if got := texts(problems); len(got) != 1 || got[0] != "Secret/broken key insecure: the value is neither true nor false" {
		t.Errorf("problems %v", got)
	}
	for _, c := range []struct{ name, url, project, password, key, from string }{
		{"its own", "https://git.example.com/Shop/web", "", "p-web", "", "web"},
		{"own without a password takes the longest prefix", "https://git.example.com/shop/bare.git", "", "p-shop", "", "shop"},
		{"longest prefix", "https://git.example.com/shop/new", "", "p-shop", "", "shop"},
		{"a prefix may end within a name", "https://git.example.com/shopping/new", "", "p-shop", "", "shop"},
		{"unless it ends with a slash", "https://git.example.com/closedown/x", "", "p-host", "", "host"},
		{"prefix with slash", "https://git.example.com/closed/x", "", "p-closed", "", "closed"},
		{"shorter prefix", "https://git.example.com/other/x", "", "p-host", "", "host"},
		{"another host that begins so", "https://git.example.com.evil.test/shop/web", "", "", "", ""},
		{"another port", "https://git.example.com:8443/shop/web", "", "", "", ""},
		{"another scheme", "http://git.example.com/shop/web", "", "", "", ""},
		{"ssh", "ssh://git@git.example.com/shop/ssh", "", "", "KEY\nLINES\n", "ssh"},
		{"ssh prefix", "git@git.example.com:shop/else.git", "", "", "ALL", "ssh-all"},
		{"ssh prefix is a whole host", "git@git.example.computer:shop/else.git", "", "", "", ""},
		{"a project's own", "https://git.example.com/shop/ours", "ours", "p-ours", "", "ours"},
		{"another project's", "https://git.example.com/shop/ours", "theirs", "p-shop", "", "shop"},
		{"nobody's project", "https://git.example.com/shop/ours", "", "p-shop", "", "shop"},
		{"a project's prefix", "https://git.example.com/team/x", "ours", "p-team", "", "team"},
		{"another project's prefix", "https://git.example.com/team/x", "theirs", "p-host", "", "host"},
		{"unknown", "https://public.example.com/a", "", "", "", ""},
	} {
		got, err := r.For(c.url, c.project)
		if err != nil || got.Password.Reveal() != c.password || got.SSHPrivateKey.Reveal() != c.key || got.SecretName != c.from {
			t.Errorf("%s: password %q, key %q of Secret %q, error %v; want %q, %q, %q", c.name, got.Password.Reveal(), got.SSHPrivateKey.Reveal(), got.SecretName, err, c.password, c.key, c.from)
		}
	}
	if lent, err := r.For("https://git.example.com/team/lent", "ours"); err != nil || lent.Project != "ours" || lent.SecretName != "team" {
		t.Errorf("a repository for all with the credentials of a project is that project's: %q of %q, %v", lent.Project, lent.SecretName, err)
	}
	bare, _ := r.For("https://git.example.com/shop/bare", "")
	if !bare.EnableLFS || !bare.Insecure || bare.Proxy.Reveal() != "http://proxy:3128" || bare.Type != "git" {
		t.Errorf("own settings with borrowed credentials: %#v LFS %v insecure %v", bare, bare.EnableLFS, bare.Insecure)
	}
	_, err := r.For("https://git.example.com/shop/broken", "")
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Secret/broken key insecure") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a Secret that cannot be read: %v", err)
	}
}

func TestRepositoryProblems(t *testing.T) {
	_, problems := NewRepositories([]*corev1.Secret{
		secret("repository", "a", "url", "https://git.example.com/a"),
		secret("repository", "b", "url", "https://git.example.com/A.git"),
		secret("repository", "c", "password", "canary"),
		secret("repository", "d", "url", "https://%zz"),
		secret("repository", "e", "url", "https://git.example.com/e", "username", "can\nary"),
		secret("repository", "f", "url", "https://git.example.com/f", "type", "canary"),
		secret("repo-creds", "g", "url", "https://git.example.com/g", "githubAppID", "canary"),
	}, Trust{})
	want := []string{
		"Secret/b key url: Secret/a is for the same repository and comes first",
		"Secret/c key url: the key is missing or empty; a Secret of type repository needs it",
		"Secret/d key url: the value is no repository URL",
		"Secret/e key username: the value has more than one line",
		"Secret/f key type: the value is none of git, helm, oci",
		"Secret/g key githubAppID: the value is no whole number of 0 or more",
	}
	if got := strings.Join(texts(problems), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("problems\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestTrust(t *testing.T) {
	ca := certificate(t)
	trust, problems := NewTrust(
		map[string]string{"ssh_known_hosts": "# hosts\ngit.example.com ssh-ed25519 AAAA\n\nbroken line\n@cert-authority *.example.com ssh-rsa AAAA\n"},
		map[string]string{"git.example.com": ca + ca, "empty.example.com": "", "key.example.com": "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n",
			"odd.example.com": "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n"})
	want := []string{
		"ConfigMap/argocd-ssh-known-hosts-cm key ssh_known_hosts line 4: the line is not of the form: host key-type base64-key",
		"ConfigMap/argocd-tls-certs-cm key empty.example.com: the value holds no PEM certificate",
		"ConfigMap/argocd-tls-certs-cm key key.example.com: the value holds something else than certificates: PRIVATE KEY",
		"ConfigMap/argocd-tls-certs-cm key odd.example.com: a certificate in the value cannot be read",
	}
	if got := strings.Join(texts(problems), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("problems\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	r, _ := NewRepositories(nil, trust)
	for url, wantCA := range map[string]string{
		"https://git.example.com/a":      ca + ca,
		"https://GIT.example.com:8443/a": ca + ca,
		"https://odd.example.com/a":      "",
		"git@git.example.com:a/b":        ca + ca,
	} {
		c, err := r.For(url, "")
		if err != nil || c.CA != wantCA || c.KnownHosts != "git.example.com ssh-ed25519 AAAA\n@cert-authority *.example.com ssh-rsa AAAA\n" {
			t.Errorf("%s: CA of %d bytes, known hosts %q, %v", url, len(c.CA), c.KnownHosts, err)
		}
	}
}

func TestClusters(t *testing.T) {
	prod := secret("cluster", "prod", "name", "prod", "server", "https://10.0.0.1:6443/", "namespaces", "b, a,a", "clusterResources", "true", "project", "shop", "shard", "2",
		"config", `{"username":"u","password":"p","bearerToken":"t","tlsClientConfig":{"serverName":"s","caData":"Y2E=","certData":"Y2VydA==","keyData":"a2V5"},"awsAuthConfig":{"clusterName":"c","roleARN":"r"},
"execProviderConfig":{"command":"login","args":["x"],"env":{"A":"v"},"apiVersion":"client.authentication.k8s.io/v1"},"disableCompression":true,"proxyUrl":"http://proxy"}`)
	prod.Annotations = map[string]string{"argocd.argoproj.io/skip-reconcile": "true"}
	clusters, problems := NewClusters([]*corev1.Secret{
		prod,
		secret("cluster", "open", "name", "open", "server", "https://open.example.com"),
		secret("cluster", "same-name", "name", "open", "server", "https://x.example.com"),
		secret("cluster", "same-server", "name", "other", "server", "https://10.0.0.1:6443"),
		secret("cluster", "no-server", "name", "n"),
		secret("cluster", "bad-server", "name", "m", "server", "10.0.0.9"),
		secret("cluster", "user-in-server", "server", "https://u:canary@10.0.0.8"),
		secret("cluster", "bad-json", "server", "https://10.0.0.2", "config", "{\n\"password\": canary}"),
		secret("cluster", "bad-type", "server", "https://10.0.0.3", "config", "{\"username\": \"u\",\n\"password\": 4711}"),
		secret("cluster", "bad-base64", "server", "https://10.0.0.4", "config", `{"tlsClientConfig":{"keyData":"canary!"}}`),
		secret("cluster", "half", "server", "https://10.0.0.5", "config", `{"tlsClientConfig":{"certData":"Y2E="}}`),
		secret("cluster", "both", "server", "https://10.0.0.6", "config", `{"tlsClientConfig":{"insecure":true,"caData":"Y2E="}}`),
		secret("cluster", "bad-shard", "server", "https://10.0.0.7", "shard", "-1"),
		secret("repository", "repo", "url", "x"),
	})
	want := []string{
		"Secret/bad-base64 key config: a field of the JSON cannot be read (caData, certData and keyData are base64)",
		"Secret/bad-json key config: the JSON is broken in line 2",
		"Secret/bad-server key server: the value is not of the form https://host[:port][/path]",
		"Secret/bad-shard key shard: the value is no whole number of 0 or more",
		"Secret/bad-type key config: field password of the JSON, in line 2, is of a wrong type",
		"Secret/both key config: tlsClientConfig sets insecure and caData; remove one of them",
		"Secret/half key config: tlsClientConfig sets only one of certData and keyData",
		"Secret/no-server key server: the key is missing or empty; a Secret of type cluster needs it",
		"Secret/same-name key name: Secret/open has the same cluster name and comes first",
		"Secret/same-server key server: Secret/prod is for the same server and comes first",
		"Secret/user-in-server key server: the value holds a user name or password; they belong into config",
	}
	if got := strings.Join(texts(problems), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("problems\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if len(clusters) != 2 || clusters[0].Name != "open" {
		t.Fatalf("clusters %v", clusters)
	}
	c := clusters[1]
	a := c.Access
	if c.Server != "https://10.0.0.1:6443" || strings.Join(c.Namespaces, ",") != "a,b" || !c.ClusterResources || c.Project != "shop" || c.Shard == nil || *c.Shard != 2 || !c.SkipReconcile {
		t.Errorf("%+v: %v %v %v", c, c.Namespaces, c.Project, c.Shard)
	}
	if a.Username.Reveal() != "u" || a.Password.Reveal() != "p" || a.BearerToken.Reveal() != "t" || a.TLS.ServerName != "s" || string(a.TLS.CAData) != "ca" ||
		string(a.TLS.CertData) != "cert" || a.TLS.KeyData.Reveal() != "key" || a.AWS.RoleARN != "r" || a.Exec.Command != "login" || a.Exec.Args[0].Reveal() != "x" ||
		a.Exec.Env["A"].Reveal() != "v" || !a.DisableCompression || a.Proxy.Reveal() != "http://proxy" {
		t.Error("access differs from the Secret")
	}
}

// TestNothingPrintsSecrets puts a canary into every field that holds a secret and prints the results in every way.
func TestNothingPrintsSecrets(t *testing.T) {
	const canary = "canary"
	repo := secret("repository", "web", "url", "https://bob:canary@git.example.com/a", "proxy", "http://u:canary@proxy")
	for _, key := range []string{"username", "password", "bearerToken", "sshPrivateKey", "tlsClientCertData", "tlsClientCertKey", "githubAppPrivateKey", "gcpServiceAccountKey", "azureServicePrincipalClientSecret"} {
		repo.Data[key] = []byte(canary)
	}
	repos, _ := NewRepositories([]*corev1.Secret{repo}, Trust{})
	credentials, err := repos.For("https://bob:canary@git.example.com/a", "")
	if err != nil || credentials.Password.Reveal() != canary {
		t.Fatalf("password %q, %v", credentials.Password.Reveal(), err)
	}
	config, _ := json.Marshal(map[string]any{"username": canary, "password": canary, "bearerToken": canary, "proxyUrl": "http://u:canary@proxy",
		"tlsClientConfig":    map[string]any{"certData": []byte("cert"), "keyData": []byte(canary)},
		"execProviderConfig": map[string]any{"command": "c", "args": []string{canary}, "env": map[string]string{"A": canary}}})
	clusters, problems := NewClusters([]*corev1.Secret{secret("cluster", "c", "name", "c", "server", "https://c.example.com", "config", string(config))})
	if len(problems) > 0 || clusters[0].Access.BearerToken.Reveal() != canary {
		t.Fatalf("%v", problems)
	}
	access := clusters[0].Access
	type unexported struct {
		c RepositoryCredentials
		k Cluster
		a ClusterAccess
		s Secret
		e *ExecProvider
	}
	values := map[string]any{
		"Secret": credentials.Password, "*Secret": &credentials.Password, "credentials": credentials, "*credentials": &credentials, "repositories": repos, "*cluster": &clusters[0],
		"clusters": clusters, "access": access, "exec": access.Exec, "exec value": *access.Exec, "tls": access.TLS, "github": credentials.GitHubApp, "azure": credentials.Azure,
		"unexported": unexported{credentials, clusters[0], access, credentials.Password, access.Exec}, "url": credentials.URL(),
		"map": map[string]any{"a": credentials, "b": []Secret{credentials.Password}},
	}
	// 63616e617279 and MTA1... are the canary in hexadecimal; 99 97 110 is how %v and %d show its bytes; Y2FuYXJ5 is base64.
	forms := []string{canary, "63616e617279", "63616E617279", "99 97 110", "0x63, 0x61", "Y2FuYXJ5"}
	for name, v := range values {
		outputs := map[string]string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			outputs[verb] = fmt.Sprintf(verb, v)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("json", "v", v)
		outputs["slog"] = log.String()
		if data, err := json.Marshal(v); err == nil {
			outputs["json"] = string(data)
		}
		outputs["error"] = fmt.Errorf("use %v: %w", v, fmt.Errorf("%+v", v)).Error()
		for how, text := range outputs {
			for _, form := range forms {
				if strings.Contains(text, form) {
					t.Errorf("%s printed with %s shows %s: %.300s", name, how, form, text)
				}
			}
		}
	}
}

func TestSecret(t *testing.T) {
	for _, c := range []struct {
		s    Secret
		want string
	}{{Secret{}, ""}, {NewSecret(""), ""}, {NewSecret("x"), "***"}} {
		if c.s.String() != c.want || c.s.IsEmpty() != (c.want == "") {
			t.Errorf("%v, empty %v, want %q", c.s, c.s.IsEmpty(), c.want)
		}
	}
	if !NewSecret("a").Equal(NewSecret("a")) || NewSecret("a").Equal(NewSecret("b")) || !(Secret{}).Equal(NewSecret("")) {
		t.Error("Equal compares something else than values")
	}
}

// FuzzSecrets: no content of a Secret brings the readers down, and none of it shows in problems.
func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"tlsClientConfig":[]}`, `{"execProviderConfig":{"env":{"a":1}}}`, "https://u:p@h/x", "git@h:x", "true", "::", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var kept []*corev1.Secret
		for _, kind := range []string{"repository", "repo-creds", "cluster"} {
			s := secret(kind, kind)
			for _, key := range []string{"url", "username", "sshPrivateKey", "type", "insecure", "depth", "githubAppID", "name", "server", "config", "shard", "namespaces", "project"} {
				s.Data[key] = []byte(text)
			}
			kept = append(kept, s)
			plain := secret(kind, kind+"-plain", "url", "https://git.example.com/a", "server", "https://c.example.com", "config", text, "password", text)
			kept = append(kept, plain)
		}
		trust, problems := NewTrust(map[string]string{"ssh_known_hosts": text}, map[string]string{"h": text})
		r, more := NewRepositories(kept, trust)
		problems = append(problems, more...)
		_, more = NewClusters(kept)
		for _, p := range append(problems, more...) {
			if strings.Contains(p.Error(), "\n") || len(p.Error()) > 300 {
				t.Errorf("problem %q", p.Error())
			}
		}
		if _, err := r.For(text, text); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("For: %v", err)
		}
	})
}
