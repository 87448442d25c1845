package git

import (
	"testing"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// fixed is a CredentialStore with the same answer for every repository.
type fixed Credentials

func (f fixed) Credentials(string, string) (Credentials, error) { return Credentials(f), nil }

func TestConformance(t *testing.T) {
	servers := map[string]func(t *testing.T, dir string) (url string, c Credentials){
		"file": func(_ *testing.T, dir string) (string, Credentials) { return "file://" + dir, Credentials{} },
		"http": func(t *testing.T, dir string) (string, Credentials) {
			return sourcetest.HTTP(t, gitserver.Config{Dir: dir}), Credentials{}
		},
		"http with password": func(t *testing.T, dir string) (string, Credentials) {
			return sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "s3cret: ü"}),
				Credentials{Username: "ann", Password: "s3cret: ü"}
		},
		"http, shallow": func(t *testing.T, dir string) (string, Credentials) {
			return sourcetest.HTTP(t, gitserver.Config{Dir: dir}), Credentials{Depth: 1}
		},
		"https": func(t *testing.T, dir string) (string, Credentials) {
			url, ca := sourcetest.HTTPS(t, gitserver.Config{Dir: dir})
			return url, Credentials{CA: ca}
		},
		"ssh": func(t *testing.T, dir string) (string, Credentials) {
			s := sourcetest.SSH(t, dir)
			return s.URL, Credentials{SSHPrivateKey: s.PrivateKey, KnownHosts: s.KnownHosts}
		},
	}
	for name, serve := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			suite := sourcetest.RunTransport
			if name == "http" || name == "http, shallow" {
				suite = sourcetest.Run
			}
			suite(t, func(t *testing.T) sourcetest.Fixture {
				dir := t.TempDir()
				repo := sourcetest.NewRepo(t, dir, "team/app")
				url, creds := serve(t, dir)
				s := newSource(t, func(c *Config) { c.Credentials = fixed(creds) })
				return sourcetest.Fixture{Source: s, Repo: repo, URL: url + "/team/app.git", MissingURL: url + "/team/none.git"}
			})
		})
	}
}
