package server

import (
	"context"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/object"
)

// SettingsQuery asks for the settings.
type SettingsQuery struct{}

// Settings are what clients have to know before they can sign in; to those who have, a little more.
type Settings struct {
	URL                       string      `json:"url,omitempty"`
	OIDCConfig                *OIDCConfig `json:"oidcConfig,omitempty"`
	StatusBadgeEnabled        bool        `json:"statusBadgeEnabled"`
	StatusBadgeRootURL        string      `json:"statusBadgeRootUrl,omitempty"`
	AppLabelKey               string      `json:"appLabelKey,omitempty"`
	UserLoginsDisabled        bool        `json:"userLoginsDisabled"`
	PasswordPattern           string      `json:"passwordPattern,omitempty"`
	TrackingMethod            string      `json:"trackingMethod,omitempty"`
	InstallationID            string      `json:"installationID,omitempty"`
	ControllerNamespace       string      `json:"controllerNamespace,omitempty"`
	AppsInAnyNamespaceEnabled bool        `json:"appsInAnyNamespaceEnabled"`
	ImpersonationEnabled      bool        `json:"impersonationEnabled"`
	ExecEnabled               bool        `json:"execEnabled"`
	UIBannerContent           string      `json:"uiBannerContent,omitempty"`
	UIBannerURL               string      `json:"uiBannerURL,omitempty"`
	UIBannerPermanent         bool        `json:"uiBannerPermanent,omitempty"`
	UIBannerPosition          string      `json:"uiBannerPosition,omitempty"`
}

// OIDCConfig is what a client needs to sign in at the identity provider. It is no secret.
type OIDCConfig struct {
	Name                     string   `json:"name,omitempty"`
	Issuer                   string   `json:"issuer,omitempty"`
	ClientID                 string   `json:"clientID,omitempty"`
	CLIClientID              string   `json:"cliClientID,omitempty"`
	Scopes                   []string `json:"scopes,omitempty"`
	EnablePKCEAuthentication bool     `json:"enablePKCEAuthentication,omitempty"`
}

// GetSettings returns the settings. Who has not signed in learns how to, and no more.
func (s *Server) GetSettings(ctx context.Context, _ *SettingsQuery) (*Settings, error) {
	conf, config, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	out := &Settings{
		URL: conf.URL, OIDCConfig: oidcOf(config["oidc.config"]), UserLoginsDisabled: !loginsEnabled(config),
		StatusBadgeEnabled: config["statusbadge.enabled"] == "true", UIBannerContent: config["ui.bannercontent"], UIBannerURL: webLink(config["ui.bannerurl"]),
		UIBannerPermanent: config["ui.bannerpermanent"] == "true", UIBannerPosition: config["ui.bannerposition"],
	}
	if _, known := CallerOf(ctx); !known {
		return out, nil
	}
	out.StatusBadgeRootURL, out.PasswordPattern = config["statusbadge.url"], config["passwordPattern"]
	out.AppLabelKey, out.InstallationID = conf.Tracking.InstanceLabel, conf.Tracking.InstallationID
	if out.AppLabelKey == "" {
		out.AppLabelKey = "app.kubernetes.io/instance"
	}
	out.TrackingMethod = string(conf.Tracking.Method)
	if out.TrackingMethod == "" {
		out.TrackingMethod = string(object.ByAnnotation)
	}
	out.ControllerNamespace, out.AppsInAnyNamespaceEnabled = s.Namespace, len(conf.ApplicationNamespaces) > 0
	out.ImpersonationEnabled = conf.Impersonation.Enabled
	return out, nil
}

// webLink lets links of the web pass, and none that would run a script.
func webLink(text string) string {
	if strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") {
		return text
	}
	return ""
}

// loginsEnabled reports whether any account can sign in with a password.
func loginsEnabled(config map[string]string) bool {
	if config["admin.enabled"] != "false" {
		return true
	}
	for key, value := range config {
		name, isAccount := strings.CutPrefix(key, "accounts.")
		if isAccount && !strings.Contains(name, ".") && strings.Contains(value, "login") && config[key+".enabled"] != "false" {
			return true
		}
	}
	return false
}

func oidcOf(text string) *OIDCConfig {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var read struct {
		Name, Issuer, ClientID, CLIClientID string
		RequestedScopes                     []string
		EnablePKCEAuthentication            bool
	}
	if err := yaml.Unmarshal([]byte(text), &read); err != nil || read.Issuer == "" {
		return nil // whoever signs people in tells of it
	}
	return &OIDCConfig{read.Name, read.Issuer, read.ClientID, read.CLIClientID, read.RequestedScopes, read.EnablePKCEAuthentication}
}

// VersionQuery asks for the version.
type VersionQuery struct{}

// Version says which program answers; who has not signed in learns no more than its version.
func (s *Server) Version(ctx context.Context, _ *VersionQuery) (*VersionMessage, error) {
	out := s.Build
	if _, known := CallerOf(ctx); !known {
		out = VersionMessage{Version: s.Build.Version}
	}
	return &out, nil
}
