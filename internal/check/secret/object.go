package secret

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// secretObject reports the values of a Secret, a finding for every key.
func (s *scanner) secretObject(o *check.Object, gens *generators, repo *check.Repository, tell teller) {
	if _, encrypted := o.Object["sops"]; encrypted {
		return
	}
	argo := o.GetLabels()["argocd.argoproj.io/secret-type"] != ""
	for _, field := range []string{"data", "stringData"} {
		values, _ := o.Object[field].(map[string]any)
		for _, key := range sortedKeys(values) {
			raw, _ := values[key].(string)
			value := raw
			if field == "data" {
				if decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(raw)); err == nil {
					value = string(decoded)
				}
			}
			if exempt(value) || exempt(raw) || harmlessKey(key, value) || argo && !argoCredential(key) || generated(o, repo, raw, value) {
				continue
			}
			path, key := s.shown(field, key)
			f := check.Finding{Rule: plaintext, Path: path, Message: fmt.Sprintf("Secret %s holds the value of %s", o.GetName(), key)}
			if configuration(key, value) && !s.holdsCredential(value) {
				f.Message += ", a configuration in which no credential is seen"
				f.Severity = check.Note
			} else if g := gens.of(o); g != nil {
				f.Message = fmt.Sprintf("the generator of Secret %s holds the value of %s", g.name, key)
				f.Fix = "Generate the Secret from a file that is not committed or is encrypted, or keep it outside: an ExternalSecret, a SealedSecret or SOPS. Replace the credential itself too."
			}
			tell(f, raw, value)
		}
	}
}

// configuration reports whether a value is a file of settings, which programs that take one from a Secret have, with a credential
// in it or without.
func configuration(key, value string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".ini", ".conf", ".cfg", ".toml", ".properties", ".json", ".xml"}, path.Ext(key)) && strings.Contains(value, "\n")
}

// holdsCredential reports whether a text has the form of a credential in it, or gives a telling name any value that can be one.
func (s *scanner) holdsCredential(text string) bool {
	if len(s.scan(text)) > 0 {
		return true
	}
	for line := range strings.Lines(text) {
		i := strings.IndexAny(line, ":=")
		if i < 0 {
			continue
		}
		name, value := strings.Trim(line[:i], " \t\"'-<"), strings.Trim(line[i+1:], " \t\r\n\"',;=")
		if telling(name) != no && plausible(value) && !exempt(value) {
			return true
		}
	}
	return false
}

// argoCredential reports whether a key of a Secret for Argo CD is one: the others are addresses and switches.
func argoCredential(key string) bool {
	return slices.Contains([]string{"password", "sshPrivateKey", "bearerToken", "tlsClientCertKey", "githubAppPrivateKey", "gcpServiceAccountKey", "config"}, key)
}

// generated reports whether a template of a chart has made up the value: then it is in no file.
func generated(o *check.Object, repo *check.Repository, raw, value string) bool {
	if !slices.ContainsFunc(o.Unit.Reads, func(name string) bool { return path.Base(name) == "Chart.yaml" }) {
		return false
	}
	random := false
	for _, name := range o.Unit.Reads {
		data, err := fs.ReadFile(repo.Files, name)
		if err != nil {
			continue
		}
		text := string(data)
		if strings.Contains(text, raw) || value != "" && strings.Contains(text, value) {
			return false
		}
		for _, f := range []string{"randAlpha", "randNumeric", "randAscii", "randBytes", "genCA", "genPrivateKey", "genSelfSigned", "genSigned", "htpasswd", "derivePassword", "uuidv4"} {
			random = random || strings.Contains(text, f)
		}
	}
	return random
}

// pod reports credentials in the environment and the arguments of containers.
func (s *scanner) pod(p *check.Pod, tell teller) {
	for _, c := range p.Containers() {
		env, _ := c.Fields["env"].([]any)
		for i, e := range env {
			fields, _ := e.(map[string]any)
			name, _ := fields["name"].(string)
			value, _ := fields["value"].(string)
			if what, secret, ok := s.credential(name, value); ok {
				tell(check.Finding{Rule: inEnv, Path: check.Join(c.Path, "env", check.Element(i, "name", name), "value"),
					Message: fmt.Sprintf("the variable %s of container %s holds %s", name, c.Name, what)}, value, secret)
			}
		}
		for _, list := range []string{"command", "args"} {
			words, _ := c.Fields[list].([]any)
			s.arguments(c, list, words, tell)
		}
	}
}

// arguments looks at --name=value and --name value.
func (s *scanner) arguments(c check.Container, list string, words []any, tell teller) {
	flag := ""
	for i, w := range words {
		word, _ := w.(string)
		name, value, joined := strings.Cut(word, "=")
		if !strings.HasPrefix(word, "-") {
			name, value, joined = flag, word, true
		}
		flag = ""
		if strings.HasPrefix(word, "-") && !joined {
			flag = word
			continue
		}
		if what, secret, ok := s.credential(strings.TrimLeft(name, "-"), value); ok {
			about := name
			if about == "" {
				about = fmt.Sprintf("number %d", i+1)
			}
			tell(check.Finding{Rule: inEnv, Path: check.Join(c.Path, list, check.Element(i, "", "")),
				Message: fmt.Sprintf("the argument %s of container %s holds %s", mask(about), c.Name, what)}, value, secret)
		}
	}
}

// configMap reports credentials in a ConfigMap: values with a telling key, and texts with the form of a credential.
func (s *scanner) configMap(o *check.Object, gens *generators, tell teller) {
	values, _ := o.Object["data"].(map[string]any)
	for _, key := range sortedKeys(values) {
		value, _ := values[key].(string)
		at, _ := s.shown("data", key)
		report := func(what, path string, secrets ...string) {
			_, key := s.shown("data", key)
			f := check.Finding{Rule: inConfigMap, Path: path, Message: fmt.Sprintf("ConfigMap %s holds %s in %s", o.GetName(), what, key)}
			if g := gens.of(o); g != nil {
				f.Message = fmt.Sprintf("the generator of ConfigMap %s holds %s in %s", g.name, what, key)
			}
			tell(f, secrets...)
		}
		if !strings.Contains(strings.TrimSpace(value), "\n") {
			if what, secret, ok := s.credential(key, value); ok {
				report(what, at, value, secret)
			}
			continue
		}
		for i, m := range s.scan(value) {
			path := at
			if i > 0 { // the path tells several in one text apart
				path += fmt.Sprintf("[%d]", i)
			}
			report(m.describe(), path, m.secret)
		}
	}
}

// credential reports whether the value of a name is a credential, what it is in words, and the part of the value that is secret.
func (s *scanner) credential(name, value string) (what, secret string, ok bool) {
	if value == "" || exempt(value) {
		return "", "", false
	}
	if found := s.scan(value); len(found) > 0 {
		return found[0].describe(), found[0].secret, true
	}
	switch telling(name) {
	case sure:
		if !plausible(value) {
			return "", "", false
		}
	case perhaps:
		if !plausible(value) || !random(value, 12, 3.0) {
			return "", "", false
		}
	default:
		return "", "", false
	}
	return "a credential", value, true
}

// shown returns the path of a key and its name as they may be shown: somebody may have put a credential in place of a key.
func (s *scanner) shown(field, key string) (path, name string) {
	if len(s.scan(key)) > 0 {
		return field, "a key that is a credential itself"
	}
	return check.Join(field, key), key
}

func sortedKeys(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
