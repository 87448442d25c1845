// Package oidc signs people in with an OpenID Connect provider: oidc.config of argocd-cm and what a browser brings back go in;
// verified identities with their groups come out.
package oidc

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/settings"
)

// Key is the key of argocd-cm that holds the configuration.
const Key = "oidc.config"

// Claim asks the provider for a claim of the ID token.
type Claim struct {
	Essential bool     `json:"essential,omitempty"`
	Value     string   `json:"value,omitempty"`
	Values    []string `json:"values,omitempty"`
}

// Config is oidc.config of argocd-cm.
type Config struct {
	Name                   string           `json:"name"`
	Issuer                 string           `json:"issuer"`
	ClientID               string           `json:"clientID"`
	CLIClientID            string           `json:"cliClientID"`
	ClientSecret           settings.Secret  `json:"-"`
	RequestedScopes        []string         `json:"requestedScopes"`
	RequestedIDTokenClaims map[string]Claim `json:"requestedIDTokenClaims"`
	LogoutURL              string           `json:"logoutURL"`
	// EnablePKCEAuthentication demands PKCE of the provider, and permits a client without a secret.
	EnablePKCEAuthentication bool `json:"enablePKCEAuthentication"`
	// AllowedAudiences of tokens; empty means clientID and cliClientID.
	AllowedAudiences                        []string `json:"allowedAudiences"`
	SkipAudienceCheckWhenTokenHasNoAudience bool     `json:"skipAudienceCheckWhenTokenHasNoAudience"`
	RootCA                                  string   `json:"rootCA"`
}

// Lookup returns the value of a key of a Secret; the name "" is argocd-secret.
type Lookup func(secret, key string) (string, error)

// Parse reads oidc.config. Values $<key> and $<secret>:<key> are looked up; one that is not there is an error, because the text of a
// reference is no secret. Ignored are the fields that have no effect here.
func Parse(text string, lookup Lookup) (config Config, ignored []string, err error) {
	fields := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		// What the library says may quote the text, and with it a secret.
		return Config{}, nil, fault.New(fault.Invalid, "%s of ConfigMap argocd-cm is no YAML with fields", Key)
	}
	resolved, err := resolve(fields, lookup)
	if err != nil {
		return Config{}, nil, fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: %w", Key, err)
	}
	encoded, err := json.Marshal(resolved)
	if err != nil {
		return Config{}, nil, fault.New(fault.Invalid, "%s of ConfigMap argocd-cm cannot be used", Key)
	}
	secret := struct {
		ClientSecret string `json:"clientSecret"`
	}{}
	if json.Unmarshal(encoded, &config) != nil || json.Unmarshal(encoded, &secret) != nil {
		return Config{}, nil, fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: a field has the wrong type", Key)
	}
	config.ClientSecret = settings.NewSecret(strings.TrimSpace(secret.ClientSecret))
	for name := range fields {
		if !slices.Contains(knownFields(), name) {
			ignored = append(ignored, name)
		}
	}
	slices.Sort(ignored)
	if len(config.RequestedScopes) == 0 {
		config.RequestedScopes = []string{"openid", "profile", "email", "groups"}
	}
	return config, ignored, config.check()
}

func knownFields() []string {
	return []string{"name", "issuer", "clientID", "cliClientID", "clientSecret", "requestedScopes", "requestedIDTokenClaims", "logoutURL",
		"enablePKCEAuthentication", "allowedAudiences", "skipAudienceCheckWhenTokenHasNoAudience", "rootCA"}
}

func (c Config) check() error {
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.Scheme != "https" && issuer.Scheme != "http":
		return fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: issuer must be an address such as https://login.example.com", Key)
	case c.ClientID == "":
		return fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: clientID is missing", Key)
	case c.ClientSecret.IsEmpty() && !c.EnablePKCEAuthentication:
		return fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: clientSecret is missing; a client without one needs enablePKCEAuthentication: true", Key)
	}
	return nil
}

// resolve replaces references in all texts of a value.
func resolve(value any, lookup Lookup) (any, error) {
	switch v := value.(type) {
	case string:
		return resolveText(v, lookup)
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			resolved, err := resolve(inner, lookup)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = resolved
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			resolved, err := resolve(inner, lookup)
			if err != nil {
				return nil, err
			}
			out[i] = resolved
		}
		return out, nil
	}
	return value, nil
}

func resolveText(text string, lookup Lookup) (string, error) {
	reference, ok := strings.CutPrefix(text, "$")
	if !ok {
		return text, nil
	}
	secret, key, named := strings.Cut(reference, ":")
	if !named {
		secret, key = "", reference
	}
	if key == "" || named && secret == "" {
		return "", fmt.Errorf("a reference is $<key> or $<secret>:<key>")
	}
	value, err := lookup(secret, key)
	if err != nil {
		if secret == "" {
			secret = "argocd-secret"
		}
		return "", fmt.Errorf("look up key %s of Secret %s: %w", key, secret, err)
	}
	return value, nil
}
