package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzTrust: what people paste as certificates, host keys and GnuPG keys is read or refused, and what is kept reads the same
// again.
func FuzzTrust(f *testing.F) {
	key, err := os.ReadFile(filepath.Join("testdata", "key.asc"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(key))
	f.Add("git.example.com,192.0.2.7 ssh-ed25519 " + hostKey)
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if keys, err := parseKeys([]byte(text)); err == nil {
			for _, k := range keys {
				again, err := parseKeys([]byte(k.KeyData))
				if err != nil || len(again) != 1 || again[0].KeyID != k.KeyID {
					t.Errorf("key %s reads differently again: %v, %v", k.KeyID, again, err)
				}
			}
		}
		if certs, err := parseCertificates("h", []byte(text)); err == nil && len(certs) == 0 {
			t.Error("no certificate and no error")
		}
		for _, line := range strings.Split(text, "\n") {
			for _, k := range hostKeys(line) {
				if again := hostKeys(k.ServerName + " " + k.SubType + " " + k.Data); len(again) != 1 || again[0].Data != k.Data {
					t.Errorf("host key of %q reads differently again: %v", line, again)
				}
			}
		}
	})
}
