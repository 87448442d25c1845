// Package pki turns a directory into a certificate authority: in goes a directory, out come the certificate and key files
// that the components of a sandbox use to identify themselves to each other.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// clockSkew backdates certificates, so that a clock set back a little does not make them "not yet valid".
	clockSkew = time.Hour
)

// Pair names the files of a certificate and its private key, both PEM.
type Pair struct {
	Cert, Key string
}

// Authority signs certificates. Its own key stays in the directory, so a later run with the same directory is trusted
// by the clients of the earlier one.
type Authority struct {
	Pair
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// OpenAuthority loads the authority called name from dir, or makes it.
func OpenAuthority(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create certificate directory: %w", err)
	}
	a := &Authority{Pair: pairIn(dir, name), dir: dir}
	err := a.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = a.create(name)
	}
	if err != nil {
		return nil, fmt.Errorf("open certificate authority %s: %w", name, err)
	}
	return a, nil
}

// Client issues a client certificate for the user and groups, in the form that Kubernetes reads them: the common name
// and the organizations (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates).
func (a *Authority) Client(name, user string, groups ...string) (Pair, error) {
	return a.issue(name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// Server issues a serving certificate for the host names and addresses.
func (a *Authority) Server(name string, hosts ...string) (Pair, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	return a.issue(name, template)
}

// SigningKey loads or makes a key pair without a certificate; Pair.Cert names the public key file. It signs service
// account tokens, so it must survive a restart for tokens to stay valid.
func SigningKey(dir, name string) (Pair, error) {
	pair := Pair{Cert: filepath.Join(dir, name+".pub"), Key: filepath.Join(dir, name+".key")}
	key, err := loadKey(pair.Key)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newKey(pair.Key)
	}
	if err != nil {
		return Pair{}, fmt.Errorf("open signing key %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return Pair{}, fmt.Errorf("encode public key %s: %w", name, err)
	}
	return pair, writePEM(pair.Cert, "PUBLIC KEY", public)
}

func (a *Authority) load() error {
	der, err := readPEM(a.Cert)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key, err = loadKey(a.Key)
	return err
}

func (a *Authority) create(name string) error {
	key, err := newKey(a.Key)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "belay-sandbox-" + name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := fill(template, authorityLife); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writePEM(a.Cert, "CERTIFICATE", der); err != nil {
		return err
	}
	return a.load()
}

// issue always makes a new certificate: leaves are cheap, and a restart after a year must not find expired ones.
func (a *Authority) issue(name string, template *x509.Certificate) (Pair, error) {
	pair := pairIn(a.dir, name)
	key, err := newKey(pair.Key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate %s: %w", name, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := fill(template, leafLife); err != nil {
		return Pair{}, fmt.Errorf("issue certificate %s: %w", name, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate %s: %w", name, err)
	}
	return pair, writePEM(pair.Cert, "CERTIFICATE", der)
}

func fill(template *x509.Certificate, life time.Duration) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("make serial number: %w", err)
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore = now.Add(-clockSkew)
	template.NotAfter = now.Add(life)
	return nil
}

func pairIn(dir, name string) Pair {
	return Pair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

func newKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func loadKey(path string) (crypto.Signer, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	return x509.ParseECPrivateKey(der)
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return block.Bytes, nil
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
