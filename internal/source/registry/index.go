package registry

import (
	"bytes"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/fault"
)

// index is what a Helm repository lists. It is immutable.
type index struct {
	charts map[string][]chartVersion
	// etag and modified are the validators of the answer that it came in.
	etag, modified string
}

// chartVersion is one version of a chart as an index lists it.
type chartVersion struct {
	Version string   `yaml:"version"`
	Digest  string   `yaml:"digest"`
	URLs    []string `yaml:"urls"`
	Created string   `yaml:"created"`
}

const (
	maxCharts   = 50_000
	maxVersions = 500_000 // of all charts together
)

// versions returns the versions of a chart in the order of the index.
func (i *index) versions(chart string) []string {
	entries := i.charts[chart]
	out := make([]string, len(entries))
	for n, e := range entries {
		out[n] = e.Version
	}
	return out
}

func (i *index) find(chart, version string) (chartVersion, bool) {
	for _, e := range i.charts[chart] {
		if e.Version == version {
			return e, true
		}
	}
	return chartVersion{}, false
}

// parseIndex reads index.yaml, which may be JSON.
func parseIndex(data []byte) (*index, error) {
	out := &index{charts: map[string][]chartVersion{}}
	versions := 0
	add := func(part []byte) error {
		var doc struct {
			Entries map[string][]*chartVersion `yaml:"entries"`
		}
		if err := yaml.Unmarshal(part, &doc); err != nil {
			return fault.New(fault.Invalid, "read index: %w", err)
		}
		for name, list := range doc.Entries {
			for _, v := range list {
				if v == nil || v.Version == "" {
					continue // Helm passes over them too
				}
				out.charts[name] = append(out.charts[name], *v)
				versions++
			}
			if versions > maxVersions || len(out.charts) > maxCharts {
				return fault.New(fault.Invalid, "read index: it lists more than %d charts or %d versions", maxCharts, maxVersions)
			}
		}
		return nil
	}
	if parts, ok := cutIndex(data); ok && each(parts, add) == nil {
		return out, nil
	}
	out.charts, versions = map[string][]chartVersion{}, 0
	var head struct {
		APIVersion string    `yaml:"apiVersion"`
		Entries    yaml.Node `yaml:"entries"`
	}
	if err := yaml.Unmarshal(data, &head); err != nil {
		return nil, fault.New(fault.Invalid, "read index: %w", err)
	}
	if head.APIVersion == "" && head.Entries.Kind == 0 {
		return nil, fault.New(fault.Invalid, "read index: this is not the index of a Helm repository")
	}
	return out, add(data)
}

func each(parts [][]byte, add func([]byte) error) error {
	for _, p := range parts {
		if err := add(p); err != nil {
			return err
		}
	}
	return nil
}

// cutIndex cuts an index in the layout that Helm writes into one document for each chart, so that reading a large one
// holds the nodes of one chart at a time. It gives up on any other layout.
func cutIndex(data []byte) ([][]byte, bool) {
	const entries = "\nentries:\n"
	start := bytes.Index(data, []byte(entries))
	if start < 0 || bytes.HasPrefix(data, []byte("{")) {
		return nil, false
	}
	body := data[start+len(entries):]
	if bytes.Contains(body, []byte(entries)) || bytes.Contains(body, []byte("\n---")) {
		return nil, false
	}
	key := regexp.MustCompile(`(?m)^(  ["'A-Za-z0-9_].*|[^ \n].*)$`)
	var parts [][]byte
	at := key.FindAllIndex(body, -1)
	if len(at) == 0 || at[0][0] != 0 {
		return nil, false
	}
	for i, m := range at {
		if body[m[0]] != ' ' {
			break // the keys after entries
		}
		end := len(body)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		parts = append(parts, append([]byte("entries:\n"), body[m[0]:end]...))
	}
	return parts, len(parts) > 0
}
