package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

func contains(s, sub string) bool { return strings.Contains(s, sub) }

func TestReadAccounts(t *testing.T) {
	accounts, problems := ReadAccounts(map[string]string{
		"admin.enabled": "false", "accounts.ci": "apiKey, login,apiKey", "accounts.old": "login", "accounts.old.enabled": "false",
		"accounts.typo": "login", "accounts.typo.enabled": "maybe", "accounts.odd": "sudo, apiKey", "accounts.ghost.enabled": "true",
		"accounts.a.b.c": "login", "accounts.": "login", "accounts.dated": "login", "accounts.listed": "apiKey", "url": "https://x",
	}, map[string][]byte{
		"accounts.ci.password": []byte("hash"), "accounts.ci.passwordMtime": []byte("2026-11-26T12:00:00Z"), "accounts.ci.tokens": []byte(`[{"id":"a","iat":1,"exp":2}]`),
		"accounts.dated.passwordMtime": []byte("yesterday"), "accounts.listed.tokens": []byte(`{`), "accounts.ghost.password": []byte("hash"),
	})
	var got []string
	for _, name := range []string{"admin", "ci", "old", "typo", "odd", "dated", "listed", "ghost", "a"} {
		a, ok := accounts[name]
		got = append(got, fmt.Sprint(name, " ", ok, " ", a.Enabled, " ", a.Capabilities, " ", a.Tokens, " ", a.HasPassword()))
	}
	want := []string{
		"admin true false [login] [] false", "ci true true [apiKey login] [{a 1 2}] true", "old true false [login] [] false", "typo true false [login] [] false",
		"odd true true [apiKey] [] false", "dated true false [login] [] false", "listed true false [apiKey] [] false", "ghost false false [] [] false", "a false false [] [] false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if len(problems) != 4 {
		t.Errorf("problems are %v", problems)
	}
}

func TestBootstrapOnce(t *testing.T) {
	w := newWorld(t)
	before, writes := w.store.secrets[SecretName], w.store.writes
	if made, err := w.replica(t).Bootstrap(t.Context()); made || err != nil {
		t.Fatalf("a second start makes a password: %t, %v", made, err)
	}
	if w.store.writes != writes || w.store.secrets[SecretName].Version != before.Version {
		t.Error("a second start writes")
	}
	if len(before.Data[keySignature]) != 44 || before.Labels["app.kubernetes.io/part-of"] != "argocd" {
		t.Errorf("the Secret has %d bytes of key, labels %v", len(before.Data[keySignature]), before.Labels)
	}
}

// TestBootstrapTogether: replicas that start at once agree on one key and one password, which is the one that is shown.
func TestBootstrapTogether(t *testing.T) {
	for range 6 {
		w := world{store: newMemory(), clock: &clock{at: time.Unix(1_800_000_000, 0)}}
		var all sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 6 {
			a := w.replica(t)
			all.Go(func() {
				ok, err := a.Bootstrap(t.Context())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if ok {
					made++
				}
			})
		}
		all.Wait()
		shown := w.store.secrets[InitialSecretName].Data["password"]
		if made != 1 || len(shown) != passwordLength {
			t.Fatalf("%d replicas made a password, %d letters are shown", made, len(shown))
		}
		w.clock.move(time.Minute)
		if _, _, err := w.replica(t).LogIn(t.Context(), Admin, string(shown), ""); err != nil {
			t.Fatalf("the password that is shown does not work: %v", err)
		}
	}
}

// TestBootstrapContinues: a start that ended between its two writes is continued, and a password from before is not used again.
func TestBootstrapContinues(t *testing.T) {
	w := newWorld(t)
	w.store.before[SecretName] = func() { panic("killed") }
	secret := w.store.secrets[SecretName]
	delete(secret.Data, "admin.password")
	delete(secret.Data, "admin.passwordMtime")
	stale := string(w.store.secrets[InitialSecretName].Data["password"])
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it was not killed")
			}
		}()
		_, _ = w.Bootstrap(t.Context())
	}()
	shown := string(w.store.secrets[InitialSecretName].Data["password"])
	if shown == stale {
		t.Error("the password of an earlier start is used again")
	}
	if made, err := w.replica(t).Bootstrap(t.Context()); err != nil || !made {
		t.Fatal(made, err)
	}
	if again := string(w.store.secrets[InitialSecretName].Data["password"]); again != shown {
		t.Error("a continued start shows another password")
	}
	w.clock.move(time.Minute)
	if _, _, err := w.LogIn(t.Context(), Admin, shown, ""); err != nil {
		t.Error(err)
	}
}

func TestBootstrapWithoutAdmin(t *testing.T) {
	w := world{store: newMemory(), clock: &clock{at: time.Unix(1_800_000_000, 0)}}
	w.store.config["admin.enabled"] = "false"
	if made, err := w.replica(t).Bootstrap(t.Context()); made || err != nil {
		t.Fatal(made, err)
	}
	if _, ok := w.store.secrets[InitialSecretName]; ok || len(w.store.secrets[SecretName].Data) != 1 {
		t.Error("a password was made for an account that is disabled")
	}
}

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

func TestRateLimit(t *testing.T) {
	for _, name := range []string{"ci", "nobody"} {
		w := newWorld(t)
		for range 5 {
			_, _, err := w.LogIn(t.Context(), name, "wrong password", "192.0.2.1")
			refused(t, err, "invalid username or password")
		}
		_, _, err := w.LogIn(t.Context(), name, goodPassword, "192.0.2.2")
		refused(t, err, "too many failed logins: try again in 5m0s")
		if _, _, err := w.LogIn(t.Context(), Admin, goodPassword, "192.0.2.1"); err != nil {
			t.Errorf("another account is closed as well: %v", err)
		}
		w.clock.move(5*time.Minute + time.Second)
		if _, _, err := w.LogIn(t.Context(), name, goodPassword, "192.0.2.2"); (err == nil) != (name == "ci") || err != nil && contains(err.Error(), "too many") {
			t.Errorf("%s after the window: %v", name, err)
		}
	}
}

// TestGuessesAtOnce: guesses that are made at the same time count as they begin.
func TestGuessesAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	tried := 0
	for range 50 {
		all.Go(func() {
			_, _, err := w.LogIn(t.Context(), "ci", "wrong password", "")
			mu.Lock()
			defer mu.Unlock()
			if err != nil && !contains(err.Error(), "too many") {
				tried++
			}
		})
	}
	all.Wait()
	if tried != 5 {
		t.Errorf("%d guesses were tried", tried)
	}
}

func TestAddressLimit(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		_, _, err := w.LogIn(t.Context(), fmt.Sprint("guess-", i), "wrong password", "[2001:db8::1]:1234")
		refused(t, err, "invalid username or password")
	}
	_, _, err := w.LogIn(t.Context(), "ci", goodPassword, "2001:db8::ffff:2")
	refused(t, err, "too many failed logins")
	if _, _, err := w.LogIn(t.Context(), "ci", goodPassword, "2001:db8:0:1::1"); err != nil {
		t.Error(err)
	}
}

// TestSuccessDoesNotClearAnAddress: an account of one's own must not buy free guesses at others.
func TestSuccessDoesNotClearAnAddress(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		_, _, _ = w.LogIn(t.Context(), fmt.Sprint("guess-", i), "wrong password", "192.0.2.1")
		if i < 24 {
			if _, _, err := w.LogIn(t.Context(), "ci", goodPassword, "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _, err := w.LogIn(t.Context(), "ci", goodPassword, "192.0.2.1")
	refused(t, err, "too many")
}

// TestLimiterIsBounded: a flood of names neither fills the memory nor opens an account that is closed.
func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(Limits{Entries: 100})
	now := time.Unix(0, 0)
	for range 5 {
		l.begin("ci", "192.0.2.1", true, now)
	}
	for i := range 5000 {
		l.begin(fmt.Sprint("x", i), fmt.Sprintf("198.51.%d.%d", i/250, i%250), false, now)
	}
	if n, m := len(l.strangers.byKey), len(l.addresses.byKey); n > 100 || m > 100 || l.strangers.order.Len() != n {
		t.Errorf("%d names and %d addresses are held", n, m)
	}
	if _, wait := l.begin("ci", "203.0.113.1", true, now); wait == 0 {
		t.Error("a flood opened the account")
	}
	later := now.Add(time.Hour)
	l.begin("y", "203.0.113.9", false, later)
	if n := len(l.strangers.byKey); n != 1 {
		t.Errorf("%d names are held after their time", n)
	}
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	old := w.logIn(t, "ci")
	key, _, err := w.CreateToken(t.Context(), "ci", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	w.store.before[SecretName] = func() { // a replica gives a token at the same moment
		if _, _, err := w.replica(t).CreateToken(t.Context(), "bot", "x", 0); err != nil {
			t.Error(err)
		}
	}
	if err := w.ChangePassword(t.Context(), "ci", "another password"); err != nil {
		t.Fatal(err)
	}
	if bot, _ := w.Account(t.Context(), "bot"); len(bot.Tokens) != 1 {
		t.Error("the token that was made at the same moment is lost")
	}
	for _, token := range []string{old, key} {
		_, err := w.Verify(t.Context(), token)
		refused(t, err, "password of account ci was changed")
	}
	_, _, err = w.LogIn(t.Context(), "ci", goodPassword, "")
	refused(t, err, "invalid")
	// Within the same second the new session counts, and the old one does not.
	fresh, _, err := w.LogIn(t.Context(), "ci", "another password", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(t.Context(), fresh); err != nil {
		t.Error(err)
	}
	for password, word := range map[string]string{"short": "does not match", strings.Repeat("x", 33): "does not match"} {
		if err := w.ChangePassword(t.Context(), "ci", password); !fault.Is(err, fault.Invalid) || !contains(err.Error(), word) || contains(err.Error(), password) {
			t.Errorf("%q: %v", password, err)
		}
	}
	w.store.config["passwordPattern"] = ".*"
	if err := w.ChangePassword(t.Context(), "ci", strings.Repeat("x", 73)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if err := w.ChangePassword(t.Context(), "bot", goodPassword); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if err := w.ChangePassword(t.Context(), "nobody", goodPassword); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

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
		if err != nil && contains(err.Error(), token) {
			t.Errorf("%s: the error quotes the token", tc.name)
		}
	}
	delete(w.store.secrets[SecretName].Data, keySignature)
	if _, err := w.Verify(t.Context(), "x.y.z"); err == nil || fault.Is(err, fault.Denied) {
		t.Errorf("without a key: %v", err)
	}
}

// TestNothingIsPrinted: no form of printing shows hashes or keys.
func TestNothingIsPrinted(t *testing.T) {
	w := newWorld(t)
	account, err := w.Account(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	secret := w.store.secrets[SecretName]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb+verb, account, secret)
		if contains(text, "$2") || contains(text, string(secret.Data[keySignature])) || contains(text, "36 50") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	if text, err := json.Marshal([]any{account, secret}); err != nil || contains(string(text), "ata") || contains(string(text), "hash") {
		t.Errorf("%s, %v", text, err)
	}
	if err := fmt.Errorf("x: %w", errors.New(fmt.Sprint(account))); contains(err.Error(), "$2") {
		t.Error(err)
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
