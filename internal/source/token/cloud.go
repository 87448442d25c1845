package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"github.com/belaycd/belay/internal/fault"
)

// Google is a service account of Google Cloud.
type Google struct {
	// Key is the account's key as it was downloaded: JSON.
	Key string
}

const (
	googleToken = "https://oauth2.googleapis.com/token" //nolint:gosec // an address
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
)

// Google logs in as a service account: its name and a token of an hour in the place of a password.
func (s *Store) Google(g Google, reach Reach) *Login { return s.login("Google", g, "", reach) }

func (g Google) issue(ctx context.Context, s *Store, reach Reach) (grant, error) {
	var key struct {
		Email    string `json:"client_email"`
		ID       string `json:"private_key_id"`
		Key      string `json:"private_key"`
		TokenURI string `json:"token_uri"`
	}
	if err := json.Unmarshal([]byte(g.Key), &key); err != nil || key.Email == "" || key.Key == "" {
		return grant{}, fault.New(fault.Invalid, "gcpServiceAccountKey is not the JSON of a service account's key")
	}
	config := jwt.Config{Email: key.Email, PrivateKey: []byte(key.Key), PrivateKeyID: key.ID, Scopes: []string{googleScope},
		TokenURL: cmp.Or(key.TokenURI, googleToken)}
	got, err := s.oauth(ctx, "token_uri of gcpServiceAccountKey", config.TokenURL, reach, config.TokenSource)
	if err != nil {
		return grant{}, err
	}
	return grant{username: key.Email, password: got.AccessToken, issued: s.now(), ends: got.Expiry}, nil
}

// Azure is an identity of Entra ID: a service principal with a secret, or the workload identity of the pod.
type Azure struct {
	ClientID, TenantID, ClientSecret string
	// Endpoint is the address of the authority, for clouds of their own; empty means that of the public cloud.
	Endpoint string
	// WorkloadIdentity takes what the cluster gave the pod: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_AUTHORITY_HOST and the
	// file AZURE_FEDERATED_TOKEN_FILE.
	WorkloadIdentity bool
}

const (
	azureAuthority = "https://login.microsoftonline.com"
	// azureDevOps is the scope of everything that an identity may do in Azure DevOps, by the id of that application.
	azureDevOps    = "499b84ac-1321-427f-aa17-267ca6975798/.default"
	azureAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Azure logs in to Azure DevOps with a bearer token.
func (s *Store) Azure(a Azure, reach Reach) *Login { return s.login("Azure", a, "", reach) }

func (a Azure) issue(ctx context.Context, s *Store, reach Reach) (grant, error) {
	params := url.Values{}
	if a.WorkloadIdentity {
		file := s.getenv("AZURE_FEDERATED_TOKEN_FILE")
		if file == "" {
			return grant{}, fault.New(fault.Invalid, "useAzureWorkloadIdentity is set, but the pod has no AZURE_FEDERATED_TOKEN_FILE: "+
				"its service account needs the label azure.workload.identity/use and the webhook of Azure Workload Identity")
		}
		assertion, err := os.ReadFile(file) // anew: the cluster replaces it
		if err != nil {
			return grant{}, fault.New(fault.Invalid, "read AZURE_FEDERATED_TOKEN_FILE: %w", err)
		}
		a.ClientID, a.TenantID = cmp.Or(a.ClientID, s.getenv("AZURE_CLIENT_ID")), cmp.Or(a.TenantID, s.getenv("AZURE_TENANT_ID"))
		a.Endpoint = cmp.Or(a.Endpoint, s.getenv("AZURE_AUTHORITY_HOST"))
		params.Set("client_assertion_type", azureAssertion)
		params.Set("client_assertion", strings.TrimSpace(string(assertion)))
	}
	for _, need := range []struct{ name, value string }{{"client id", a.ClientID}, {"tenant id", a.TenantID}} {
		if need.value == "" {
			return grant{}, fault.New(fault.Invalid, "the %s of the identity of Azure is missing", need.name)
		}
	}
	config := clientcredentials.Config{ClientID: a.ClientID, ClientSecret: a.ClientSecret, Scopes: []string{azureDevOps}, EndpointParams: params,
		TokenURL:  strings.TrimSuffix(cmp.Or(a.Endpoint, azureAuthority), "/") + "/" + url.PathEscape(a.TenantID) + "/oauth2/v2.0/token",
		AuthStyle: oauth2.AuthStyleInParams}
	got, err := s.oauth(ctx, "azureActiveDirectoryEndpoint", config.TokenURL, reach, config.TokenSource)
	if err != nil {
		return grant{}, err
	}
	return grant{bearer: got.AccessToken, issued: s.now(), ends: got.Expiry}, nil
}

// oauth asks the server at address, named by key, for one token.
func (s *Store) oauth(ctx context.Context, key, address string, reach Reach, source func(context.Context) oauth2.TokenSource) (*oauth2.Token, error) {
	client, err := s.client(key, address, reach)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	host := address
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	got, err := source(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	var answer *oauth2.RetrieveError
	var unreached *url.Error
	switch {
	case err == nil && got.Expiry.IsZero():
		return nil, fault.New(fault.Transient, "%s issues a token without saying when it ends", host)
	case err == nil:
		return got, nil
	case errors.As(err, &answer) && answer.Response != nil:
		return nil, refused(host, answer.Response.StatusCode, complaint(answer.Body))
	case errors.As(err, &unreached):
		return nil, fault.New(fault.Transient, "reach %s: %w", host, unreached.Err)
	default:
		return nil, fault.New(fault.Invalid, "get a token of %s: the key cannot be used, or the answer is not of OAuth 2.0", host)
	}
}

// complaint is what a server of OAuth 2.0 says of a refusal (RFC 6749, section 5.2).
func complaint(body []byte) string {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return strings.TrimSpace(said.Error + " " + said.Description)
}
