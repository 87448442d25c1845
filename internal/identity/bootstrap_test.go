package identity

import (
	"sync"
	"testing"
	"time"
)

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
