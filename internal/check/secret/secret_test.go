package secret

import (
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
)

func TestArchives(t *testing.T) { checktest.Run(t, "testdata/*.txtar", New()) }

// run returns n characters of a text that has the entropy of a credential. Whole ones stand nowhere here: programs like this
// one would find them.
func run(letters string, n int) string {
	var b strings.Builder
	state := uint32(20)
	for range n {
		state = state*1664525 + 1013904223
		b.WriteByte(letters[int(state>>16)%len(letters)])
	}
	return b.String()
}

func samples() map[string]string {
	const alnum = "q8Zr2Lw0Vb7Tn4Xc1Ky9Hd3Sf6Gj5Mp"
	const upper = "Q8ZR2LW0VB7TN4XC1KY9"
	const hex = "0f3a9c8b17e2d645"
	return map[string]string{
		"aws-access-key":     "AKI" + "A" + run(upper, 16),
		"gcp-api-key":        "AIz" + "a" + run(alnum, 35),
		"gcp-oauth-secret":   "GOCSP" + "X-" + run(alnum, 28),
		"azure-storage-key":  "AccountKe" + "y=" + run(alnum, 86) + "==",
		"github-token":       "gh" + "p_" + run(alnum, 36),
		"gitlab-token":       "glpa" + "t-" + run(alnum, 20),
		"slack-token":        "xox" + "b-" + run(alnum, 40),
		"slack-webhook":      "https://hooks.slack.com/" + "services/T" + run(alnum, 44),
		"stripe-key":         "sk_liv" + "e_" + run(alnum, 24),
		"llm-api-key":        "sk-pro" + "j-" + run(alnum, 48),
		"huggingface-token":  "h" + "f_" + run("qZrLwVbTnXcKyHdSfGjMp", 34),
		"npm-token":          "np" + "m_" + run(alnum, 36),
		"pypi-token":         "pypi-A" + "gE" + run(alnum, 60),
		"docker-token":       "dckr_pa" + "t_" + run(alnum, 27),
		"sendgrid-key":       "S" + "G." + run(alnum, 22) + "." + run(alnum, 43),
		"vault-token":        "hv" + "s." + run(alnum, 30),
		"digitalocean-token": "dop_v" + "1_" + run(hex, 64),
		"age-key":            "AGE-SECRET-KEY" + "-1" + run(upper, 58),
		"private-key":        "-----BEGIN RSA PRIVATE" + " KEY-----\n" + run(alnum, 64) + "\n" + run(alnum, 64) + "\n-----END RSA PRIVATE KEY-----\n",
		"jwt":                "ey" + "J" + run(alnum, 20) + ".ey" + "J" + run(alnum, 30) + "." + run(alnum, 40),
		"url-password":       "amqp://shop:" + run(alnum, 12) + "@mq.example.com:5672/",
		"assigned":           "client_secret: " + run(alnum, 24),
	}
}

// TestScanFinds: every form as it stands, quoted, in base64, in base64 of base64, and not in a deeper one.
func TestScanFinds(t *testing.T) {
	s := newScanner()
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for id, text := range samples() {
		for how, in := range map[string]string{"Plain": text, "Quoted": `x: "` + text + `"`, "Lines": "a\nb: " + text + "\nc", "Base64": "x: " + b64(text), "Twice": "x: " + b64("y: "+b64(text))} {
			if how == "Quoted" && id == "assigned" {
				continue
			}
			found := s.scan(in)
			if len(found) != 1 || found[0].pattern != id {
				t.Errorf("%s %s: %d found", id, how, len(found))
				continue
			}
			if strings.Contains(found[0].describe(), found[0].secret) || len(found[0].shown) > 26 {
				t.Errorf("%s %s shows the value", id, how)
			}
		}
		if found := s.scan("x: " + b64("x: "+b64("y: "+b64(text)))); len(found) > 0 {
			t.Errorf("%s is found deeper than that is wanted", id)
		}
	}
}

// TestScanPasses: what looks like a credential and is none.
func TestScanPasses(t *testing.T) {
	s := newScanner()
	for _, text := range []string{
		"AKIAIOSFODNN7EXAMPLE", "ghp_" + strings.Repeat("x", 36), "https://user:password@example.com", "https://${USER}:${PASSWORD}@example.com",
		"postgres://postgres:postgres@localhost/db", "image: nginx@sha256:0f3a9c8b17e2d6450f3a9c8b17e2d6450f3a9c8b17e2d6450f3a9c8b17e2d645",
		"secretKey: database-password-2", "tokenSecret: my-app-token-secret-v2", "api_key = os.environ['API_KEY_2_FOR_SHOP']", "password: {{ .Values.adminPassword9 }}",
		"private_key: ${file(\"~/.ssh/id_rsa\")}", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "kubectl create secret generic a --from-literal=token=TOKEN",
		"credential: 550e8400-e29b-41d4-a716-446655440000", "secret: projects/12345/secrets/db-pass-2/versions/3", "time: 12:30:45@example", "see https://example.com/a:b@c",
		"checksum/secret: 0f3a9c8b17e2d6450f3a9c8b17e2d6450f3a9c8b17e2d6450f3a9c8b17e2d645x"[:20], "eyJhbGciOiJIUzI1NiJ9 is only a header", "key: grafana.ini", "pass_through: abc123def456ghi789jkl",
	} {
		if found := s.scan(text); len(found) > 0 {
			t.Errorf("%s: found as %s", text, found[0].pattern)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range samples() {
		f.Add(text)
	}
	f.Add("://:@")
	f.Add("password=")
	f.Add("-----BEGIN PRIVATE KEY-----")
	s := newScanner()
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, m := range s.scan(text) {
			if m.start < end || m.end > len(text) || m.start >= m.end {
				t.Fatalf("%d..%d of %d after %d", m.start, m.end, len(text), end)
			}
			if m.secret != "" && len(m.secret) > len(m.shown)+3 && strings.Contains(m.describe(), m.secret) && !strings.Contains(m.name, m.secret) && !strings.Contains(m.key, m.secret) {
				t.Fatalf("%q shows %q", m.describe(), m.secret)
			}
			end = m.end
		}
	})
}

// TestNewIsNotOld: a credential that takes the place of an old one, or stands before it, has a fingerprint that the base revision
// does not have: it would be left out as known.
func TestNewIsNotOld(t *testing.T) {
	const old, fresh = "psql postgres://a:open-sesame-9@db.example.com/a\n", "psql postgres://a:open-sesame-8@db.example.com/a\n"
	for name, text := range map[string]string{"Before": fresh + old, "Instead": fresh, "After": old + fresh} {
		c, err := checktest.Parse(txtar.Parse([]byte("-- base/a.sh --\n" + old + "-- a.sh --\n" + text + "-- want --\n")))
		if err != nil {
			t.Fatal(err)
		}
		repo, err := c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before, err := check.Judge(t.Context(), repo.Base, nil, New())
		if err != nil {
			t.Fatal(err)
		}
		after, err := check.Judge(t.Context(), repo, nil, New())
		if err != nil {
			t.Fatal(err)
		}
		if len(before.Results) != 1 || len(after.Results) != 1 || before.Results[0].Fingerprint == after.Results[0].Fingerprint {
			t.Errorf("%s: %+v\n%+v", name, before.Results, after.Results)
		}
	}
}
