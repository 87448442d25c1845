package settings

import (
	"log/slog"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/source"
)

// RepositoryCredentials is one repository or repo-creds Secret: what repositories are reached with.
type RepositoryCredentials struct {
	// SecretName is the Secret that this was read from, empty when none applies.
	SecretName string
	// Name is a display name; Project limits the credentials to the applications of one project.
	Name, Project string
	// Type is git, helm or oci.
	Type string

	// Username may be a token, so that it is hidden too.
	Username, Password, BearerToken Secret
	ForceBasicAuth                  bool
	SSHPrivateKey                   Secret
	TLSClientCert, TLSClientKey     Secret
	GitHubApp                       GitHubApp
	GCPServiceAccountKey            Secret
	Azure                           AzureServicePrincipal
	UseAzureWorkloadIdentity        bool

	// Insecure accepts any certificate, InsecureIgnoreHostKey any SSH host key.
	Insecure, InsecureIgnoreHostKey bool
	EnableLFS                       bool
	EnableOCI, InsecureOCIForceHTTP bool
	// Proxy may hold a password; NoProxy is a comma list of hosts.
	Proxy   Secret
	NoProxy string
	// Depth limits the history that is fetched; 0 means all of it.
	Depth int64

	// KnownHosts are lines of OpenSSH's known_hosts; CA is PEM for the host of the repository, empty for the
	// system's authorities. They come from the ConfigMaps of trust.
	KnownHosts, CA string

	url Secret // as written; it may hold a password
}

// GitHubApp authenticates as an installation of a GitHub App.
type GitHubApp struct {
	ID, InstallationID int64
	EnterpriseBaseURL  string
	PrivateKey         Secret
}

// AzureServicePrincipal authenticates at Azure DevOps.
type AzureServicePrincipal struct {
	ClientID, TenantID      string
	ClientSecret            Secret
	ActiveDirectoryEndpoint string
}

// URL returns the address of the Secret without a password; for repo-creds it is a prefix.
func (c RepositoryCredentials) URL() string { return source.Redact(c.url.Reveal()) }

// String tells which Secret this is and nothing of its content.
func (c RepositoryCredentials) String() string {
	return "repository credentials " + hidden + " of Secret " + c.SecretName
}

// GoString implements fmt.GoStringer.
func (c RepositoryCredentials) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c RepositoryCredentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (c RepositoryCredentials) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// authenticates reports whether there is anything to authenticate with.
func (c *RepositoryCredentials) authenticates() bool {
	for _, s := range []Secret{c.Username, c.Password, c.BearerToken, c.SSHPrivateKey, c.TLSClientCert, c.TLSClientKey,
		c.GitHubApp.PrivateKey, c.GCPServiceAccountKey, c.Azure.ClientSecret} {
		if !s.IsEmpty() {
			return true
		}
	}
	return c.UseAzureWorkloadIdentity
}

// borrow takes over how the template t authenticates, for a repository that says nothing of it.
func (c *RepositoryCredentials) borrow(t *RepositoryCredentials) {
	c.SecretName = t.SecretName
	if t.Project != "" {
		c.Project = t.Project // what authenticates limits who may see what it gave
	}
	c.Username, c.Password, c.BearerToken = t.Username, t.Password, t.BearerToken
	c.ForceBasicAuth = c.ForceBasicAuth || t.ForceBasicAuth
	c.SSHPrivateKey, c.TLSClientCert, c.TLSClientKey = t.SSHPrivateKey, t.TLSClientCert, t.TLSClientKey
	c.GitHubApp, c.GCPServiceAccountKey = t.GitHubApp, t.GCPServiceAccountKey
	c.Azure, c.UseAzureWorkloadIdentity = t.Azure, t.UseAzureWorkloadIdentity
	c.InsecureOCIForceHTTP = c.InsecureOCIForceHTTP || t.InsecureOCIForceHTTP
	if c.Proxy.IsEmpty() {
		c.Proxy = t.Proxy
	}
	if c.NoProxy == "" {
		c.NoProxy = t.NoProxy
	}
}

// readRepository reads a repository or repo-creds Secret. The error is a Problem.
func readRepository(s *corev1.Secret) (RepositoryCredentials, error) {
	d := &data{secret: s}
	c := RepositoryCredentials{
		SecretName:     s.Name,
		Name:           d.text("name"),
		Project:        d.text("project"),
		Type:           d.text("type"),
		Username:       d.hidden("username"),
		Password:       d.hidden("password"),
		BearerToken:    d.hidden("bearerToken"),
		ForceBasicAuth: d.truth("forceHttpBasicAuth"),
		SSHPrivateKey:  d.block("sshPrivateKey"),
		TLSClientCert:  d.block("tlsClientCertData"),
		TLSClientKey:   d.block("tlsClientCertKey"),
		GitHubApp: GitHubApp{
			ID: d.number("githubAppID"), InstallationID: d.number("githubAppInstallationID"),
			EnterpriseBaseURL: d.text("githubAppEnterpriseBaseUrl"), PrivateKey: d.block("githubAppPrivateKey"),
		},
		GCPServiceAccountKey: d.block("gcpServiceAccountKey"),
		Azure: AzureServicePrincipal{
			ClientID: d.text("azureServicePrincipalClientId"), TenantID: d.text("azureServicePrincipalTenantId"),
			ClientSecret:            d.hidden("azureServicePrincipalClientSecret"),
			ActiveDirectoryEndpoint: d.text("azureActiveDirectoryEndpoint"),
		},
		UseAzureWorkloadIdentity: d.truth("useAzureWorkloadIdentity"),
		Insecure:                 d.truth("insecure"),
		InsecureIgnoreHostKey:    d.truth("insecureIgnoreHostKey"),
		EnableLFS:                d.truth("enableLfs"),
		EnableOCI:                d.truth("enableOCI"),
		InsecureOCIForceHTTP:     d.truth("insecureOCIForceHttp"),
		Proxy:                    d.hidden("proxy"),
		NoProxy:                  d.text("noProxy"),
		Depth:                    d.number("depth"),
		url:                      NewSecret(d.required("url")),
	}
	switch c.Type {
	case "":
		c.Type = "git"
	case "git", "helm", "oci":
	default:
		d.mismatch("type", "the value is none of git, helm, oci")
	}
	return c, d.err()
}
