package settings

import (
	"net/url"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/source"
)

// BelayName is the ConfigMap with the keys that Argo CD does not have.
const BelayName = "belay-cm"

// Keys of belay-cm.
const (
	// KeyRemoteAllow lists the addresses outside an application's own repository that its manifests may be made of.
	KeyRemoteAllow = "source.remote.allow"
	// KeyServiceLabel and KeyEnvironmentLabel name the labels of Applications that are row and column of the matrix.
	KeyServiceLabel     = "deployments.service.label"
	KeyEnvironmentLabel = "deployments.environment.label"
	// KeyEnvironments lists the environments in their order.
	KeyEnvironments = "deployments.environments"
)

// Belay is what belay-cm says.
type Belay struct {
	// Remote are the addresses of KeyRemoteAllow; none, unless it is set.
	Remote Addresses
	// ServiceLabel and EnvironmentLabel are empty where the default counts.
	ServiceLabel, EnvironmentLabel string
	// Environments are in their order; none where the default order counts.
	Environments []string
}

// Addresses is a list of globs over addresses. The zero value has none.
type Addresses struct{ patterns []glob.Pattern }

// ParseBelay reads the data of belay-cm. A glob that cannot be read allows nothing.
func ParseBelay(data map[string]string) (Belay, []Problem) {
	var out Belay
	var problems []Problem
	for i, line := range strings.Split(data[KeyRemoteAllow], "\n") {
		for text := range strings.SplitSeq(line, ",") {
			text = strings.TrimSpace(text)
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			p, err := glob.Compile(text, '/')
			if err != nil {
				problems = append(problems, Problem{Object: "ConfigMap/" + BelayName, Key: KeyRemoteAllow, Line: i + 1, Reason: err.Error()})
				continue
			}
			out.Remote.patterns = append(out.Remote.patterns, p)
		}
	}
	label := func(key string) string {
		name := strings.TrimSpace(data[key])
		if errs := content.IsLabelKey(name); name != "" && len(errs) > 0 {
			problems = append(problems, Problem{Object: "ConfigMap/" + BelayName, Key: key, Reason: "no name of a label: " + errs[0]})
			return ""
		}
		return name
	}
	out.ServiceLabel, out.EnvironmentLabel = label(KeyServiceLabel), label(KeyEnvironmentLabel)
	for _, name := range strings.FieldsFunc(data[KeyEnvironments], func(r rune) bool { return r == ',' || r == '\n' }) {
		if name = strings.TrimSpace(name); name != "" {
			out.Environments = append(out.Environments, name)
		}
	}
	return out, problems
}

// Allow reports whether a glob covers the address of a repository or file. Credentials in it and what it asks with do not
// count; an address that could mean another place to its server than it says is never covered.
func (a Addresses) Allow(address string) bool {
	address = strings.TrimSpace(address)
	forms := []string{address}
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		lower := strings.ToLower(u.EscapedPath())
		if strings.Contains(lower, "%2e") || strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && u.Path != "/" {
			return false
		}
		plain := url.URL{Scheme: strings.ToLower(u.Scheme), Host: strings.ToLower(u.Host), Path: strings.TrimSuffix(u.Path, "/")}
		if u.Scheme == "ssh" && u.User != nil {
			plain.User = url.User(u.User.Username()) // a part of the address
		}
		forms = []string{plain.String()}
	} else if strings.Contains(address, "..") {
		return false
	}
	if n := source.NormalizeURL(forms[0]); n != "" && !strings.Contains(forms[0], "://") {
		forms = append(forms, n)
	}
	for _, form := range forms {
		for _, p := range a.patterns {
			if p.Match(form) {
				return true
			}
		}
	}
	return false
}
