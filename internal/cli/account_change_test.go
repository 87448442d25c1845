package cli_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/identity"
)

// authority is a replica of a server on the bench's cluster.
func (b *bench) authority() *identity.Authority {
	b.t.Helper()
	conn, err := cli.Connect(b.sandbox.RESTConfig(), b.namespace, time.Minute)
	if err != nil {
		b.t.Fatal(err)
	}
	a, err := identity.New(identity.Options{Store: cli.NewIdentityStore(conn), Now: time.Now, Random: rand.Reader, Cost: 4})
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// TestFirstStartTogether: replicas that start at once on a real API server agree on one key and one password.
func TestFirstStartTogether(t *testing.T) {
	b := newBench(t)
	var all sync.WaitGroup
	made := make([]bool, 4)
	for i := range made {
		a := b.authority()
		all.Go(func() {
			var err error
			if made[i], err = a.Bootstrap(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := strings.Count(fmt.Sprint(made), "true"); n != 1 {
		t.Errorf("%d replicas made a password", n)
	}
	password := strings.TrimSpace(b.run("account", "initial-password").ok(t).stdout)
	if _, _, err := b.authority().LogIn(t.Context(), identity.Admin, password, ""); err != nil {
		t.Errorf("the password that is shown does not work: %v", err)
	}
}

func TestAccountChanges(t *testing.T) {
	b := withPolicy(t)
	b.run("account", "generate-token", "--account", "ci").exits(t, 20).says(t, "no usable server.secretkey", "start the server once")
	a := b.authority()
	if _, err := a.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.runIn(t.Context(), "correct horse\n", "account", "update-password", "--password-stdin").ok(t).says(t, "Password updated")
	if _, _, err := a.LogIn(t.Context(), identity.Admin, "correct horse", ""); err != nil {
		t.Error(err)
	}
	b.run("account", "update-password", "--new-password", "short").exits(t, 2).says(t, "does not match")
	b.run("account", "update-password", "--account", "nobody", "--new-password", "long enough").exits(t, 20).says(t, "belay account list")
	b.run("account", "update-password").exits(t, 2)

	token := strings.TrimSpace(b.run("account", "generate-token", "--account", "ci", "--id", "nightly", "--expires-in", "1h").ok(t).stdout)
	if s, err := a.Verify(t.Context(), token); err != nil || s.Subject != "ci" || s.ID != "nightly" {
		t.Error(s, err)
	}
	b.run("account", "get", "--account", "ci").ok(t).says(t, "nightly", "ISSUED AT")
	b.run("account", "generate-token").exits(t, 2).says(t, "has not the capability apiKey")
	b.run("account", "delete-token", "--account", "ci", "nightly").ok(t).says(t, "token 'nightly' deleted")
	b.run("account", "delete-token", "--account", "ci", "nightly").exits(t, 20).says(t, "belay account get --account ci")
	if _, err := a.Verify(t.Context(), token); err == nil {
		t.Error("a deleted token is accepted")
	}
	// What else the Secret is stays.
	var secret corev1.Secret
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: identity.SecretName}, &secret); err != nil {
		t.Fatal(err)
	}
	secret.Finalizers = []string{"example.com/keep"}
	if err := b.client.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	b.run("account", "generate-token", "--account", "ci").ok(t)
	if err := b.client.Get(t.Context(), types.NamespacedName{Namespace: b.namespace, Name: identity.SecretName}, &secret); err != nil || len(secret.Finalizers) != 1 {
		t.Error(secret.Finalizers, err)
	}
	secret.Finalizers = nil
	if err := b.client.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
}

// TestTokensTogether: tokens that are made at the same moment are all there.
func TestTokensTogether(t *testing.T) {
	b := withPolicy(t)
	if _, err := b.authority().Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		a := b.authority()
		all.Go(func() {
			if _, _, err := a.CreateToken(t.Context(), "ci", fmt.Sprint("t", i), 0); err != nil {
				t.Error(err)
			}
			if _, _, err := a.CreateRoleToken(t.Context(), "shop", "deployer", fmt.Sprint("t", i), 0); err != nil {
				t.Error(err)
			}
			if err := a.Revoke(t.Context(), fmt.Sprint("t", i), time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	account, err := b.authority().Account(t.Context(), "ci")
	p := b.project("shop")
	if err != nil || len(account.Tokens) != 4 || len(p.Spec.Roles[0].JWTTokens) != 4 || len(p.Status.JWTTokensByRole["deployer"].Items) != 4 {
		t.Errorf("tokens are %v, %v, %v; %v", account.Tokens, p.Spec.Roles[0].JWTTokens, p.Status.JWTTokensByRole, err)
	}
	for i := range 4 {
		if revoked, err := b.authority().Revoked(t.Context(), fmt.Sprint("t", i)); !revoked || err != nil {
			t.Error(i, revoked, err)
		}
	}
}

func TestProjectRoles(t *testing.T) {
	b := withPolicy(t)
	a := b.authority()
	if _, err := a.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.run("proj", "role", "create", "shop", "ci", "--description", "pipeline").ok(t).says(t, "Role 'ci' created")
	b.run("proj", "role", "create", "shop", "ci").exits(t, 2).says(t, "exists already")
	b.run("proj", "role", "create", "shop", "a:b").exits(t, 2).says(t, "no name for a role")
	b.run("proj", "role", "add-policy", "shop", "ci", "--action", "sync", "--object", "*").ok(t).says(t, "Policy added")
	b.run("proj", "role", "add-policy", "shop", "ci", "-a", "sync", "-o", "*").ok(t).says(t, "nothing to change")
	b.run("proj", "role", "add-policy", "shop", "ci", "-a", "delete", "-o", "prod-*", "-p", "deny").ok(t)
	b.run("proj", "role", "add-policy", "shop", "ci", "-a", "fly", "-o", "*").exits(t, 2).says(t, `there is no action "fly"`)
	b.run("proj", "role", "add-policy", "shop", "ci", "-a", "sync", "-o", "*", "-p", "perhaps").exits(t, 2).says(t, "neither allow nor deny")
	b.run("proj", "role", "add-policy", "shop", "none", "-a", "sync", "-o", "*").exits(t, 20).says(t, "belay proj role list shop")
	b.run("proj", "role", "add-group", "shop", "ci", "platform").ok(t).says(t, "Group 'platform' added to role 'ci'")
	b.run("proj", "role", "remove-policy", "shop", "ci", "-a", "delete", "-o", "prod-*", "-p", "deny").ok(t).says(t, "Policy removed")
	b.run("proj", "role", "remove-policy", "shop", "ci", "-a", "delete", "-o", "prod-*").exits(t, 2)
	b.run("account", "can-i", "sync", "app", "shop/x", "--as", "x", "--groups", "platform").ok(t).says(t, "yes\n")
	b.run("proj", "role", "list", "shop").ok(t).says(t, "ROLE-NAME", "ci", "pipeline", "deployer")
	b.run("proj", "role", "get", "shop", "ci").ok(t).says(t, "p, proj:shop:ci, applications, sync, shop/*, allow", "g, platform, proj:shop:ci", "projects, get, shop, allow")

	out := b.run("proj", "role", "create-token", "shop", "ci", "--id", "nightly", "-e", "1h", "-o", "json").ok(t)
	var made struct {
		Token string `json:"token"`
		ID    string `json:"id"`
		Exp   int64  `json:"exp"`
	}
	if err := json.Unmarshal([]byte(out.stdout), &made); err != nil || made.ID != "nightly" || made.Exp == 0 {
		t.Fatal(out.stdout, err)
	}
	if s, err := a.Verify(t.Context(), made.Token); err != nil || s.Subject != "proj:shop:ci" {
		t.Error(s, err)
	}
	b.run("proj", "role", "create-token", "shop", "ci").ok(t).says(t, "Create token succeeded for proj:shop:ci.", "Expires At: Never")
	only := b.run("proj", "role", "create-token", "shop", "ci", "--token-only").ok(t)
	if strings.Count(only.stdout, ".") != 2 || strings.Contains(only.stdout, " ") {
		t.Errorf("output is %q", only.stdout)
	}
	b.run("proj", "role", "list-tokens", "shop", "ci").ok(t).says(t, "nightly", "EXPIRES-AT")
	b.run("proj", "role", "delete-token", "shop", "ci").exits(t, 2)
	b.run("proj", "role", "delete-token", "shop", "ci", "soon").exits(t, 2)
	b.run("proj", "role", "delete-token", "shop", "ci", "--id", "nightly").ok(t)
	b.run("proj", "role", "delete-token", "shop", "ci", "2020-01-02T03:04:05Z").exits(t, 20).says(t, "has no such token", "belay proj role list shop")
	if _, err := a.Verify(t.Context(), made.Token); err == nil {
		t.Error("a deleted token is accepted")
	}
	// A change by other commands keeps the tokens.
	b.run("proj", "set", "shop", "--description", "x").ok(t)
	if p := b.project("shop"); len(p.Spec.Roles[1].JWTTokens) != 2 || len(p.Status.JWTTokensByRole["ci"].Items) != 2 {
		t.Errorf("%+v", p)
	}
	b.run("proj", "role", "remove-group", "shop", "ci", "platform").ok(t)
	b.run("proj", "role", "delete", "shop", "ci").ok(t).says(t, "Role 'ci' deleted")
	if _, err := a.Verify(t.Context(), strings.TrimSpace(only.stdout)); err == nil {
		t.Error("a token outlasts its role")
	}
	if err := b.client.Create(t.Context(), &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "empty", Namespace: b.namespace}}); err != nil {
		t.Fatal(err)
	}
	b.run("proj", "role", "list", "empty", "-o", "json").ok(t).says(t, "[]")
}
