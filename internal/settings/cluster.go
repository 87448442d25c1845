package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Cluster is one cluster Secret: a destination of applications and how it is reached.
type Cluster struct {
	SecretName string
	// Name and Server are the two ways in which a destination names the cluster. Name may be empty.
	Name, Server string
	// Namespaces limits what is watched and written; empty means all. ClusterResources adds cluster-scoped objects to it.
	Namespaces       []string
	ClusterResources bool
	// Project registers the cluster for one project.
	Project string
	// Shard is the controller replica that serves the cluster, nil when that is open.
	Shard *int64
	// SkipReconcile stops all work on the cluster's applications.
	SkipReconcile       bool
	Labels, Annotations map[string]string
	Access              ClusterAccess
}

// ClusterAccess is the key config of a cluster Secret. Hidden fields are those that let somebody in.
type ClusterAccess struct {
	Username              Secret
	Password, BearerToken Secret
	TLS                   ClusterTLS
	AWS                   *AWSAuth
	Exec                  *ExecProvider
	DisableCompression    bool
	Proxy                 Secret // a URL, which may hold a password
}

// ClusterTLS says how the API server is known and how it knows us; data is PEM.
type ClusterTLS struct {
	Insecure         bool
	ServerName       string
	CAData, CertData []byte
	KeyData          Secret
}

// AWSAuth authenticates with an IAM role.
type AWSAuth struct{ ClusterName, RoleARN, Profile string }

// ExecProvider is a program that gives credentials.
type ExecProvider struct {
	Command     string
	Args        []Secret
	Env         map[string]Secret
	APIVersion  string
	InstallHint string
}

// String tells which cluster this is and nothing of how it is reached.
func (c Cluster) String() string {
	return fmt.Sprintf("cluster %q at %s, access %s of Secret %s", c.Name, c.Server, hidden, c.SecretName)
}

// GoString implements fmt.GoStringer.
func (c Cluster) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c Cluster) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (c Cluster) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String hides all of it.
func (ClusterAccess) String() string { return hidden }

// GoString implements fmt.GoStringer.
func (ClusterAccess) GoString() string { return hidden }

// LogValue implements slog.LogValuer.
func (ClusterAccess) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (ClusterAccess) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// NewClusters reads the Secrets of type cluster among secrets, sorted by name. One that cannot be read is left out and
// told of: its applications then have no destination.
func NewClusters(secrets []*corev1.Secret) ([]Cluster, []Problem) {
	var clusters []Cluster
	var problems []Problem
	servers, names := map[string]string{}, map[string]string{}
	for _, s := range byName(secrets) {
		if secretType(s) != typeCluster {
			continue
		}
		c, err := readCluster(s)
		if p, ok := err.(Problem); ok {
			problems = append(problems, p)
			continue
		}
		if first, twice := servers[c.Server]; twice {
			problems = append(problems, Problem{Object: "Secret/" + s.Name, Key: "server", Reason: "Secret/" + first + " is for the same server and comes first"})
			continue
		}
		if first, twice := names[c.Name]; twice && c.Name != "" {
			problems = append(problems, Problem{Object: "Secret/" + s.Name, Key: "name", Reason: "Secret/" + first + " has the same cluster name and comes first"})
			continue
		}
		servers[c.Server], names[c.Name] = s.Name, s.Name
		clusters = append(clusters, c)
	}
	return clusters, sorted(problems)
}

func readCluster(s *corev1.Secret) (Cluster, error) {
	d := &data{secret: s}
	list, _ := commaList(d.text("namespaces")) // has no error
	slices.Sort(list)
	c := Cluster{
		SecretName: s.Name, Name: d.text("name"), Server: strings.TrimRight(d.required("server"), "/"),
		Namespaces: slices.Compact(list), ClusterResources: d.truth("clusterResources"), Project: d.text("project"),
		SkipReconcile: s.Annotations[v1alpha1.AnnotationSkipReconcile] == "true",
		Labels:        s.Labels, Annotations: s.Annotations,
	}
	if len(s.Data["shard"]) > 0 {
		shard := d.number("shard")
		c.Shard = &shard
	}
	u, err := url.Parse(c.Server)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		d.mismatch("server", "the value is not of the form https://host[:port][/path]")
	case u.User != nil:
		d.mismatch("server", "the value holds a user name or password; they belong into config")
	}
	access, reason := readAccess(s.Data["config"])
	if reason != "" {
		d.mismatch("config", reason)
	}
	c.Access = access
	return c, d.err()
}

// accessJSON is the JSON form of ClusterAccess.
type accessJSON struct {
	Username    string `json:"username"`
	Password    string `json:"password"`
	BearerToken string `json:"bearerToken"`
	TLS         struct {
		Insecure   bool   `json:"insecure"`
		ServerName string `json:"serverName"`
		CAData     []byte `json:"caData"`
		CertData   []byte `json:"certData"`
		KeyData    []byte `json:"keyData"`
	} `json:"tlsClientConfig"`
	AWS *struct {
		ClusterName string `json:"clusterName"`
		RoleARN     string `json:"roleARN"`
		Profile     string `json:"profile"`
	} `json:"awsAuthConfig"`
	Exec *struct {
		Command     string            `json:"command"`
		Args        []string          `json:"args"`
		Env         map[string]string `json:"env"`
		APIVersion  string            `json:"apiVersion"`
		InstallHint string            `json:"installHint"`
	} `json:"execProviderConfig"`
	DisableCompression bool   `json:"disableCompression"`
	ProxyURL           string `json:"proxyUrl"`
}

// readAccess decodes config and says what is wrong with it, without a word of its content.
func readAccess(config []byte) (ClusterAccess, string) {
	if len(config) == 0 {
		return ClusterAccess{}, ""
	}
	var in accessJSON
	if err := json.Unmarshal(config, &in); err != nil {
		return ClusterAccess{}, jsonFault(config, err)
	}
	if in.TLS.Insecure && len(in.TLS.CAData) > 0 {
		return ClusterAccess{}, "tlsClientConfig sets insecure and caData; remove one of them"
	}
	if (len(in.TLS.CertData) > 0) != (len(in.TLS.KeyData) > 0) {
		return ClusterAccess{}, "tlsClientConfig sets only one of certData and keyData"
	}
	out := ClusterAccess{
		Username: NewSecret(in.Username), Password: NewSecret(in.Password), BearerToken: NewSecret(in.BearerToken),
		TLS: ClusterTLS{Insecure: in.TLS.Insecure, ServerName: in.TLS.ServerName, CAData: in.TLS.CAData, CertData: in.TLS.CertData,
			KeyData: NewSecret(string(in.TLS.KeyData))},
		DisableCompression: in.DisableCompression, Proxy: NewSecret(in.ProxyURL),
	}
	if in.AWS != nil {
		out.AWS = &AWSAuth{ClusterName: in.AWS.ClusterName, RoleARN: in.AWS.RoleARN, Profile: in.AWS.Profile}
	}
	if in.Exec != nil {
		out.Exec = &ExecProvider{Command: in.Exec.Command, APIVersion: in.Exec.APIVersion, InstallHint: in.Exec.InstallHint, Env: map[string]Secret{}}
		for _, arg := range in.Exec.Args {
			out.Exec.Args = append(out.Exec.Args, NewSecret(arg))
		}
		for name, v := range in.Exec.Env {
			out.Exec.Env[name] = NewSecret(v)
		}
	}
	return out, ""
}

// jsonFault describes a decoding error by place only: the texts of the JSON library may repeat what stands there.
func jsonFault(text []byte, err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("the JSON is broken in line %d", lineAt(text, syntax.Offset))
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Sprintf("field %s of the JSON, in line %d, is of a wrong type", mismatch.Field, lineAt(text, mismatch.Offset))
	}
	return "a field of the JSON cannot be read (caData, certData and keyData are base64)"
}

func lineAt(text []byte, offset int64) int {
	if offset > int64(len(text)) {
		offset = int64(len(text))
	}
	return 1 + strings.Count(string(text[:offset]), "\n")
}
