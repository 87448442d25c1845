package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

func (b *bench) project(name string) *v1alpha1.AppProject {
	b.t.Helper()
	var p v1alpha1.AppProject
	if err := b.client.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, &p); err != nil {
		b.t.Fatal(err)
	}
	return &p
}

// TestProjectVerbs goes through the life of a project; what a newer version wrote into it stays.
func TestProjectVerbs(t *testing.T) {
	b := newBench(t)
	b.run("proj", "create", "voice", "--description", "voice team", "--src", "https://git.example.com/a.git", "-d", "https://kubernetes.default.svc,voice-*",
		"--allow-cluster-resource", "/Namespace").ok(t).says(t, "project 'voice' created")
	b.run("proj", "create", "voice", "--description", "other").exits(t, 20).says(t, "use upsert flag")
	b.run("proj", "create").exits(t, 2)
	for _, args := range [][]string{
		{"add-source", "voice", "https://git.example.com/b.git"}, {"remove-source", "voice", "https://git.example.com/a.git"},
		{"add-destination", "voice", "in-cluster", "voice", "--name"}, {"remove-destination", "voice", "https://kubernetes.default.svc", "voice-*"},
		{"add-source-namespace", "voice", "team-voice"}, {"add-signature-key", "voice", "4AEE18F83AFDEB23"},
		{"allow-cluster-resource", "voice", "rbac.authorization.k8s.io", "ClusterRole"}, {"deny-cluster-resource", "voice", "", "Namespace"},
		{"deny-cluster-resource", "voice", "", "Node", "--list", "deny"}, {"deny-namespace-resource", "voice", "", "LimitRange"},
		{"deny-namespace-resource", "voice", "", "Secret"}, {"allow-namespace-resource", "voice", "", "LimitRange"},
		{"allow-namespace-resource", "voice", "apps", "Deployment", "-l", "allow"},
		{"set", "voice", "--description", "the voice team"},
		{"windows", "add", "voice", "-k", "deny", "--schedule", "0 18 * * 5", "--duration", "62h", "--applications", "*-prod,web"},
		{"windows", "add", "voice", "--kind", "allow", "--schedule", "* * * * *", "--duration", "1h", "--namespaces", "x", "--time-zone", "Europe/Berlin"},
		{"windows", "enable-manual-sync", "voice", "0"}, {"windows", "enable-sync-overrun", "voice", "1"}, {"windows", "update", "voice", "0", "--duration", "10h"},
	} {
		b.run(append([]string{"proj"}, args...)...).ok(t)
	}
	spec := b.project("voice").Spec
	want := v1alpha1.AppProjectSpec{
		Description: "the voice team", SourceRepos: []string{"https://git.example.com/b.git"}, SourceNamespaces: []string{"team-voice"},
		Destinations:               []v1alpha1.ApplicationDestination{{Name: "in-cluster", Namespace: "voice"}},
		SignatureKeys:              []v1alpha1.SignatureKey{{KeyID: "4AEE18F83AFDEB23"}},
		ClusterResourceWhitelist:   []v1alpha1.ClusterResourceRestrictionItem{{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}},
		ClusterResourceBlacklist:   []v1alpha1.ClusterResourceRestrictionItem{{Kind: "Node"}},
		NamespaceResourceBlacklist: spec.NamespaceResourceBlacklist, NamespaceResourceWhitelist: spec.NamespaceResourceWhitelist,
		SyncWindows: v1alpha1.SyncWindows{
			{Kind: "deny", Schedule: "0 18 * * 5", Duration: "10h", Applications: []string{"*-prod", "web"}, TimeZone: "UTC", ManualSync: true},
			{Kind: "allow", Schedule: "* * * * *", Duration: "1h", Namespaces: []string{"x"}, TimeZone: "Europe/Berlin", SyncOverrun: true},
		},
	}
	if d := cmp.Diff(want, spec); d != "" {
		t.Errorf("spec (-want +got):\n%s", d)
	}
	if d := cmp.Diff("[{ Secret}] [{apps Deployment}]", strings.TrimSpace(strings.Join([]string{sprint(spec.NamespaceResourceBlacklist), sprint(spec.NamespaceResourceWhitelist)}, " "))); d != "" {
		t.Error(d)
	}
	b.run("proj", "deny-namespace-resource", "voice", "apps", "Deployment", "--list", "allow").exits(t, 2).says(t, "last kind of the allow list")
	b.run("proj", "remove-source", "voice", "https://git.example.com/none.git").exits(t, 2).says(t, "is not in project", "belay proj get voice")
	b.run("proj", "windows", "add", "voice", "--kind", "deny", "--schedule", "whenever", "--duration", "1h", "--applications", "*").exits(t, 2).says(t, `schedule "whenever"`)
	b.run("proj", "windows", "add", "voice", "--kind", "deny", "--schedule", "* * * * *", "--duration", "1h").exits(t, 2).says(t, "concerns nothing")
	b.run("proj", "windows", "delete", "voice", "7").exits(t, 2).says(t, "no window with ID", "belay proj windows list voice")
	b.run("proj", "windows", "list", "voice").ok(t).says(t, "SYNCOVERRUN", "Enabled", "Europe/Berlin", "Active")
	b.run("proj", "windows", "delete", "voice", "0").ok(t).says(t, "deleted")
	if w := b.project("voice").Spec.SyncWindows; len(w) != 1 || w[0].Kind != "allow" {
		t.Errorf("windows %v", w)
	}
	// The project that is not there allows everything; a change writes it.
	b.run("proj", "add-signature-key", "default", "4AEE18F83AFDEB23").ok(t)
	if p := b.project("default"); len(p.Spec.SourceRepos) != 1 || len(p.Spec.SignatureKeys) != 1 {
		t.Errorf("default: %+v", p.Spec)
	}
	b.create("user", func(a *v1alpha1.Application) { a.Spec.Project = "voice" })
	b.run("proj", "delete", "voice").exits(t, 20).says(t, "is used by 1 applications")
	b.run("proj", "create", "gone").ok(t)
	b.run("proj", "delete", "gone").ok(t).says(t, "project 'gone' deleted")
	b.run("proj", "delete", "default").exits(t, 2)
}

func sprint(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var kinds []struct{ Group, Kind string }
	if err := json.Unmarshal(data, &kinds); err != nil {
		return err.Error()
	}
	var words []string
	for _, k := range kinds {
		words = append(words, "{"+k.Group+" "+k.Kind+"}")
	}
	return "[" + strings.Join(words, " ") + "]"
}

// editor is a program that edits as the script says, once for each call.
func (b *bench) editor(scripts ...string) {
	b.t.Helper()
	dir := b.t.TempDir()
	var all strings.Builder
	all.WriteString("#!/bin/sh\nn=$(cat " + dir + "/n 2>/dev/null || echo 0)\necho $((n+1)) > " + dir + "/n\ncat \"$1\" > " + dir + "/seen-$n\ncase $n in\n")
	for i, s := range scripts {
		fmt.Fprintf(&all, "%d) %s;;\n", i, s)
	}
	all.WriteString("esac\n")
	if err := os.WriteFile(filepath.Join(dir, "edit"), []byte(all.String()), 0o700); err != nil {
		b.t.Fatal(err)
	}
	b.env = map[string]string{"EDITOR": filepath.Join(dir, "edit")}
}

func (b *bench) seen(call string) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(b.env["EDITOR"]), "seen-"+call))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

func TestEdit(t *testing.T) {
	b := newBench(t)
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"project": "default", "destination": map[string]any{"server": v1alpha1.InClusterServer, "namespace": "shop"},
		"source": map[string]any{"repoURL": "https://git.example.com/a.git", "path": "app", "targetRevision": "main"}}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("Application"))
	u.SetName("shop")
	u.SetNamespace(b.namespace)
	if err := b.client.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	before := b.get("shop").ResourceVersion
	b.editor("true")
	b.run("app", "edit", "shop").ok(t).says(t, "nothing changed")
	if b.get("shop").ResourceVersion != before {
		t.Error("an edit that changed nothing was written")
	}
	// A broken edit is shown again with the reason, and can be mended.
	b.editor(`sed -i 's/targetRevision: main/targetRevision: [main/' "$1"`, `sed -i 's/\[main/next/' "$1"`)
	b.run("app", "edit", "shop").ok(t).says(t, "changed")
	if again := b.seen("1"); !strings.Contains(again, "# error: ") || !strings.Contains(again, "targetRevision: [main") {
		t.Errorf("shown again:\n%s", again)
	}
	if got := b.get("shop").Spec.Source.TargetRevision; got != "next" {
		t.Errorf("target %q", got)
	}
	// What the server refuses is an answer too; giving up leaves the application as it was.
	b.editor(`sed -i 's/path: app/path: {a: b}/' "$1"`, "true")
	b.run("app", "edit", "shop").exits(t, 20).says(t, "is as it was")
	b.editor("exit 3")
	b.run("app", "edit", "shop").exits(t, 20).says(t, "run the editor")
	b.run("proj", "create", "voice").ok(t)
	b.editor(`echo "description: edited" >> "$1"`)
	b.run("proj", "edit", "voice").ok(t)
	if got := b.project("voice").Spec.Description; got != "edited" {
		t.Errorf("description %q", got)
	}
}

// TestRepositories adds repositories of a real Git server, with and without the right password.
func TestRepositories(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	repo := sourcetest.NewRepo(t, dir, "shop")
	repo.Commit("main", map[string]string{"a.yaml": "a: b"})
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "deploy", Password: "s3cr3t-word"}) + "/shop.git"
	b.prober = app.OpenProber(os.Environ())
	const secret = "s3cr3t-word"
	quiet := func(r result) result {
		t.Helper()
		if strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("the password is shown:\n%s%s", r.stdout, r.stderr)
		}
		return r
	}
	quiet(b.run("repo", "add", url)).exits(t, 20).says(t, "repository not accessible", "--skip-test-connection")
	quiet(b.runIn(t.Context(), "wrong\n", "repo", "add", url, "--username", "deploy", "--password-stdin")).exits(t, 20)
	quiet(b.runIn(t.Context(), secret+"\n", "repo", "add", url, "--username", "deploy", "--password-stdin", "--name", "shop")).ok(t).says(t, "Repository '"+url+"' added")
	quiet(b.runIn(t.Context(), secret+"\n", "repo", "add", url, "--username", "deploy", "--password-stdin", "--name", "shop")).ok(t).says(t, "unchanged")
	quiet(b.runIn(t.Context(), secret+"\n", "repo", "add", url, "--username", "deploy", "--password-stdin")).exits(t, 20).says(t, "use upsert flag")
	quiet(b.runIn(t.Context(), secret+"\n", "repo", "add", url, "--username", "deploy", "--password-stdin", "--upsert")).ok(t).says(t, "updated")
	quiet(b.run("repo", "add", "http://127.0.0.1:1/x.git", "--skip-test-connection")).ok(t)
	quiet(b.run("repo", "list")).ok(t).says(t, "TYPE", "CREDS", url, "Successful", "Failed")
	quiet(b.run("repo", "get", url, "-o", "json")).ok(t).says(t, `"status": "Successful"`)
	quiet(b.run("repo", "get", "https://git.example.com/none.git")).exits(t, 20).says(t, "not found")
	quiet(b.run("repo", "list", "-o", "url")).ok(t).says(t, url)
	var secrets corev1.SecretList
	if err := b.client.List(t.Context(), &secrets); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range secrets.Items {
		if s.Namespace == b.namespace && string(s.Data["url"]) == url {
			found = string(s.Data["password"]) == secret && s.Labels[v1alpha1.LabelSecretType] == "repository" && s.Annotations["managed-by"] == "argocd.argoproj.io"
		}
	}
	if !found {
		t.Error("no Secret as Argo CD has them")
	}
	quiet(b.run("repo", "rm", url)).ok(t).says(t, "removed")
	quiet(b.run("repo", "rm", url)).exits(t, 20)

	// Credentials for all repositories below a URL.
	base := strings.TrimSuffix(url, "shop.git")
	quiet(b.runIn(t.Context(), secret+"\n", "repocreds", "add", base, "--username", "deploy", "--password-stdin")).ok(t)
	quiet(b.run("repocreds", "list")).ok(t).says(t, "URL PATTERN", base)
	quiet(b.run("repo", "add", url)).ok(t)
	quiet(b.run("repocreds", "rm", base)).ok(t)
	b.run("repocreds", "list", "-o", "json").ok(t).says(t, "[]")
}

func TestTrust(t *testing.T) {
	b := newBench(t)
	_, ca := sourcetest.HTTPS(t, gitserver.Config{Dir: t.TempDir()})
	b.runIn(t.Context(), string(ca)+string(ca), "cert", "add-tls", "git.example.com").ok(t).says(t, "with 1 unique PEM certificates")
	b.runIn(t.Context(), "no certificate", "cert", "add-tls", "other.example.com").exits(t, 2)
	b.runIn(t.Context(), string(ca), "cert", "add-tls", "https://git.example.com").exits(t, 2).says(t, "no host name")
	const line = "git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n"
	b.runIn(t.Context(), "# comment\n"+line, "cert", "add-ssh", "--batch").ok(t).says(t, "1 SSH known host entries")
	b.runIn(t.Context(), "broken\n", "cert", "add-ssh", "--batch").exits(t, 2).says(t, "line 1")
	b.run("cert", "list").ok(t).says(t, "HOSTNAME", "git.example.com", "https", "ssh-ed25519", "SHA256:")
	b.run("cert", "list", "--cert-type", "ssh", "-o", "json").ok(t).says(t, `"certType": "ssh"`)
	b.run("cert", "rm", "*").exits(t, 2)
	b.run("cert", "rm", "git.example.com", "--cert-type", "ssh").ok(t).says(t, "Removed cert for 'git.example.com' of type 'ssh'")
	b.run("cert", "rm", "git.example.com").ok(t).says(t, "of type 'https'")
	b.run("cert", "rm", "git.example.com").ok(t).says(t, "none matched")

	key, err := os.ReadFile(filepath.Join("testdata", "key.asc"))
	if err != nil {
		t.Fatal(err)
	}
	b.runIn(t.Context(), string(key), "gpg", "add", "--from", "-").ok(t).says(t, "Created 1 key(s)")
	b.runIn(t.Context(), string(key), "gpg", "add", "--from", "-").ok(t).says(t, "1 key(s) were skipped")
	b.runIn(t.Context(), "no key", "gpg", "add", "--from", "-").exits(t, 2).says(t, "no armored GnuPG key")
	var keys []struct{ KeyID, Fingerprint, Owner string }
	out := b.run("gpg", "list", "-o", "json").ok(t).stdout
	if err := json.Unmarshal([]byte(out), &keys); err != nil || len(keys) != 1 || !strings.HasSuffix(keys[0].Fingerprint, keys[0].KeyID) {
		t.Fatalf("keys: %v, %s", err, out)
	}
	b.run("gpg", "get", keys[0].KeyID).ok(t).says(t, "BEGIN PGP PUBLIC KEY BLOCK", "Release")
	b.run("gpg", "rm", keys[0].KeyID).ok(t)
	b.run("gpg", "get", keys[0].KeyID).exits(t, 20)

	b.run("cluster", "list").ok(t).says(t, "https://kubernetes.default.svc", "in-cluster", "Successful")
	b.run("cluster", "get", "in-cluster").ok(t).says(t, "serverVersion")
	b.run("cluster", "get", "in-clusters").exits(t, 20).says(t, "did you mean in-cluster?")
}

// TestSingleObjects acts on live objects of an application.
func TestSingleObjects(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"one", "two"} {
		cm := &corev1.ConfigMap{Data: map[string]string{"a": "b"}}
		cm.Name, cm.Namespace = name, b.namespace
		if err := b.client.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
	}
	s := &corev1.Secret{Data: map[string][]byte{"password": []byte("hidden-word")}}
	s.Name, s.Namespace = "three", b.namespace
	if err := b.client.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b.create("shop", nil)
	b.setStatus("shop", func(st *v1alpha1.ApplicationStatus) {
		for _, r := range [][2]string{{"ConfigMap", "one"}, {"ConfigMap", "two"}, {"Secret", "three"}} {
			st.Resources = append(st.Resources, v1alpha1.ResourceStatus{Version: "v1", Kind: r[0], Name: r[1], Namespace: b.namespace})
		}
	})
	name := b.namespace + "/shop"
	b.run("app", "get-resource", name, "--kind", "ConfigMap", "--filter-fields", "data.a,metadata.name").ok(t).says(t, "RESOURCE NAME", "data.a", "one", "two")
	b.run("app", "get-resource", name, "--kind", "ConfigMap", "--resource-name", "one", "-o", "json").ok(t).says(t, `"a": "b"`)
	if r := b.run("app", "get-resource", name, "--kind", "Secret", "-o", "yaml").ok(t); strings.Contains(r.stdout, "aGlkZGVuLXdvcmQ") {
		t.Errorf("a secret is shown:\n%s", r.stdout)
	}
	b.run("app", "get-resource", name).exits(t, 2).says(t, "--kind is needed")
	b.run("app", "get-resource", name, "--kind", "Deployment").exits(t, 20).says(t, "no such object")
	b.run("app", "patch-resource", name, "--kind", "ConfigMap", "--patch", `{"data":{"a":"c"}}`).exits(t, 2).says(t, "2 objects", "--all")
	b.run("app", "patch-resource", name, "--kind", "ConfigMap", "--resource-name", "one", "--patch", `{"data":{"a":"c"}}`).ok(t).says(t, "patched")
	b.run("app", "get-resource", name, "--kind", "ConfigMap", "--resource-name", "one").ok(t).says(t, "data.a", "c")
	b.run("app", "delete-resource", name, "--kind", "ConfigMap", "--all").ok(t).says(t, "deleted")
	b.eventually("the objects are gone", func(ctx context.Context) bool {
		var list corev1.ConfigMapList
		return b.client.List(ctx, &list, client.InNamespace(b.namespace), client.MatchingFields{"metadata.name": "one"}) == nil && len(list.Items) == 0
	})
}
