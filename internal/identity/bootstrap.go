package identity

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/belaycd/belay/internal/fault"
)

// annotationFor ties the initial password to the version of argocd-secret that had none. A password whose tie has come undone was meant
// for another installation, or was used already.
const annotationFor = "belay.dev/initial-password-for"

const passwordLength = 16

// Bootstrap makes what an installation needs once: the key that tokens are signed with, and the password of the account admin,
// which Secret argocd-initial-admin-secret shows until somebody deletes it. Any number of replicas may do so at the same time, and again
// after a crash; what is there already is left alone. It reports whether a password was made.
func (a *Authority) Bootstrap(ctx context.Context) (madePassword bool, err error) {
	err = a.changeSecret(ctx, SecretName, func(s *Secret) (bool, error) {
		if len(s.Data[keySignature]) > 0 {
			return false, nil
		}
		key := make([]byte, 32)
		if _, err := io.ReadFull(a.random, key); err != nil {
			return false, fmt.Errorf("read randomness: %w", err)
		}
		s.Data[keySignature] = []byte(base64.StdEncoding.EncodeToString(key))
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels["app.kubernetes.io/name"] = SecretName
		s.Labels["app.kubernetes.io/part-of"] = "argocd"
		return true, nil
	})
	if err != nil {
		return false, err
	}
	err = again(ctx, func() error {
		s, err := a.state(ctx)
		if err != nil {
			return err
		}
		account := s.accounts[Admin]
		if !account.Enabled {
			return nil
		}
		if account.HasPassword() {
			return a.dateOf(ctx, s, account)
		}
		madePassword, err = true, a.firstPassword(ctx, s)
		if err != nil {
			madePassword = false
		}
		return err
	})
	return madePassword, err
}

// dateOf gives a password that was set by hand its date.
func (a *Authority) dateOf(ctx context.Context, s state, account Account) error {
	if !account.PasswordChanged.IsZero() {
		return nil
	}
	s.secret.Data["admin.passwordMtime"] = a.nextSecond()
	return a.store.PutSecret(ctx, s.secret)
}

// firstPassword shows a new password first and then makes it count, so that a crash in between loses nothing: the next start
// finds the password that is shown, and uses it.
func (a *Authority) firstPassword(ctx context.Context, s state) error {
	initial, err := a.secret(ctx, InitialSecretName)
	if err != nil {
		return err
	}
	password := string(initial.Data["password"])
	if password == "" || initial.Annotations[annotationFor] != s.secret.Version {
		if password, err = a.newPassword(); err != nil {
			return err
		}
		initial.Data = map[string][]byte{"password": []byte(password)}
		if initial.Annotations == nil {
			initial.Annotations = map[string]string{}
		}
		initial.Annotations[annotationFor] = s.secret.Version
		if err := a.store.PutSecret(ctx, initial); err != nil {
			return fmt.Errorf("write Secret %s: %w", InitialSecretName, err)
		}
	}
	hash, err := a.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	s.secret.Data["admin.password"] = hash
	s.secret.Data["admin.passwordMtime"] = a.nextSecond()
	if err := a.store.PutSecret(ctx, s.secret); err != nil {
		return fmt.Errorf("write Secret %s: %w", SecretName, err)
	}
	return nil
}

// newPassword returns letters and digits without those that are easily mistaken for each other.
func (a *Authority) newPassword() (string, error) {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
	const fair = 256 - 256%len(letters) // bytes from here on would favour some letters
	out := make([]byte, 0, passwordLength)
	var b [1]byte
	for len(out) < passwordLength {
		if _, err := io.ReadFull(a.random, b[:]); err != nil {
			return "", fault.New(fault.Internal, "read randomness: %w", err)
		}
		if int(b[0]) < fair {
			out = append(out, letters[int(b[0])%len(letters)])
		}
	}
	return string(out), nil
}
