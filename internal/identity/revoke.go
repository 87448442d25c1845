package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// maxRevoked keeps the Secret well below the size that Kubernetes takes.
const maxRevoked = 8000

// unending is how long a token is remembered as revoked that does not say when it ends.
const unending = 366 * 24 * time.Hour

// Revoke ends a session before its time, for all replicas. The identity provider's tokens can be revoked as well, by whatever id they
// have. Ends is when the token would end by itself; it is forgotten after that.
func (a *Authority) Revoke(ctx context.Context, id string, ends time.Time) error {
	if id == "" {
		return fault.New(fault.Invalid, "a token without an id cannot be revoked")
	}
	now := a.now()
	if ends.IsZero() {
		ends = now.Add(unending)
	}
	return a.changeSecret(ctx, RevokedSecretName, func(s *Secret) (bool, error) {
		for key, value := range s.Data {
			if end, err := strconv.ParseInt(string(value), 10, 64); err == nil && now.After(time.Unix(end, 0).Add(clockSkew)) {
				delete(s.Data, key)
			}
		}
		if len(s.Data) >= maxRevoked {
			return false, fault.New(fault.Transient, "end a session: %d are remembered as ended, which is the most; change the password of the account to end all of its sessions", len(s.Data))
		}
		if s.Labels == nil {
			s.Labels = map[string]string{"app.kubernetes.io/part-of": "argocd"}
		}
		s.Data[revokedKey(id)] = strconv.AppendInt(nil, ends.Unix(), 10)
		return true, nil
	})
}

// Revoked reports whether a session was ended.
func (a *Authority) Revoked(ctx context.Context, id string) (bool, error) {
	s, err := a.secret(ctx, RevokedSecretName)
	if err != nil {
		return false, err
	}
	_, ok := s.Data[revokedKey(id)]
	return ok, nil
}

// revokedKey is a key of a Secret for any id: ids of the identity provider may hold anything.
func revokedKey(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}
