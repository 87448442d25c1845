package registry

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/fault"
)

// index is what a Helm repository lists. It is immutable.
type index struct {
	charts map[string][]chartVersion
	count  int // of versions
	// etag and modified are the validators of the answer that it came in.
	etag, modified string
}

// chartVersion is one version of a chart as an index lists it.
type chartVersion struct {
	Version string   `json:"version"`
	Digest  string   `json:"digest"`
	URLs    []string `json:"urls"`
	Created string   `json:"created"`
}

const (
	maxCharts   = 50_000
	maxVersions = 500_000 // of all charts together
	maxURLs     = 5       // of one version
	// maxDocument bounds what is read in one piece: a node takes many times the bytes that it was written with.
	maxDocument = 8 << 20
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
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) && json.Valid(data) {
		return out, out.addJSON(data)
	}
	if parts, ok := cutIndex(data); ok {
		err := out.add(parts...)
		if err == nil || len(data) > maxDocument {
			return out, err
		}
		// An alias, say, that crosses the cuts.
	}
	return parseWhole(data)
}

func parseWhole(data []byte) (*index, error) {
	out := &index{charts: map[string][]chartVersion{}}
	return out, out.add(data)
}

func notAnIndex(why string) error {
	return fault.New(fault.Invalid, "read index: this is not the index of a Helm repository%s", why)
}

func (i *index) addJSON(data []byte) error {
	var doc struct {
		APIVersion string                     `json:"apiVersion"`
		Entries    map[string][]*chartVersion `json:"entries"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return fault.New(fault.Invalid, "read index: %s", oneLine(err))
	}
	if doc.APIVersion == "" && doc.Entries == nil {
		return notAnIndex("")
	}
	for name, list := range doc.Entries {
		for _, v := range list {
			if v != nil {
				i.keep(name, *v)
			}
		}
	}
	return i.tooLarge()
}

// add reads documents with entries into the index. It goes through their nodes by hand: the decoder's time would
// grow with the square of the number of keys.
func (i *index) add(documents ...[]byte) error {
	for _, data := range documents {
		if len(data) > maxDocument {
			return fault.New(fault.Invalid, "read index: %d bytes in one piece; what is not laid out as Helm does may have %d", len(data), maxDocument)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return notAnIndex(": " + oneLine(err))
		}
		if doc.Kind != yaml.DocumentNode || deref(doc.Content[0]).Kind != yaml.MappingNode {
			return notAnIndex("")
		}
		root := fields(doc.Content[0])
		entries := fields(root["entries"])
		if root["apiVersion"] == nil && len(entries) == 0 {
			return notAnIndex("")
		}
		for name, list := range entries {
			if list = deref(list); list.Kind != yaml.SequenceNode && list.Tag != "!!null" {
				return fault.New(fault.Invalid, "read index: line %d: the versions of chart %.100q are no list", list.Line, name)
			}
			for _, n := range list.Content {
				i.keep(name, versionFrom(n))
				if err := i.tooLarge(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keep adds one version; Helm, too, passes over what has none.
func (i *index) keep(chart string, v chartVersion) {
	if v.Version == "" {
		return
	}
	v.URLs = v.URLs[:min(len(v.URLs), maxURLs)]
	i.charts[chart] = append(i.charts[chart], v)
	i.count++
}

func (i *index) tooLarge() error {
	if i.count > maxVersions || len(i.charts) > maxCharts {
		return fault.New(fault.Invalid, "read index: it lists more than %d charts or %d versions", maxCharts, maxVersions)
	}
	return nil
}

func versionFrom(n *yaml.Node) chartVersion {
	f := fields(n)
	v := chartVersion{Version: text(f["version"]), Digest: text(f["digest"]), Created: text(f["created"])}
	if urls := deref(f["urls"]); urls != nil && urls.Kind == yaml.SequenceNode {
		for _, u := range urls.Content[:min(len(urls.Content), maxURLs)] {
			v.URLs = append(v.URLs, text(u))
		}
	}
	return v
}

func deref(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n == nil || n.Kind != yaml.AliasNode {
			break
		}
		n = n.Alias
	}
	return n
}

// fields returns the values of a mapping by key; anything else has none.
func fields(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n = deref(n); n == nil || n.Kind != yaml.MappingNode {
		return out
	}
	for k := 0; k+1 < len(n.Content); k += 2 {
		out[n.Content[k].Value] = n.Content[k+1]
	}
	return out
}

func text(n *yaml.Node) string {
	if n = deref(n); n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// oneLine makes an error of the YAML reader fit for a condition.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
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
		parts = append(parts, slices.Concat([]byte("entries:\n"), body[m[0]:end]))
	}
	return parts, len(parts) > 0
}
