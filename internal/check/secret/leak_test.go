package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/check/locate"
	"github.com/belaycd/belay/internal/report"
)

// TestNothingShowsAValue plants one value wherever a rule looks, and looks for it in every output: as it stands, in base64, as JSON
// and as URLs escape it.
func TestNothingShowsAValue(t *testing.T) {
	planted := `Pl4nt"ed/v4lue+Zx9Kq&7Lm` + "'"
	b64, jsonText := base64.StdEncoding.EncodeToString([]byte(planted)), quoted(t, planted)
	simple := "Pl4ntedv4lueZx9Kq7Lm" // for places that quote no characters
	token := "gh" + "p_" + run("q8Zr2Lw0Vb7Tn4Xc1Ky9Hd3Sf6Gj5Mp", 36)
	archive := `-- secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {"password": ` + jsonText + `, "url": "amqp://a:` + simple + `@mq.example.com", "app.ini": "a = 1\npassword = ` + simple + `\n"}
data: {encoded: ` + b64 + `}
-- pod.yaml --
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: app
    image: registry.example.com/app:1
    args: ["--password", ` + jsonText + `, "--db-password=` + simple + `", ` + token + `]
    env:
    - {name: DB_PASSWORD, value: ` + jsonText + `}
    - {name: URL, value: "amqp://a:` + url.QueryEscape(planted) + `@mq.example.com"}
    - {name: ENCODED, value: ` + base64.StdEncoding.EncodeToString([]byte("x: "+token)) + `}
-- cm.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  db.password: ` + jsonText + `
  ` + token + `: ` + token + `
  app.yaml: |
    url: amqp://a:` + simple + `@mq.example.com
-- gen/kustomization.yaml --
secretGenerator:
- name: g
  literals:
  - password=` + simple + `
-- notes.md --
token: ` + token + `
` + base64.StdEncoding.EncodeToString([]byte("token = "+token)) + `
amqp://a:` + url.QueryEscape(planted) + `@mq.example.com/` + simple + `
API_KEY=` + simple + `
-- want --
`
	c, err := checktest.Parse(txtar.Parse([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := check.Judge(t.Context(), repo, locate.New(repo.Files), New())
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]int{}
	for _, x := range r.Results {
		rules[x.Rule.ID]++
	}
	for id, least := range map[string]int{plaintext: 5, inEnv: 5, inConfigMap: 3, byPattern: 4} {
		if rules[id] < least {
			t.Errorf("%d findings of %s, want at least %d: the test looks at too little", rules[id], id, least)
		}
	}
	forbidden := map[string]string{}
	for name, value := range map[string]string{"the planted value": planted, "the simple value": simple, "the token": token} {
		forbidden[name] = value
		forbidden[name+" in base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(value)), "=")
		forbidden[name+" in JSON"] = strings.Trim(quoted(t, value), `"`)
		forbidden[name+" in a URL"] = url.QueryEscape(value)
		forbidden[name+" in a path"] = url.PathEscape(value)
	}
	for _, format := range report.Formats() {
		var out bytes.Buffer
		if err := report.Write(&out, format, r, report.Options{Files: repo.Files, FailOn: check.Note}); err != nil {
			t.Fatal(err)
		}
		if out.Len() < 200 {
			t.Errorf("%s is nearly empty", format)
		}
		for name, value := range forbidden {
			if at := strings.Index(out.String(), value); at >= 0 {
				line := out.String()[strings.LastIndex(out.String()[:at], "\n")+1:]
				line, _, _ = strings.Cut(line, "\n")
				t.Errorf("%s shows %s: %s", format, name, line)
			}
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
