package cli_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/access"
)

// withPolicy has a policy with a broken line, a project with a role, and accounts.
func withPolicy(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: b.namespace} }
	for _, o := range []*corev1.ConfigMap{
		{ObjectMeta: meta("argocd-rbac-cm"), Data: map[string]string{"policy.default": "role:readonly",
			"policy.csv": "p, role:lead, applications, sync, shop/*, allow\np, role:lead, applications, sync, shop/prod, deny\ng, leads, role:lead\np, ci, applications, delete, shop/dev"}},
		{ObjectMeta: meta("argocd-cm"), Data: map[string]string{"accounts.ci": "apiKey", "accounts.dev": "login, apiKey", "accounts.dev.enabled": "false"}},
	} {
		if err := b.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	p := &v1alpha1.AppProject{ObjectMeta: meta("shop"), Spec: v1alpha1.AppProjectSpec{Roles: []v1alpha1.ProjectRole{{Name: "deployer", Groups: []string{"=shop-team"},
		Policies: []string{"p, proj:shop:deployer, applications, create, shop/*, allow"}}}}}
	if err := b.client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAccountVerbs(t *testing.T) {
	b := withPolicy(t)
	b.run("account", "can-i", "sync", "applications", "shop/dev", "--as", "eve", "--groups", "other,leads").ok(t).
		says(t, "yes\n", `allowed to leads by "p, role:lead, applications, sync, shop/*, allow" (argocd-rbac-cm policy.csv line 1)`)
	b.run("account", "can-i", "sync", "apps", "shop/prod", "--groups", "leads").ok(t).says(t, "no\n", "policy.csv line 2")
	b.run("account", "can-i", "get", "apps", "*", "--as", "eve").ok(t).says(t, "yes\n", "built-in")
	b.run("account", "can-i", "create", "app", "shop/x", "--as", "proj:shop:deployer").ok(t).says(t, "yes\n", "project shop role deployer policy 1")
	b.run("account", "can-i", "delete", "app", "shop/dev", "--as", "ci").ok(t).says(t, "no\n", "warning: argocd-rbac-cm policy.csv line 4", "has 5 fields of 6")
	b.run("account", "can-i", "delete", "app", "shop/dev", "--as", "admin").ok(t).says(t, "yes\n")
	b.run("account", "can-i", "sync", "applications", "*").exits(t, 2).says(t, "for whom", "--as NAME")
	b.run("account", "can-i", "sync", "aplications", "*", "--as", "x").exits(t, 2).says(t, "did you mean applications")
	b.run("account", "can-i", "write", "applications", "*", "--as", "x").exits(t, 2).says(t, `no action "write"`, "rollback")

	out := b.run("account", "list").ok(t)
	if want := "NAME   ENABLED  CAPABILITIES\nadmin  true     login\nci     true     apiKey\ndev    false    login, apiKey\n"; out.stdout != want {
		t.Errorf("list is\n%s", out.stdout)
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(b.run("account", "list", "-o", "json").ok(t).stdout), &list); err != nil || len(list) != 3 || list[1]["name"] != "ci" {
		t.Error(list, err)
	}
	b.run("account", "get", "--account", "dev").ok(t).says(t, "Enabled:", "false", "Tokens:\nNONE")
	b.run("account", "get", "--account", "nobody").exits(t, 20).says(t, "does not exist", "belay account list")

	hash := strings.TrimSpace(b.runIn(t.Context(), "correct horse\n", "account", "bcrypt", "--password-stdin").ok(t).stdout)
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte("correct horse")); err != nil {
		t.Errorf("%q: %v", hash, err)
	}
	b.run("account", "bcrypt").exits(t, 2)
	b.run("account", "bcrypt", "--password", "").exits(t, 2).says(t, "empty")

	b.run("account", "initial-password").exits(t, 20).says(t, "has not started yet", "admin.passwordMtime")
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "argocd-initial-admin-secret", Namespace: b.namespace}, Data: map[string][]byte{"password": []byte("first")}}
	if err := b.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if out := b.run("account", "initial-password").ok(t).says(t, "delete secret argocd-initial-admin-secret"); out.stdout != "first\n" {
		t.Errorf("output is %q", out.stdout)
	}
}

func TestRBACVerbs(t *testing.T) {
	b := withPolicy(t)
	b.run("rbac", "can", "role:lead", "sync", "application", "shop/dev").ok(t).says(t, "Yes\n", "policy.csv line 1")
	b.run("rbac", "can", "role:lead", "sync", "application", "shop/prod").exits(t, 1).says(t, "No\n", "policy.csv line 2")
	if out := b.run("rbac", "can", "role:lead", "sync", "application", "shop/prod", "-q").exits(t, 1); out.stdout+out.stderr != "" {
		t.Errorf("quiet says %q %q", out.stdout, out.stderr)
	}
	b.run("rbac", "can", "role:lead", "fly", "application", "shop/prod").exits(t, 2)
	b.run("rbac", "can", "role:lead", "fly", "application", "shop/prod", "--strict=false").exits(t, 1)

	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	csvFile := file("policy.csv", "# who\np, dev, logs, get, */*, allow\n")
	cmFile := file("cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata:\n  policy.default: role:none\n  policy.csv: |\n    p, dev, logs, get, */*, alow\n")
	b.run("rbac", "can", "dev", "get", "logs", "--policy-file", csvFile).ok(t).says(t, "Yes\n")
	b.run("rbac", "can", "other", "get", "logs", "--policy-file", csvFile, "--default-role", "role:readonly").ok(t).says(t, "Yes\n")
	b.run("rbac", "can", "admin", "get", "logs", "--policy-file", csvFile, "--use-builtin-policy=false").exits(t, 1)
	b.run("rbac", "can", "dev", "get", "logs", "--policy-file", cmFile).exits(t, 1).says(t, `"alow" is neither allow nor deny`)
	b.run("rbac", "can", "dev", "get", "logs", "--policy-file", filepath.Join(dir, "none")).exits(t, 2)
	b.run("rbac", "validate", "--policy-file", csvFile).ok(t).says(t, "Policy is valid.")
	b.run("rbac", "validate", "--policy-file", cmFile).exits(t, 1).says(t, "Policy is invalid: argocd-rbac-cm policy.csv line 1", "role:none")
	b.runIn(t.Context(), "p, dev, logs, get, */*, allow", "rbac", "validate", "--policy-file", "-").ok(t)
	b.run("rbac", "validate").exits(t, 1).says(t, "policy.csv line 4")

	b.run("rbac", "review").ok(t).says(t, "SUBJECT", "(everybody)", "leads", "role:lead", "project shop role deployer policy 1", "warning: argocd-rbac-cm policy.csv line 4")
	rows, err := csv.NewReader(strings.NewReader(b.run("rbac", "review", "--project", "shop", "-o", "csv").ok(t).stdout)).ReadAll()
	if err != nil || len(rows) < 5 || strings.Join(rows[0], ",") != "subject,kind,via,effect,resource,action,object,place,line" {
		t.Fatal(rows, err)
	}
	formula := false
	for _, row := range rows[1:] {
		formula = formula || row[0] == "'=shop-team"
	}
	if !formula {
		t.Errorf("a cell that begins with = is left to the spreadsheet: %v", rows)
	}
	var grants []access.Grant
	if err := json.Unmarshal([]byte(b.run("rbac", "review", "--subject", "ci", "-o", "json").ok(t).stdout), &grants); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, g := range grants {
		kinds[g.Kind] = true
	}
	if len(kinds) != 2 || !kinds[access.KindAccount] || !kinds[access.KindEverybody] {
		t.Errorf("kinds are %v", kinds)
	}
	b.run("rbac", "review", "--project", "nothing").exits(t, 20).says(t, "does not exist", "belay proj list")
}
