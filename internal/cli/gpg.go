package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/spf13/cobra"
)

// gpgKeys is the ConfigMap with the public keys that may sign commits, by id.
const gpgKeys = "argocd-gpg-keys-cm"

// publicKey is a GnuPG key.
type publicKey struct {
	KeyID       string `json:"keyID"`
	Fingerprint string `json:"fingerprint"`
	SubType     string `json:"subType"` // algorithm
	Owner       string `json:"owner"`
	KeyData     string `json:"keyData,omitempty"`
}

func (c *cli) gpgCommand() *cobra.Command {
	return c.group("gpg", "Look at the GnuPG keys that may sign commits, and change them",
		`  belay gpg list
  belay gpg add --from release.asc
  belay gpg rm 4AEE18F83AFDEB23`,
		c.gpgList(), c.gpgGet(), c.gpgAdd(), c.gpgRemove())
}

// parseKeys reads armored public keys. A private key is refused: it has no business in a ConfigMap.
func parseKeys(data []byte) ([]publicKey, error) {
	var out []publicKey
	for rest := bytes.NewReader(data); ; {
		block, err := armor.Decode(rest)
		if err == io.EOF && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return nil, usageError("there is no armored GnuPG key")
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, usageError("there is a %s, where only public keys belong", clean(strings.ToLower(block.Type)))
		}
		ring, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, usageError("the key cannot be read: %w", err)
		}
		for _, e := range ring {
			key, err := keyOf(e)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(out, func(k publicKey) bool { return k.KeyID == key.KeyID }) {
				out = append(out, key)
			}
		}
	}
}

func keyOf(e *openpgp.Entity) (publicKey, error) {
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err == nil {
		err = e.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return publicKey{}, fmt.Errorf("write key %s: %w", e.PrimaryKey.KeyIdString(), err)
	}
	k := publicKey{KeyID: strings.ToUpper(e.PrimaryKey.KeyIdString()), Fingerprint: fmt.Sprintf("%X", e.PrimaryKey.Fingerprint),
		SubType: algorithm(e.PrimaryKey), KeyData: text.String() + "\n"}
	if id := e.PrimaryIdentity(); id != nil {
		k.Owner = id.Name
	}
	return k, nil
}

// algorithm names the algorithm of a key as gpg does: rsa4096.
func algorithm(k *packet.PublicKey) string {
	name := map[packet.PublicKeyAlgorithm]string{packet.PubKeyAlgoRSA: "rsa", packet.PubKeyAlgoDSA: "dsa", packet.PubKeyAlgoECDSA: "ecdsa",
		packet.PubKeyAlgoEdDSA: "eddsa", packet.PubKeyAlgoEd25519: "ed25519", packet.PubKeyAlgoEd448: "ed448"}[k.PubKeyAlgo]
	if bits, err := k.BitLength(); err == nil && (name == "rsa" || name == "dsa") {
		name = fmt.Sprintf("%s%d", name, bits)
	}
	return firstOf(name, "unknown")
}

// publicKeys lists the keys of the cluster by id. One that cannot be read has its id alone.
func (c *Connection) publicKeys(ctx context.Context) ([]publicKey, error) {
	data, err := c.configData(ctx, gpgKeys)
	if err != nil {
		return nil, err
	}
	var out []publicKey
	for id, text := range data {
		found, err := parseKeys([]byte(text))
		if err != nil {
			found = []publicKey{{KeyID: id, Owner: "cannot be read: " + err.Error()}}
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b publicKey) int { return strings.Compare(a.KeyID, b.KeyID) })
	return out, nil
}

// findKey finds a key by its id, the long one or its end, or the fingerprint.
func (c *Connection) findKey(ctx context.Context, id string) (publicKey, error) {
	all, err := c.publicKeys(ctx)
	if err != nil {
		return publicKey{}, err
	}
	want := strings.ToUpper(strings.TrimPrefix(id, "0x"))
	for _, k := range all {
		if k.KeyID == want || k.Fingerprint == want || len(want) >= 8 && strings.HasSuffix(k.KeyID, want) {
			return k, nil
		}
	}
	return publicKey{}, &Failure{Exit: ExitAPI, Code: "KeyNotFound", Err: fmt.Errorf("no such key: %s", id), Hint: "see belay gpg list"}
}

func (c *cli) gpgList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the GnuPG keys that may sign commits",
		Example: "  belay gpg list", Args: argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			keys, err := conn.publicKeys(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, append([]publicKey{}, keys...))
			}
			rows := make([][]string, len(keys))
			for i, k := range keys {
				rows[i] = []string{k.KeyID, strings.ToUpper(k.SubType), k.Owner}
			}
			return table(c.Out, []string{"KEYID", "TYPE", "IDENTITY"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

func (c *cli) gpgGet() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "get KEYID", Short: "Show a GnuPG key",
		Example: "  belay gpg get 4AEE18F83AFDEB23", Args: argCount(1, 1, "the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			k, err := conn.findKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, k)
			}
			_, err = fmt.Fprintf(c.Out, "Key ID:          %s\nKey fingerprint: %s\nKey subtype:     %s\nKey owner:       %s\nKey data follows until EOF:\n%s\n",
				k.KeyID, k.Fingerprint, strings.ToUpper(k.SubType), clean(k.Owner), k.KeyData)
			return err
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

func (c *cli) gpgAdd() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "add --from FILE", Short: "Permit GnuPG keys to sign commits",
		Example: "  belay gpg add --from release.asc\n  gpg --armor --export 4AEE18F83AFDEB23 | belay gpg add --from -",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				return usageError("--from is needed: a file with armored public keys, or - for standard input")
			}
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			data, err := c.input(cmd.Context(), from)
			if err != nil {
				return err
			}
			keys, err := parseKeys(data)
			if err != nil {
				return err
			}
			skipped := 0
			err = conn.changeConfig(cmd.Context(), gpgKeys, func(data map[string]string) error {
				skipped = 0
				for _, k := range keys {
					if _, known := data[k.KeyID]; known {
						skipped++
						continue
					}
					data[k.KeyID] = k.KeyData
				}
				return nil
			})
			if err != nil {
				return err
			}
			text := fmt.Sprintf("Created %d key(s) from input file", len(keys)-skipped)
			if skipped > 0 {
				text += fmt.Sprintf(", and %d key(s) were skipped because they exist already", skipped)
			}
			_, err = fmt.Fprintln(c.Out, text+".")
			return err
		},
	}
	cmd.Flags().StringVarP(&from, "from", "f", "", "file with armored public keys; - reads standard input")
	return cmd
}

func (c *cli) gpgRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm KEYID", Aliases: []string{"remove"}, Short: "Permit a GnuPG key to sign commits no longer",
		Example: "  belay gpg rm 4AEE18F83AFDEB23", Args: argCount(1, 1, "the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			k, err := conn.findKey(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			err = conn.changeConfig(cmd.Context(), gpgKeys, func(data map[string]string) error {
				delete(data, k.KeyID)
				return nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Deleted key with key ID %s\n", k.KeyID)
			return err
		},
	}
}
