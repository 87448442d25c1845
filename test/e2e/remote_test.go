package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/test/e2e/harness"
)

// ways runs the command line in two ways: on the cluster of a kubeconfig, and over the API server.
type ways struct {
	t       *testing.T
	plane   *harness.Plane
	address string
	home    string // of the one that is signed in
	none    string // of the one that is not
}

// outcome is what a command leaves.
type outcome struct {
	stdout, stderr string
	code           int
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", o.code, o.stdout, o.stderr)
}

// serveBothWays starts a control plane with its API.
func serveBothWays(t *testing.T, args ...string) *ways {
	t.Helper()
	cluster := harness.Shared(t)
	plane := cluster.Prepared(t)
	w := &ways{t: t, plane: plane, address: harness.FreeAddr(t), home: t.TempDir(), none: t.TempDir()}
	plane.Args = append([]string{"--address", w.address}, args...)
	plane.Start(t)
	harness.Eventually(t, "the API answers", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/healthz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	return w
}

// password is that of the first start.
func (w *ways) password() string {
	w.t.Helper()
	var password string
	harness.Eventually(w.t, "there is a password", func(ctx context.Context) error {
		s := &corev1.Secret{}
		if err := w.plane.Get(ctx, client.ObjectKey{Namespace: w.plane.Namespace, Name: "argocd-initial-admin-secret"}, s); err != nil {
			return err
		}
		password = string(s.Data["password"])
		return nil
	})
	return password
}

// run runs belay with an environment of its own.
func (w *ways) run(home, stdin string, args ...string) outcome {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), harness.Limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.plane.Belay, args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "TZ=UTC", "EDITOR=" + filepath.Join(home, "editor")}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		w.t.Fatalf("run belay %v: %v", args, err)
	}
	return outcome{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func (w *ways) cluster(args ...string) outcome {
	w.t.Helper()
	namespace := "-n"
	if len(args) > 1 && slices.Contains([]string{"get-resource", "patch-resource", "delete-resource", "logs"}, args[1]) {
		namespace = "-N" // their --namespace is that of the objects
	}
	return w.run(w.none, "", append(args, "--kubeconfig", w.plane.Kubeconfig, namespace, w.plane.Namespace)...)
}

func (w *ways) server(args ...string) outcome {
	w.t.Helper()
	return w.run(w.home, "", args...)
}

// login signs in as admin.
func (w *ways) login() {
	w.t.Helper()
	password := w.password()
	got := w.run(w.home, password+"\n", "login", w.address, "--plaintext", "--username", "admin", "--password-stdin")
	if got.code != 0 || !strings.Contains(got.stdout, "'admin' logged in successfully\n") {
		w.t.Fatalf("login: %s\n%s", got, w.plane.LogTail())
	}
}

// savedToken is that of the one who is signed in.
func (w *ways) savedToken() string {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.home, ".config/argocd/config"))
	if err != nil {
		w.t.Fatal(err)
	}
	var saved struct {
		Users []struct {
			Token string `json:"auth-token"`
		}
	}
	if err := yaml.Unmarshal(data, &saved); err != nil || len(saved.Users) != 1 || saved.Users[0].Token == "" {
		w.t.Fatalf("%v: %d users", err, len(saved.Users))
	}
	return saved.Users[0].Token
}

// signsIn looks at what signing in leaves, and at what does not get in.
func (w *ways) signsIn() {
	t := w.t
	file := filepath.Join(w.home, ".config/argocd/config")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token := w.savedToken()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(data), w.password()) {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	if got := w.run(w.none, "", "app", "list", "-o", "name", "--server", w.address, "--plaintext", "--auth-token", token); got.code != 0 {
		t.Error(got)
	}
	other := t.TempDir()
	if got := w.run(other, "", "login", w.address, "--plaintext", "--auth-token", token, "--name", "ci"); got.code != 0 || !strings.Contains(got.stdout, "Context 'ci' updated") {
		t.Error(got)
	}
	if got := w.run(other, "", "context"); !strings.Contains(got.stdout, "*        ci") {
		t.Error(got)
	}
	for _, got := range []outcome{
		w.run(w.none, "canary-password", "login", w.address, "--plaintext", "--username", "admin", "--password-stdin"),
		w.run(w.none, "", "login", w.address, "--plaintext", "--username", "admin", "--password", "canary-password"),
		w.run(w.none, "", "login", w.address, "--plaintext", "--auth-token", "canary.token.x"),
		w.run(w.none, "", "app", "list", "--server", w.address, "--plaintext", "--auth-token", "canary.token.x"),
	} {
		if got.code != 20 || strings.Contains(got.String(), "canary") || !strings.Contains(got.stderr, "hint:") {
			t.Error(got)
		}
	}
	if got := w.run(w.none, "", "login", w.address, "--plaintext"); got.code != 2 {
		t.Error(got)
	}
	if _, err := os.Stat(filepath.Join(w.none, ".config/argocd/config")); !os.IsNotExist(err) {
		t.Errorf("a failed login left a file: %v", err)
	}
	for _, secret := range []string{"canary", token, w.password()} {
		if strings.Contains(w.plane.Log(), secret) {
			t.Errorf("the log of the server holds a secret")
		}
	}
}

// same asks for the same output and the same exit code of both ways.
func (w *ways) same(args ...string) outcome {
	w.t.Helper()
	one, other := w.cluster(args...), w.server(args...)
	if one.code != other.code {
		w.t.Errorf("belay %s: over the cluster %s\nover the server %s", strings.Join(args, " "), one, other)
		return other
	}
	a, b := steady(one.stdout), steady(other.stdout)
	if d := cmp.Diff(a, b); d != "" {
		w.t.Errorf("belay %s (-cluster +server):\n%s\nstderr of the cluster: %s\nstderr of the server: %s", strings.Join(args, " "), d, one.stderr, other.stderr)
	}
	return other
}

// steady takes out of an output what no two commands have in common: spans of time up to now, and how wide they make their column. JSON is
// compared as values.
func steady(out string) string {
	var value any
	if err := json.Unmarshal([]byte(out), &value); err == nil {
		data, err := json.MarshalIndent(value, "", " ")
		if err == nil {
			return string(data)
		}
	}
	out = regexp.MustCompile(`(\(in [0-9hms.]+\)|\b[0-9]+[smhd]\b) *`).ReplaceAllString(out, "<time> ")
	return regexp.MustCompile(`\bAGE +`).ReplaceAllString(out, "AGE ")
}

// TestBothWays runs the verbs on the cluster of a kubeconfig and over the API server, and compares.
func TestBothWays(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	w.login()
	t.Run("signing in", func(t *testing.T) { w.in(t).signsIn() })
	ns := w.plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	app := w.plane.App(t, "shop", ns, repo.Source("app"))
	app.Wait(t, func(a *harness.Application) string {
		if a.Status.Sync.Status != "OutOfSync" {
			return "it is not compared yet"
		}
		return ""
	})

	t.Run("reading before the first sync", func(t *testing.T) {
		w := w.in(t)
		w.same("app", "diff", "shop")
		w.same("app", "diff", "shop", "-o", "json")
		w.same("app", "manifests", "shop")
		w.same("app", "sync", "shop", "--preview")
		w.same("app", "history", "shop", "-o", "json")
		w.same("app", "rollback", "shop")
		w.same("app", "plan", "shop")
		w.same("app", "why", "shop")
	})
	t.Run("sync", func(t *testing.T) {
		w := w.in(t)
		got := w.server("app", "sync", "shop", "--info", "reason=test")
		if got.code != 0 || !strings.Contains(got.stdout, "Sync Status:") {
			t.Fatalf("%s\n%s", got, w.plane.LogTail())
		}
		if by := app.Get(t).Status.OperationState.Operation.InitiatedBy.Username; by != "admin" {
			t.Errorf("the operation was started by %q", by)
		}
		if got := w.server("app", "wait", "shop", "--timeout", "60"); got.code != 0 {
			t.Fatal(got)
		}
	})
	app.Wait(t, harness.Healthy(""))
	t.Run("reading", func(t *testing.T) {
		w := w.in(t)
		for _, line := range []string{
			"app list", "app list -o name", "app list -o json", "app list -l a=b", "app get shop", "app get shop -o json", "app get shop -o yaml",
			"app get shop --show-operation --show-params", "app get shop -o tree", "app get shop -o tree=detailed", "app get nothing",
			"app get shop --refresh", "app get shop --hard-refresh -o name", "app history shop", "app history shop -o id", "app diff shop", "app manifests shop",
			"app manifests shop --source live", "app resources shop", "app resources shop -o json", "app resources shop -o tree",
			"app get-resource shop --kind Deployment -o yaml", "app get-resource shop --kind Secret -o json", "app get-resource shop --kind Pod --filter-fields metadata.name,spec.nodeName",
			"app actions list shop", "app actions list shop --kind Deployment -o wide", "app actions list shop --kind Pod -o json", "app actions run shop fly --kind Deployment",
			"app get-resource shop --kind Nothing", "app wait shop", "app logs shop --tail 3", "app logs shop --kind StatefulSet",
			"app terminate-op shop", "app rollback shop 99", "app sync shop --resource apps:Deployment:nothing",
			"app plan shop", "app why shop", "app why shop -o json", "audit --app shop --kind nothing", "proj role list default",
			"proj list", "proj get default", "proj get nothing", "proj windows list default",
		} {
			w.same(strings.Fields(line)...)
		}
	})
	t.Run("changing", func(t *testing.T) { w.in(t).changes(t, app, repo, ns) })
	t.Run("leaving", func(t *testing.T) {
		w := w.in(t)
		if got := w.server("logout"); got.code != 0 {
			t.Error(got)
		}
		if got := w.server("app", "list"); got.code != 20 || !strings.Contains(got.stderr, "belay login") {
			t.Error(got)
		}
	})
}

func (w *ways) in(t *testing.T) *ways {
	c := *w
	c.t = t
	return &c
}

// changes changes things over the server and looks at them in the cluster, verb by verb.
func (w *ways) changes(t *testing.T, app *harness.App, repo *harness.Repo, ns string) {
	ok := func(args ...string) outcome {
		t.Helper()
		got := w.server(args...)
		if got.code != 0 {
			t.Errorf("belay %s: %s", strings.Join(args, " "), got)
		}
		return got
	}
	ok("app", "set", "shop", "--sync-option", "Validate=false", "--revision-history-limit", "3")
	if spec := app.Get(t).Spec; spec.SyncPolicy == nil || len(spec.SyncPolicy.SyncOptions) != 1 || *spec.RevisionHistoryLimit != 3 {
		t.Errorf("%+v", spec)
	}
	ok("app", "set", "shop", "--sync-option", "!Validate=false")
	ok("app", "patch", "shop", "--type", "merge", "--patch", `{"metadata":{"labels":{"team":"voice"}}}`)
	if app.Get(t).Labels["team"] != "voice" {
		t.Error("the patch has no effect")
	}
	w.same("app", "list", "-l", "team=voice", "-o", "name")
	ok("app", "create", "other", "--repo", repo.URL, "--path", "app", "--revision", "main", "--dest-namespace", ns, "--dest-server", "https://kubernetes.default.svc")
	w.same("app", "get", "other", "-o", "name")
	if got := w.same("app", "create", "other", "--repo", repo.URL, "--path", "elsewhere", "--dest-namespace", ns, "--dest-server", "https://kubernetes.default.svc"); got.code != 20 {
		t.Error(got)
	}
	ok("app", "create", "other", "--repo", repo.URL, "--path", "app", "--revision", "main", "--dest-namespace", ns, "--dest-server", "https://kubernetes.default.svc", "--upsert", "--label", "a=b")
	ok("app", "delete", "other", "--cascade=false", "-y", "--wait")
	w.same("app", "get", "other")
	ok("app", "confirm-deletion", "shop")
	ok("app", "patch-resource", "shop", "--kind", "Deployment", "--resource-name", "web", "--patch", `{"spec":{"replicas":1}}`)
	app.Refresh(t, "normal")
	w.same("app", "diff", "shop")
	ok("app", "delete-resource", "shop", "--kind", "ConfigMap", "--resource-name", "settings")
	app.Refresh(t, "normal")
	w.same("app", "diff", "shop", "-o", "json")
	repo.Commit(t, "main", harness.Txtar(some).With("app/service.yaml", ""))
	ok("app", "get", "shop", "--refresh")
	w.same("app", "diff", "shop")
	if got := w.server("app", "sync", "shop"); got.code != 1 || !strings.Contains(got.stderr, "require pruning") {
		t.Error(got)
	}
	ok("app", "sync", "shop", "--prune", "--async")
	ok("app", "wait", "shop", "--operation")
	w.same("app", "history", "shop")
	w.same("app", "plan", "shop", "--history", "0")
	ok("app", "rollback", "shop", "0", "--timeout", "60s")
	w.same("app", "get", "shop", "--show-operation")

	ok("proj", "create", "voice", "--src", "*", "--dest", "*,*")
	w.same("proj", "get", "voice")
	ok("proj", "set", "voice", "--description", "the voice team")
	ok("proj", "windows", "add", "voice", "--kind", "deny", "--schedule", "* * * * *", "--duration", "1h", "--applications", "*")
	w.same("proj", "windows", "list", "voice")
	ok("app", "set", "shop", "--project", "voice")
	w.same("app", "sync", "shop")
	w.same("proj", "delete", "voice")
	ok("app", "set", "shop", "--project", "default")
	ok("proj", "delete", "voice")
	if got := w.server("cluster", "list"); got.code != 2 || !strings.Contains(got.stderr, "--core") {
		t.Error(got)
	}
}
