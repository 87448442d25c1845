// Package service delivers notifications: the settings of a service and a message go in; a request to that service comes out. Settings
// and the parts of templates are those of Argo CD.
package service

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// Env is what services need of the process.
type Env struct {
	// Env holds HTTPS_PROXY and the like, in the form of os.Environ.
	Env []string
	// CA returns the certificate authorities for a host in PEM, those of argocd-tls-certs-cm; nil stands for those of the system.
	CA func(host string) []byte
	// GitHubToken returns a token of an installation of a GitHub App. Its errors are classified and hold no key.
	GitHubToken func(ctx context.Context, app GitHubApp) (string, error)
}

// GitHubApp is an app of GitHub and one of its installations. Never print it.
type GitHubApp struct {
	ID, InstallationID int64
	// PrivateKey is PEM.
	PrivateKey string
	// BaseURL is the address of the API of GitHub Enterprise, such as https://ghe.example.com/api/v3; empty means github.com.
	BaseURL string
	// Repository is the address of the repository that the token is for.
	Repository string
}

// String keeps the key out of logs and errors, whatever verb prints it.
func (GitHubApp) String() string { return "***" }

// GoString is String for %#v.
func (GitHubApp) GoString() string { return "***" }

// Kinds returns the types of services, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(builders())) }

// New returns the service of a type. name is NAME of service.TYPE.NAME, empty where there is none. options is the YAML of that key,
// with references to secrets already replaced. An error is Invalid and names the option that is missing or wrong, never a value.
func New(kind, name string, options []byte, env Env) (notify.Service, error) {
	build, ok := builders()[kind]
	if !ok {
		return nil, fault.New(fault.Invalid, "%q is no type of notification service: there are %s", kind, strings.Join(Kinds(), ", "))
	}
	c := config{kind: kind, name: name, env: env}
	var err error
	if c.options, err = parseOptions(c.key(), options); err != nil {
		return nil, err
	}
	s, err := build(c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// config is what a service is made of.
type config struct {
	kind, name string
	options    *values
	env        Env
}

// key is the service's key in the ConfigMap.
func (c config) key() string {
	if c.name == "" || c.name == c.kind {
		return "service." + c.kind
	}
	return "service." + c.kind + "." + c.name
}

type builder func(config) (notify.Service, error)

func builders() map[string]builder {
	return map[string]builder{
		"alertmanager":    newAlertmanager,
		"googlechat":      newGoogleChat,
		"grafana":         newGrafana,
		"mattermost":      newMattermost,
		"newrelic":        newNewRelic,
		"opsgenie":        newOpsgenie,
		"pagerdutyv2":     newPagerDuty,
		"pushover":        newPushover,
		"rocketchat":      newRocketChat,
		"telegram":        newTelegram,
		"webex":           newWebex,
		"email":           newEmail,
		"github":          newGitHub,
		"slack":           newSlack,
		"teams":           newTeams,
		"teams-workflows": newTeamsWorkflows,
		"webhook":         newWebhook,
	}
}

// part returns what a template says for a type of services; nil if it says nothing.
func part(m notify.Message, kind string) *values {
	p, ok := m.Parts[kind]
	if !ok || p == nil {
		return nil
	}
	v := newValues("the " + kind + " part of the template")
	v.of = v.asMap("it", p)
	return v
}
