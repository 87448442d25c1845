package registry

import (
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// place is where charts or artifacts lie.
type place struct {
	kind    placeKind
	url     *url.URL // of a Helm repository
	ref     string   // host/repository of an OCI registry
	chart   string
	asked   string // the address as an Application wrote it; credentials are looked up with it
	project string
	pass    bool // credentials go to other hosts too
}

type placeKind int

const (
	helmChart   placeKind = iota // a chart in a Helm repository
	ociChart                     // a chart in an OCI registry
	ociArtifact                  // manifests in an OCI registry
)

// Serves reports whether req is for charts or artifacts and not for a Git repository.
func Serves(req source.Request) bool {
	return req.Chart != "" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(req.RepoURL)), ociScheme)
}

const (
	ociScheme = "oci://"
	maxTarget = 256
)

func placeOf(req source.Request) (place, error) {
	p := place{chart: req.Chart, asked: strings.TrimSpace(req.RepoURL), project: req.Project, pass: req.PassCredentials}
	shown := source.Redact(p.asked)
	if p.asked == "" || len(p.asked) > 2048 || !utf8.ValidString(p.asked) {
		return p, fault.New(fault.Invalid, "repository URL %.100q is not an address", shown)
	}
	if p.chart != "" && !isChartName(p.chart) {
		return p, fault.New(fault.Invalid, "chart %.100q of %s is not the name of a chart", p.chart, shown)
	}
	scheme, rest, ok := strings.Cut(p.asked, "://")
	switch scheme = strings.ToLower(scheme); {
	case ok && (scheme == "http" || scheme == "https"):
		u, err := url.Parse(p.asked)
		if err != nil || u.Host == "" {
			return p, fault.New(fault.Invalid, "repository URL %q cannot be read", shown)
		}
		u.Scheme, u.Fragment = scheme, ""
		p.kind, p.url = helmChart, u
		if p.chart == "" {
			return p, fault.New(fault.Invalid, "repository URL %q: a Helm repository needs a chart", shown)
		}
		return p, nil
	case ok && scheme != "oci":
		return p, fault.New(fault.Invalid, "repository URL %q: charts come from https://, from oci:// or from the address of an OCI registry without a scheme", shown)
	case !ok:
		rest = p.asked
	}
	p.kind = ociArtifact
	p.ref = strings.Trim(rest, "/")
	if p.chart != "" {
		p.kind = ociChart
		p.ref += "/" + p.chart
	}
	if strings.ContainsAny(p.ref, " @?#\\") || !strings.Contains(p.ref, "/") || path.Clean(p.ref) != p.ref {
		return p, fault.New(fault.Invalid, "repository URL %q is not the address of a repository in an OCI registry (registry.example.com/path)", shown)
	}
	return p, nil
}

// isChartName admits what can be one segment, or several, of an address.
func isChartName(s string) bool {
	if len(s) > 250 || strings.HasPrefix(s, "/") || path.Clean(s) != s || strings.HasPrefix(s, "..") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\?#%:@"'<>`, r)
	})
}

// key names the remote that is asked; the chart of a Helm repository is no part of it.
func (p place) key() string {
	if p.kind == helmChart && p.pass {
		return "passing " + strings.TrimRight(p.url.String(), "/")
	}
	if p.kind == helmChart {
		return strings.TrimRight(p.url.String(), "/")
	}
	return p.ref
}

// repo is the address of the repository for messages.
func (p place) repo() string { return source.Redact(p.asked) }

// String names the place in messages.
func (p place) String() string {
	if p.chart != "" {
		return "chart " + p.chart + " of " + p.repo()
	}
	return p.repo()
}

// checkTarget returns the wanted version without spaces around it.
func checkTarget(target string) (string, error) {
	t := strings.TrimSpace(target)
	switch {
	case len(t) > maxTarget:
		return "", fault.New(fault.Invalid, "version is longer than %d bytes", maxTarget)
	case !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fault.New(fault.Invalid, "version %q contains a control character", t)
	}
	return t, nil
}
