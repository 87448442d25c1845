package identity

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

func TestLogInAndVerify(t *testing.T) {
	w := newWorld(t)
	token, ends, err := w.LogIn(t.Context(), "ci", goodPassword, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if IssuerOf(token) != Issuer {
		t.Errorf("issuer is %q", IssuerOf(token))
	}
	s, err := w.replica(t).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := Session{Subject: "ci", Capability: Login, ID: s.ID, IssuedAt: w.clock.now().Truncate(time.Second), Ends: ends}
	if s.ID == "" || !s.IssuedAt.Equal(want.IssuedAt) || !s.Ends.Equal(ends) || s.Subject != "ci" || s.Capability != Login || ends.Sub(s.IssuedAt) != 24*time.Hour {
		t.Errorf("session is %+v, want %+v", s, want)
	}
	// The claims are those that Argo CD issues and reads.
	var claims map[string]any
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(parsed.Claims)
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{"iss", "sub", "exp", "iat", "nbf", "jti"} {
		if claims[c] == nil {
			t.Errorf("there is no claim %s in %s", c, text)
		}
	}
	if claims["sub"] != "ci:login" || parsed.Header["alg"] != "HS256" {
		t.Errorf("claims %s, header %v", text, parsed.Header)
	}

	if renewed, _, err := w.Renew(t.Context(), s); renewed != "" || err != nil {
		t.Error("a fresh session is renewed")
	}
	w.clock.move(24*time.Hour - 2*time.Minute)
	renewed, _, err := w.Renew(t.Context(), s)
	if err != nil || renewed == "" {
		t.Fatal("a session that ends is not renewed", err)
	}
	w.clock.move(3 * time.Minute)
	_, err = w.Verify(t.Context(), token)
	refused(t, err, "expired")
	if _, err := w.Verify(t.Context(), renewed); err != nil {
		t.Error(err)
	}
}

func TestSessionDuration(t *testing.T) {
	w := newWorld(t)
	w.store.config["users.session.duration"] = "1h"
	if _, ends, _ := w.LogIn(t.Context(), "ci", goodPassword, ""); ends.Sub(w.clock.now().Truncate(time.Second)) != time.Hour {
		t.Errorf("ends %s", ends)
	}
}

// TestNoEnumeration: whoever does not know a password learns nothing about names.
func TestNoEnumeration(t *testing.T) {
	w := newWorld(t)
	w.store.config["accounts.off"], w.store.config["accounts.off.enabled"] = "login", "false"
	var texts []string
	for _, name := range []string{"ci", "off", "bot", "nobody", "", strings.Repeat("x", 200), "nobody\x00", "admin "} {
		for _, password := range []string{"wrong password", ""} {
			_, _, err := w.LogIn(t.Context(), name, password, "")
			refused(t, err, "invalid username or password")
			texts = append(texts, err.Error())
		}
	}
	slices.Sort(texts)
	if texts = slices.Compact(texts); len(texts) != 1 {
		t.Errorf("texts differ: %q", texts)
	}
}

// TestUnknownAccountsCostTheSame: the hash that stands in for a missing one has the cost of the others, and is no one's password.
func TestUnknownAccountsCostTheSame(t *testing.T) {
	w := newWorld(t)
	real, err := bcrypt.Cost(w.store.secrets[SecretName].Data["accounts.ci.password"])
	if err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost(w.stranger); err != nil || cost != real {
		t.Errorf("cost %d, %v; want %d", cost, err, real)
	}
	_, _, err = w.LogIn(t.Context(), "bot", "nobody has this password", "")
	refused(t, err, "invalid username or password")
}

func TestDisabledIsSaidToTheOwnerOnly(t *testing.T) {
	w := newWorld(t)
	w.store.config["accounts.ci.enabled"] = "false"
	_, _, err := w.LogIn(t.Context(), "ci", goodPassword, "")
	refused(t, err, "account ci is disabled")
	delete(w.store.config, "accounts.ci.enabled")
	w.store.config["accounts.ci"] = "apiKey"
	_, _, err = w.LogIn(t.Context(), "ci", goodPassword, "")
	refused(t, err, "capability login")
}
