package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
)

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
		if err := w.ChangePassword(t.Context(), "ci", password); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), password) {
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
