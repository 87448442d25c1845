package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

func TestAccountTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	token, id, err := w.CreateToken(ctx, "bot", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Verify(ctx, token)
	if err != nil || s.Subject != "bot" || s.Capability != APIKey || s.ID != id {
		t.Fatal(s, err)
	}
	if _, _, err := w.CreateToken(ctx, "bot", id, 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("the same id twice: %v", err)
	}
	if _, _, err := w.CreateToken(ctx, Admin, "", 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("admin has no apiKey: %v", err)
	}
	if err := w.DeleteToken(ctx, "bot", id); err != nil {
		t.Fatal(err)
	}
	_, err = w.Verify(ctx, token)
	refused(t, err, "was deleted")
	if err := w.DeleteToken(ctx, "bot", id); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	// A session of the account cannot pass for one of its tokens.
	if _, ok := w.store.secrets[SecretName].Data["accounts.bot.tokens"]; ok {
		t.Error("an empty list is kept")
	}
	forever, _, err := w.CreateToken(ctx, "bot", "forever", 0)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.move(10 * 365 * 24 * time.Hour)
	if _, err := w.Verify(ctx, forever); err != nil {
		t.Error(err)
	}
	w.store.config["accounts.bot.enabled"] = "false"
	_, err = w.Verify(ctx, forever)
	refused(t, err, "disabled")
	delete(w.store.config, "accounts.bot")
	_, err = w.Verify(ctx, forever)
	refused(t, err, "does not exist any more")
}

func TestRoleTokens(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.store.before["shop"] = func() {
		if _, _, err := w.replica(t).CreateRoleToken(ctx, "shop", "deployer", "first", 0); err != nil {
			t.Error(err)
		}
	}
	token, id, err := w.CreateRoleToken(ctx, "shop", "deployer", "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if p := w.store.projects["shop"]; len(p.Spec.Roles[0].JWTTokens) != 2 || len(p.Status.JWTTokensByRole["deployer"].Items) != 2 {
		t.Errorf("tokens are %v and %v", p.Spec.Roles[0].JWTTokens, p.Status.JWTTokensByRole)
	}
	s, err := w.Verify(ctx, token)
	if err != nil || s.Subject != "proj:shop:deployer" || s.Project != "shop" || s.Role != "deployer" || s.Capability != "" {
		t.Fatal(s, err)
	}
	// Listed in status alone is enough.
	w.store.projects["shop"].Spec.Roles[0].JWTTokens = nil
	if _, err := w.Verify(ctx, token); err != nil {
		t.Error(err)
	}
	if err := w.DeleteRoleToken(ctx, "shop", "deployer", id, 0); err != nil {
		t.Fatal(err)
	}
	// The other token was issued in the same second, and has another id.
	_, err = w.Verify(ctx, token)
	refused(t, err, "deleted from role deployer of project shop")
	if err := w.DeleteRoleToken(ctx, "shop", "deployer", id, 0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := w.DeleteRoleToken(ctx, "shop", "deployer", "", w.clock.now().Unix()); err != nil {
		t.Error(err)
	}
	if _, _, err := w.CreateRoleToken(ctx, "shop", "nobody", "", 0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if _, _, err := w.CreateRoleToken(ctx, "till", "x", "", 0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	// A token from the time when there were no ids is known by its second.
	old, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": Issuer, "sub": "proj:shop:deployer", "iat": 1700000000}).SignedString(w.store.secrets[SecretName].Data[keySignature])
	_, err = w.Verify(ctx, old)
	refused(t, err, "deleted")
	w.store.projects["shop"].Spec.Roles[0].JWTTokens = []v1alpha1.JWTToken{{IssuedAt: 1700000000}}
	if _, err := w.Verify(ctx, old); err != nil {
		t.Error(err)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	token, other := w.logIn(t, "ci"), w.logIn(t, "ci")
	s, err := w.Verify(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Revoke(ctx, s.ID, s.Ends); err != nil {
		t.Fatal(err)
	}
	_, err = w.replica(t).Verify(ctx, token)
	refused(t, err, "was ended")
	if _, err := w.Verify(ctx, other); err != nil {
		t.Error(err)
	}
	// What cannot be looked up is not let in.
	w.store.fail = fault.New(fault.Transient, "timeout")
	if _, err := w.Verify(ctx, other); err == nil || fault.Is(err, fault.Denied) {
		t.Errorf("the list of ended sessions cannot be read, and the answer is %v", err)
	}
	w.store.fail = nil
	w.clock.move(25 * time.Hour)
	if err := w.Revoke(ctx, "idp/id with signs ä", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n := len(w.store.secrets[RevokedSecretName].Data); n != 1 {
		t.Errorf("%d sessions are remembered", n)
	}
	if revoked, err := w.Revoked(ctx, "idp/id with signs ä"); !revoked || err != nil {
		t.Error(revoked, err)
	}
	if err := w.Revoke(ctx, "", time.Time{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	for key := range w.store.secrets[RevokedSecretName].Data {
		if strings.Trim(key, "0123456789abcdef") != "" {
			t.Errorf("key %q", key)
		}
	}
}

// TestForgedTokens: none of these is let in.
func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	key := w.store.secrets[SecretName].Data[keySignature]
	now := w.clock.now().Unix()
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"iss": Issuer, "sub": "ci:login", "jti": "x", "iat": now, "exp": now + 3600}
		change(c)
		return c
	}
	set := func(name string, value any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = value } }
	none := func(jwt.MapClaims) {}
	for _, tc := range []struct {
		name   string
		method jwt.SigningMethod
		key    any
		claims jwt.MapClaims
		ok     bool
	}{
		{"as issued", jwt.SigningMethodHS256, key, claims(none), true},
		{"another key", jwt.SigningMethodHS256, []byte("another key of some length......"), claims(none), false},
		{"no algorithm", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(none), false},
		{"another algorithm", jwt.SigningMethodHS512, key, claims(none), false},
		{"another issuer", jwt.SigningMethodHS256, key, claims(set("iss", "https://idp")), false},
		{"no issuer", jwt.SigningMethodHS256, key, claims(func(c jwt.MapClaims) { delete(c, "iss") }), false},
		{"expired", jwt.SigningMethodHS256, key, claims(set("exp", now-60)), false},
		{"not yet", jwt.SigningMethodHS256, key, claims(set("nbf", now+60)), false},
		{"no time", jwt.SigningMethodHS256, key, claims(func(c jwt.MapClaims) { delete(c, "iat") }), false},
		{"no id", jwt.SigningMethodHS256, key, claims(func(c jwt.MapClaims) { delete(c, "jti") }), false},
		{"from before the password", jwt.SigningMethodHS256, key, claims(set("iat", now-3600)), false},
		{"nobody", jwt.SigningMethodHS256, key, claims(set("sub", "nobody:login")), false},
		{"no subject", jwt.SigningMethodHS256, key, claims(set("sub", "")), false},
		{"an unknown use", jwt.SigningMethodHS256, key, claims(set("sub", "ci:sudo")), false},
		{"a capability that the account has not", jwt.SigningMethodHS256, key, claims(set("sub", "bot:login")), false},
		{"a token that is not listed", jwt.SigningMethodHS256, key, claims(set("sub", "ci:apiKey")), false},
		{"a token without a use is not listed", jwt.SigningMethodHS256, key, claims(set("sub", "ci")), false},
		{"a role that is not there", jwt.SigningMethodHS256, key, claims(set("sub", "proj:shop:x")), false},
		{"a project that is not there", jwt.SigningMethodHS256, key, claims(set("sub", "proj:till:x")), false},
		{"a role's token that is not listed", jwt.SigningMethodHS256, key, claims(set("sub", "proj:shop:deployer")), false},
	} {
		token, err := jwt.NewWithClaims(tc.method, tc.claims).SignedString(tc.key)
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.Verify(t.Context(), token)
		if (err == nil) != tc.ok || err != nil && (!fault.Is(err, fault.Denied) || s != Session{}) {
			t.Errorf("%s: %v, %v", tc.name, s, err)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error quotes the token", tc.name)
		}
	}
	delete(w.store.secrets[SecretName].Data, keySignature)
	if _, err := w.Verify(t.Context(), "x.y.z"); err == nil || fault.Is(err, fault.Denied) {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcmdvY2QiLCJzdWIiOiJhZG1pbjpsb2dpbiIsImlhdCI6MX0.")
	f.Add("proj:a:b")
	w := world{store: newMemory(), clock: &clock{at: time.Unix(1_800_000_000, 0)}}
	f.Fuzz(func(t *testing.T, text string) {
		w.Authority = w.replica(t)
		if _, err := w.Bootstrap(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Verify(t.Context(), text); err == nil {
			t.Errorf("%q is let in", text)
		}
		IssuerOf(text)
		var s Session
		if err := s.name(text); err == nil && s.Subject == "" {
			t.Errorf("%q names nobody", text)
		}
		ReadAccounts(map[string]string{"accounts." + text: text, "admin.enabled": text}, map[string][]byte{"admin.tokens": []byte(text), "admin.passwordMtime": []byte(text)})
	})
}
