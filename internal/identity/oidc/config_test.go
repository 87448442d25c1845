package oidc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/settings"
)

func secrets(secret, key string) (string, error) {
	if v, ok := map[string]string{"/oidc.clientSecret": "canary\n", "team/secret": "canary two", "/id": "belay"}[secret+"/"+key]; ok {
		return v, nil
	}
	return "", fault.New(fault.NotFound, "there is no such key")
}

func TestParse(t *testing.T) {
	config, ignored, err := Parse(`
name: Corp
issuer: https://login.example.com
clientID: $id
cliClientID: cli
clientSecret: $oidc.clientSecret
requestedScopes: [openid, groups]
requestedIDTokenClaims: {groups: {essential: true, values: [a]}}
logoutURL: https://login.example.com/out
enablePKCEAuthentication: true
allowedAudiences: [a, b]
skipAudienceCheckWhenTokenHasNoAudience: true
rootCA: PEM
enableUserInfoGroups: true
`, secrets)
	if err != nil {
		t.Fatal(err)
	}
	secret := config.ClientSecret.Reveal()
	config.ClientSecret = settings.Secret{}
	want := Config{Name: "Corp", Issuer: "https://login.example.com", ClientID: "belay", CLIClientID: "cli", RequestedScopes: []string{"openid", "groups"},
		RequestedIDTokenClaims: map[string]Claim{"groups": {Essential: true, Values: []string{"a"}}}, LogoutURL: "https://login.example.com/out",
		EnablePKCEAuthentication: true, AllowedAudiences: []string{"a", "b"}, SkipAudienceCheckWhenTokenHasNoAudience: true, RootCA: "PEM"}
	if d := cmp.Diff(want, config, cmp.AllowUnexported(settings.Secret{})); d != "" || secret != "canary" {
		t.Error(secret, d)
	}
	if d := cmp.Diff([]string{"enableUserInfoGroups"}, ignored); d != "" {
		t.Error(d)
	}
	config, _, err = Parse("issuer: https://x.example.com\nclientID: a\nclientSecret: $team:secret", secrets)
	if err != nil || config.ClientSecret.Reveal() != "canary two" || len(config.RequestedScopes) != 4 {
		t.Error(config, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, "canary") {
		t.Error("printing shows the secret")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"issuer: [": "no YAML", "clientSecret: canary: x": "no YAML", "[]": "no YAML",
		"issuer: https://x.example.com\nclientID: a":                                            "clientSecret is missing",
		"issuer: https://x.example.com\nclientSecret: canary":                                   "clientID is missing",
		"issuer: x\nclientID: a\nclientSecret: canary":                                          "issuer must be an address",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: $nothing":                    "look up key nothing of Secret argocd-secret",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: $team:no":                    "look up key no of Secret team",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: $":                           "a reference is",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: $:x":                         "a reference is",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: [canary]":                    "wrong type",
		"issuer: https://x.example.com\nclientID: a\nclientSecret: canary\nrequestedScopes: no": "wrong type",
	} {
		_, _, err := Parse(text, secrets)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := func() Options {
		return Options{Config: Config{Issuer: "https://x.example.com", ClientID: "a", EnablePKCEAuthentication: true}, URL: serverURL, Client: &http.Client{}, Key: make([]byte, 32)}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no url": func(o *Options) { o.URL = "" }, "no address": func(o *Options) { o.URL = "belay" }, "no key": func(o *Options) { o.Key = nil },
		"no client": func(o *Options) { o.Client = nil }, "no certificate": func(o *Options) { o.Config.RootCA = "x" }, "no issuer": func(o *Options) { o.Config.Issuer = "" },
	} {
		o := good()
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzParse: any text is read or refused, and no error quotes what was looked up.
func FuzzParse(f *testing.F) {
	f.Add("issuer: https://x.example.com\nclientID: $id\nclientSecret: $oidc.clientSecret")
	f.Add("a: [$team:secret, {b: $id}]")
	f.Add("issuer: $oidc.clientSecret")
	f.Fuzz(func(t *testing.T, text string) {
		config, _, err := Parse(text, secrets)
		if err != nil && !strings.Contains(text, "canary") && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error quotes a secret: %v", err)
		}
		if err == nil && (config.Issuer == "" || config.ClientID == "") {
			t.Errorf("%+v is usable", config)
		}
	})
}

// FuzzFinish: whatever a browser brings, nobody is signed in by it.
func FuzzFinish(f *testing.F) {
	p, err := New(Options{Config: Config{Issuer: "https://x.example.com", ClientID: "a", EnablePKCEAuthentication: true}, URL: serverURL, Client: &http.Client{}, Key: make([]byte, 32)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", "")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "state")
	f.Fuzz(func(t *testing.T, cookie, state string) {
		if _, err := p.open(cookie); err == nil {
			t.Errorf("%q opens", cookie)
		}
		p.ours(state)
	})
}

// FuzzGroups: a provider may put anything into claims; groups are the texts that stand there, and an address that it has not verified
// is none.
func FuzzGroups(f *testing.F) {
	f.Add(`{"groups":["a","b"],"email":"a@example.com","email_verified":false}`)
	f.Add(`{"groups":"a","email":["x"],"roles":{"a":1}}`)
	f.Add(`{"groups":[1,null,["a"],{"b":"c"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var claims map[string]any
		if json.Unmarshal([]byte(text), &claims) != nil {
			return
		}
		found := groups(claims, []string{"groups", "email", "absent"})
		if verified, ok := claims["email_verified"].(bool); ok && !verified {
			delete(claims, "email")
		}
		quoted, err := json.Marshal([]any{claims["groups"], claims["email"]})
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range found {
			word, err := json.Marshal(group)
			if err != nil || !strings.Contains(string(quoted), string(word)) {
				t.Errorf("%q is a group of %s", group, text)
			}
		}
	})
}
