package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

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
		if strings.Contains(text, "$2") || strings.Contains(text, string(secret.Data[keySignature])) || strings.Contains(text, "36 50") {
			t.Errorf("%s shows %s", verb, text)
		}
	}
	if text, err := json.Marshal([]any{account, secret}); err != nil || strings.Contains(string(text), "ata") || strings.Contains(string(text), "hash") {
		t.Errorf("%s, %v", text, err)
	}
	if err := fmt.Errorf("x: %w", errors.New(fmt.Sprint(account))); strings.Contains(err.Error(), "$2") {
		t.Error(err)
	}
}
