package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"sigs.k8s.io/yaml"
)

// maxSavedConfig bounds the file of saved contexts, which holds a few lines per server.
const maxSavedConfig = 1 << 20

// coreServer is how argocd calls the entry of a kubeconfig.
const coreServer = "kubernetes"

var errNoContext = errors.New("there is no such context")

// savedConfig is the file of saved contexts in the form of argocd: contexts that name a server and a user, and these. It is
// kept as a document, so that fields which this program does not know survive.
type savedConfig struct {
	path string
	doc  map[string]any
}

// savedContext is one context with the server and the user that it names.
type savedContext struct {
	name, user string
	core       bool
	opts       ServerOptions
}

// savedPath is where the file is: as the flag says, in ARGOCD_CONFIG_DIR, where old argocd programs had it if it is there, or
// below the directory for configurations of the system.
func (c *cli) savedPath() string {
	home := c.Getenv("HOME")
	if c.server.config != "" {
		return c.server.config
	}
	if dir := c.Getenv("ARGOCD_CONFIG_DIR"); dir != "" {
		return filepath.Join(dir, "config")
	}
	if home == "" && c.Getenv("XDG_CONFIG_HOME") == "" {
		return ""
	}
	if legacy := filepath.Join(home, ".argocd", "config"); home != "" {
		if _, err := os.Stat(legacy); err == nil {
			return legacy
		}
	}
	return filepath.Join(firstOf(c.Getenv("XDG_CONFIG_HOME"), filepath.Join(home, ".config")), "argocd", "config")
}

// savedConfig reads the file; one that does not exist is empty.
func (c *cli) savedConfig() (*savedConfig, error) {
	s := &savedConfig{path: c.savedPath(), doc: map[string]any{}}
	if s.path == "" {
		return s, nil
	}
	f, err := os.Open(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, savedError(fmt.Errorf("read saved contexts: %w", err), "--config names another file")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, savedError(fmt.Errorf("read saved contexts: %s is no file", s.path), "--config names another one")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, savedError(fmt.Errorf("read saved contexts: %s holds tokens and others may read it (mode %04o)", s.path, info.Mode().Perm()),
			"chmod 600 "+s.path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSavedConfig+1))
	if err != nil {
		return nil, savedError(fmt.Errorf("read saved contexts: %w", err), "--config names another file")
	}
	if s.doc, err = parseSaved(data); err != nil {
		// The reason is not quoted: it could repeat a token.
		return nil, savedError(fmt.Errorf("read saved contexts: %s is not in the form of argocd", s.path), "move it away and log in again, or name another one with --config")
	}
	return s, nil
}

func savedError(err error, hint string) *Failure {
	return &Failure{Exit: ExitAPI, Code: "BadConfig", Err: err, Hint: hint}
}

// parseSaved reads the document, and refuses one whose known parts have other forms.
func parseSaved(data []byte) (map[string]any, error) {
	if len(data) > maxSavedConfig {
		return nil, errors.New("too large")
	}
	doc := map[string]any{}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if doc == nil {
		return map[string]any{}, nil
	}
	for _, list := range []string{"contexts", "servers", "users"} {
		entries, ok := doc[list].([]any)
		if !ok && doc[list] != nil {
			return nil, fmt.Errorf("%s is no list", list)
		}
		for _, e := range entries {
			if _, ok := e.(map[string]any); !ok {
				return nil, fmt.Errorf("%s holds something else than objects", list)
			}
		}
	}
	return doc, nil
}

// entry finds an object of a list by a field; nil when there is none.
func (s *savedConfig) entry(list, field, value string) map[string]any {
	entries, _ := s.doc[list].([]any)
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok && textIn(m, field) == value {
			return m
		}
	}
	return nil
}

// put sets fields of an object of a list, and adds it when it is not there.
func (s *savedConfig) put(list, field, value string, fields map[string]any) {
	m := s.entry(list, field, value)
	if m == nil {
		m = map[string]any{field: value}
		entries, _ := s.doc[list].([]any)
		s.doc[list] = append(entries, m)
	}
	for k, v := range fields {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
}

// drop removes an object of a list.
func (s *savedConfig) drop(list, field, value string) {
	entries, _ := s.doc[list].([]any)
	s.doc[list] = slices.DeleteFunc(entries, func(e any) bool {
		m, ok := e.(map[string]any)
		return ok && textIn(m, field) == value
	})
}

func textIn(m map[string]any, field string) string {
	text, _ := m[field].(string)
	return text
}

func (s *savedConfig) current() string { return textIn(s.doc, "current-context") }

// names are the contexts in the order of the file.
func (s *savedConfig) names() []string {
	entries, _ := s.doc["contexts"].([]any)
	var names []string
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok && textIn(m, "name") != "" {
			names = append(names, textIn(m, "name"))
		}
	}
	return names
}

// context returns a context, the current one without a name. errNoContext says that none is current.
func (s *savedConfig) context(name string) (savedContext, error) {
	asked := name != ""
	if name = firstOf(name, s.current()); name == "" {
		return savedContext{}, errNoContext
	}
	m := s.entry("contexts", "name", name)
	if m == nil {
		f := savedError(fmt.Errorf("there is no saved context '%s' in %s", name, s.path), "see belay context")
		if !asked {
			f.Hint = "belay context NAME chooses another one"
		}
		return savedContext{}, f
	}
	server := s.entry("servers", "server", textIn(m, "server"))
	if server == nil {
		return savedContext{}, savedError(fmt.Errorf("the saved context '%s' names a server that is not in %s", name, s.path), "log in again: belay login SERVER --name "+name)
	}
	out := savedContext{name: name, user: textIn(m, "user")}
	out.core, _ = server["core"].(bool)
	o := &out.opts
	o.Address, o.RootPath = textIn(server, "server"), textIn(server, "grpc-web-root-path")
	o.Plaintext, _ = server["plain-text"].(bool)
	o.Insecure, _ = server["insecure"].(bool)
	if user := s.entry("users", "name", out.user); user != nil {
		o.Token = textIn(user, "auth-token")
	}
	for field, into := range map[string]*[]byte{
		"certificate-authority-data": &o.CA, "client-certificate-data": &o.ClientCert, "client-certificate-key-data": &o.ClientKey,
	} {
		data, err := pemOf(textIn(server, field))
		if err != nil {
			return savedContext{}, savedError(fmt.Errorf("%s of server %s in %s is not base64", field, o.Address, s.path), "")
		}
		*into = data
	}
	return out, nil
}

// contextOf returns the context of a server: the named one if it is, the current one if it is, or the first; a zero one when
// nobody has logged in there. A token goes to the server that gave it, and to no other.
func (s *savedConfig) contextOf(server, name string) (savedContext, error) {
	candidates := append([]string{firstOf(name, s.current())}, s.names()...)
	for _, candidate := range candidates {
		if m := s.entry("contexts", "name", candidate); m != nil && sameServer(textIn(m, "server"), server) {
			return s.context(candidate)
		}
	}
	return savedContext{}, nil
}

func sameServer(a, b string) bool {
	var x, y ServerOptions
	return x.parseAddress(a) == nil && y.parseAddress(b) == nil && x.Address == y.Address && x.RootPath == y.RootPath
}

// save writes the file, readable for its owner alone. A reader sees the old or the new one, and nothing between.
func (s *savedConfig) save() (err error) {
	if s.path == "" {
		return savedError(errors.New("save context: there is no home directory"), "set HOME, or name a file with --config")
	}
	path := s.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link stays
	}
	data, err := yaml.Marshal(s.doc)
	if err != nil {
		return fmt.Errorf("encode saved contexts: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save context: %w", err)
	}
	f, err := os.CreateTemp(dir, ".config-*") // mode 0600
	if err != nil {
		return fmt.Errorf("save context: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it is of no use any more
		}
	}()
	_, err = f.Write(data)
	if err = firstError(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save context: %w", err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("save context: %w", err)
	}
	return nil
}
