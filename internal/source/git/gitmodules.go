package git

import (
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// gitmodulesName is the file at the root of a repository that tells where its submodules come from.
	gitmodulesName = ".gitmodules"
	// maxGitmodules and maxSubmodules bound that file, in bytes and in entries.
	maxGitmodules, maxSubmodules = 1 << 20, 2000
)

// parseGitmodules reads .gitmodules, which has the syntax of git-config. The result is the address of each submodule by its
// path. What is no section of a submodule, or a key that does not tell where one comes from, does not count.
func parseGitmodules(data []byte) (map[string]string, error) {
	type section struct{ path, url string }
	sections := map[string]*section{}
	var at *section
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	for line := 1; text != ""; line++ {
		var raw string
		raw, text, _ = strings.Cut(text, "\n")
		raw = strings.TrimSpace(raw)
		if raw == "" || raw[0] == '#' || raw[0] == ';' {
			continue
		}
		if raw[0] == '[' {
			name, rest, err := sectionName(raw)
			if err != nil {
				return nil, fault.New(fault.Invalid, "%s line %d: %w", gitmodulesName, line, err)
			}
			if at = nil; name != "" {
				if sections[name] == nil {
					sections[name] = &section{}
				}
				at = sections[name]
			}
			if len(sections) > maxSubmodules {
				return nil, fault.New(fault.Invalid, "%s: more than %d submodules", gitmodulesName, maxSubmodules)
			}
			if raw = strings.TrimSpace(rest); raw == "" {
				continue
			}
		}
		key, value, _ := strings.Cut(raw, "=")
		value, more, err := configValue(value, text)
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s line %d: %w", gitmodulesName, line, err)
		}
		line += strings.Count(text, "\n") - strings.Count(more, "\n")
		text = more
		switch key = strings.ToLower(strings.TrimSpace(key)); {
		case at == nil:
		case key == "path":
			at.path = strings.Trim(value, "/")
		case key == "url":
			at.url = value
		}
	}
	out := map[string]string{}
	for _, s := range sections {
		if s.path == "" || s.url == "" {
			continue
		}
		if _, twice := out[s.path]; twice {
			return nil, fault.New(fault.Invalid, "%s: two submodules have the path %q", gitmodulesName, s.path)
		}
		out[s.path] = s.url
	}
	return out, nil
}

// sectionName reads [submodule "name"] and returns what follows it; the name of any other section is empty.
func sectionName(raw string) (name, rest string, err error) {
	head, quoted, isQuoted := strings.Cut(raw[1:], `"`)
	if end := strings.IndexByte(raw, ']'); !isQuoted || end >= 0 && end < len(head)+1 {
		if end < 0 {
			return "", "", fault.New(fault.Invalid, "section is not closed")
		}
		return "", raw[end+1:], nil
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '\\' && i+1 < len(quoted):
			i++
			b.WriteByte(quoted[i])
		case c == '"':
			rest, closed := strings.CutPrefix(strings.TrimSpace(quoted[i+1:]), "]")
			if !closed {
				return "", "", fault.New(fault.Invalid, "section is not closed")
			}
			if !strings.EqualFold(strings.TrimSpace(head), "submodule") {
				return "", rest, nil
			}
			return b.String(), rest, nil
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fault.New(fault.Invalid, "section is not closed")
}

// configValue reads the value that begins with raw and may go on in the lines of text, and returns what is left of them.
func configValue(raw, text string) (value, rest string, err error) {
	var b strings.Builder
	quoted := false
	kept := 0 // up to where white space counts
	raw = strings.TrimLeft(raw, " \t")
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '\\' && i+1 == len(raw):
			raw, text, _ = strings.Cut(text, "\n")
			i = -1
			continue
		case c == '\\':
			i++
			decoded := strings.IndexByte(`nt"\`, raw[i])
			if decoded < 0 {
				return "", "", fault.New(fault.Invalid, "unknown escape")
			}
			b.WriteByte("\n\t\"\\"[decoded])
			kept = b.Len()
		case c == '"':
			quoted = !quoted
			kept = b.Len()
		case !quoted && (c == '#' || c == ';'):
			return b.String()[:kept], text, nil
		default:
			b.WriteByte(c)
			if quoted || c != ' ' && c != '\t' {
				kept = b.Len()
			}
		}
	}
	if quoted {
		return "", "", fault.New(fault.Invalid, "quotation is not closed")
	}
	return b.String()[:kept], text, nil
}
