package cli_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
)

// deploy makes a Deployment whose containers run the script.
func (b *bench) deploy(name, script string, replicas int32) {
	b.t.Helper()
	labels := map[string]string{"run": name}
	container := corev1.Container{Name: "main", Image: "busybox:1", Command: []string{"sh", "-c", script}}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: b.namespace},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}},
	}
	if err := b.client.Create(b.t.Context(), d); err != nil {
		b.t.Fatal(err)
	}
	b.eventually("pods of "+name+" run", func(ctx context.Context) bool {
		var pods corev1.PodList
		if err := b.client.List(ctx, &pods, client.InNamespace(b.namespace), client.MatchingLabels(labels)); err != nil || len(pods.Items) != int(replicas) {
			return false
		}
		for _, p := range pods.Items {
			if p.Status.Phase != corev1.PodRunning {
				return false
			}
		}
		return true
	})
}

func (b *bench) appOf(name string, deployments ...string) {
	b.create(name, func(app *v1alpha1.Application) {
		for _, d := range deployments {
			app.Status.Resources = append(app.Status.Resources, v1alpha1.ResourceStatus{Group: "apps", Version: "v1", Kind: "Deployment",
				Namespace: b.namespace, Name: d, Status: v1alpha1.SyncStatusSynced, Health: &v1alpha1.HealthStatus{Status: v1alpha1.HealthHealthy}})
		}
		app.Status.Resources = append(app.Status.Resources, v1alpha1.ResourceStatus{Version: "v1", Kind: "Secret", Namespace: b.namespace, Name: "db"})
	})
}

// logs runs app logs. Its --namespace is that of the pods, as with argocd, so the application's goes by -N.
func (b *bench) logs(args ...string) result {
	return b.run(append([]string{"app", "logs", "-N", b.namespace}, args...)...)
}

func TestLogsOfAllPods(t *testing.T) {
	b := newBench(t)
	b.deploy("web", "echo web starts; echo web ERROR here; sleep 1000", 2)
	b.deploy("worker", "echo worker starts; sleep 1000", 1)
	b.deploy("foreign", "echo foreign secret; sleep 1000", 1)
	b.appOf("shop", "web", "worker")
	r := b.logs("shop").ok(t)
	if n := strings.Count(r.stdout, "web starts\n"); n != 2 || !strings.Contains(r.stdout, "worker starts") || strings.Contains(r.stdout, "foreign") {
		t.Errorf("logs:\n%s", r.stdout)
	}
	for _, line := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
		if !strings.HasPrefix(line, "web-") && !strings.HasPrefix(line, "worker-") || !strings.Contains(line, "/main ") {
			t.Errorf("%q has no prefix of pod and container", line)
		}
	}
	if got := b.logs("shop", "--kind", "Deployment", "--name", "worker").ok(t).stdout; got != "worker starts\n" {
		t.Errorf("one pod: %q", got)
	}
	if got := b.logs("shop", "--filter", "error", "--name", "web").ok(t).stdout; strings.Count(got, "ERROR") != 2 || strings.Contains(got, "starts") {
		t.Errorf("filtered: %q", got)
	}
	if got := b.logs("shop", "--filter", "error", "-m").ok(t).stdout; got != "" {
		t.Errorf("filtered by case: %q", got)
	}
	if got := b.logs("shop", "--tail", "1", "--name", "web").ok(t).stdout; strings.Count(got, "\n") != 2 {
		t.Errorf("tail: %q", got)
	}
	b.logs("shop", "-c", "sidecar").exits(t, 20).says(t, `no pod has a container "sidecar"`, "there are main")
	b.logs("shop", "--name", "nobody").exits(t, 20).says(t, "has no pod that the flags select")
	b.logs("shop", "--until-time", "today").exits(t, 2)
	b.create("remote", func(app *v1alpha1.Application) { app.Spec.Destination.Server = "https://other.example.com" })
	b.logs("remote").exits(t, 20).says(t, `lives in the cluster "https://other.example.com"`)
}

// lockedBuffer is an output that a command writes while the test reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestLogsFollowNewPods(t *testing.T) {
	b := newBench(t)
	b.deploy("web", "echo web starts; sleep 1000", 1)
	b.appOf("shop", "web", "late")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs lockedBuffer
	code := make(chan int, 1)
	go func() {
		code <- cli.Main(ctx, cli.Env{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now},
			[]string{"app", "logs", "shop", "-f", "--kubeconfig", b.sandbox.Kubeconfig(), "-N", b.namespace})
	}()
	b.eventually("the first log is there", func(context.Context) bool { return strings.Contains(out.String(), "web starts") })
	b.deploy("late", "echo late starts; sleep 1000", 1)
	b.eventually("the log of the new pod is there", func(context.Context) bool { return strings.Contains(out.String(), "late starts") })
	cancel()
	if got := <-code; got != 130 {
		t.Errorf("exit code %d: %s", got, errs.String())
	}
	if n := strings.Count(out.String(), "web starts"); n != 1 {
		t.Errorf("%d times the same line:\n%s", n, out.String())
	}
}

func TestTreeAndLiveManifests(t *testing.T) {
	b := newBench(t)
	b.deploy("web", "sleep 1000", 1)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: b.namespace}, StringData: map[string]string{"password": "hunter2"}}
	if err := b.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	b.appOf("shop", "web")
	tree := b.run("app", "get", "shop", "-o", "tree").ok(t)
	tree.says(t, "KIND/NAME", "Deployment/web", "└─ReplicaSet/web-", "  └─Pod/web-", "Healthy")
	b.run("app", "resources", "shop", "-o", "tree=detailed").ok(t).says(t, "AGE", "Pod/web-")
	b.run("app", "resources", "shop").ok(t).says(t, "ORPHANED", "Secret")
	live := b.run("app", "manifests", "shop", "--source", "live").ok(t)
	live.says(t, "kind: Deployment", "kind: Secret", "password: ++++++++")
	for _, leak := range []string{"hunter2", "aHVudGVyMg", "managedFields"} {
		if strings.Contains(live.stdout, leak) {
			t.Errorf("%q is in the manifests", leak)
		}
	}
	b.run("app", "manifests", "shop").exits(t, 20).says(t, "built without the engine")
}

func TestCompletion(t *testing.T) {
	b := newBench(t)
	b.create("shop-dev", nil)
	b.create("shop-prod", func(app *v1alpha1.Application) { app.Status.History = deployments(2) })
	complete := func(args ...string) string {
		// Completion reads its flags from the words before the one to complete.
		words := append([]string{"__complete", "--kubeconfig", b.sandbox.Kubeconfig(), "--namespace", b.namespace}, args...)
		var out, errs lockedBuffer
		cli.Main(t.Context(), cli.Env{In: strings.NewReader(""), Out: &out, Err: &errs}, words)
		return out.String()
	}
	if got := complete("app", "get", ""); !strings.Contains(got, "shop-dev\nshop-prod\n") {
		t.Errorf("names: %q", got)
	}
	if got := complete("app", "rollback", "shop-prod", ""); !strings.HasPrefix(got, "41\t") {
		t.Errorf("ids: %q", got)
	}
	b.run("completion", "bash").ok(t).says(t, "__complete")
}

func TestRefusesAnAPIServer(t *testing.T) {
	b := newBench(t)
	run := func(args ...string) result {
		var out, errs bytes.Buffer
		env := cli.Env{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(name string) string { return b.env[name] }}
		return result{stdout: "", code: cli.Main(t.Context(), env, args), stderr: errs.String()}
	}
	b.env = map[string]string{"ARGOCD_SERVER": "cd.example.com", "KUBECONFIG": b.sandbox.Kubeconfig()}
	run("repo", "list").exits(t, 2).says(t, `ARGOCD_SERVER names the API server "cd.example.com"`, "--core")
	b.env["ARGOCD_OPTS"] = "--core --grpc-web"
	run("repo", "list").ok(t)
	b.run("app", "list", "--server", "cd.example.com").ok(t) // --core comes first
	delete(b.env, "ARGOCD_OPTS")
	b.run("app", "list").ok(t) // a kubeconfig that is named comes before the environment
	b.run("app", "list", "--server", "cd.example.com").exits(t, 2).says(t, "not both")
	b.env["ARGOCD_OPTS"] = `"open`
	b.run("app", "list").exits(t, 2)
}
