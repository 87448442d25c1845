package guide

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/belaycd/belay/test/e2e/harness"
)

// generous says that it works at all. How fast it is stands in the log, for a person to read: other work on the machine
// must not fail a test.
const generous = 5 * time.Second

func deployments() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
}

func services() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "services"}
}

func pods() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "pods"}
}

func listByName(name string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name}
}

func (b *bench) object(t *testing.T, gvr schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := b.client.Resource(gvr).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (b *bench) application(t *testing.T, name string) map[string]any {
	t.Helper()
	gvr := schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	return b.object(t, gvr, "argocd", name).Object
}

// target is an object that something is done to, and how to tell whether it is as Git has it.
type target struct {
	gvr             schema.GroupVersionResource
	namespace, name string
	good            func(*unstructured.Unstructured) bool
}

// watcher sees every state of one object, with the time at which it arrived.
type watcher struct {
	target
	states <-chan state
}

type state struct {
	at   time.Time
	good bool
}

func (b *bench) watch(t *testing.T, o target) *watcher {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout+patience)
	t.Cleanup(cancel)
	u := b.object(t, o.gvr, o.namespace, o.name)
	w, err := b.client.Resource(o.gvr).Namespace(o.namespace).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", o.name).String(), ResourceVersion: u.GetResourceVersion(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	states := make(chan state, 1000)
	go func() {
		defer close(states)
		for e := range w.ResultChan() {
			u, ok := e.Object.(*unstructured.Unstructured)
			if !ok {
				return // an error, and with it the end of the watch
			}
			states <- state{time.Now(), e.Type != watch.Deleted && o.good(u)}
		}
	}()
	return &watcher{o, states}
}

// until waits for a state that is as Git has it, or is not, and returns when it arrived.
func (w *watcher) until(t *testing.T, good bool) time.Time {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case s, ok := <-w.states:
			if !ok {
				t.Fatalf("the watch of %s/%s ended", w.namespace, w.name)
			}
			if s.good == good {
				return s.at
			}
		case <-limit:
			t.Fatalf("%s/%s: waited %s for it to be as Git has it: %t", w.namespace, w.name, patience, good)
		}
	}
}

// tampering is a change by hand, and how production's diff tells of it.
type tampering struct {
	name, command string // with the namespace as %s
	target        target
	told          []string
}

func tamperings() []tampering {
	present := func(*unstructured.Unstructured) bool { return true }
	replicas := func(u *unstructured.Unstructured) bool {
		n, found, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		return found && n == 1
	}
	surge := func(u *unstructured.Unstructured) bool {
		n, _, _ := unstructured.NestedInt64(u.Object, "spec", "strategy", "rollingUpdate", "maxUnavailable")
		return n == 0
	}
	return []tampering{
		{"scale", "kubectl scale deployment/grafana --replicas=3 -n %s",
			target{gvr: deployments(), name: "grafana", good: replicas}, []string{"spec.replicas: 3 -> 1, last written by kubectl"}},
		{"edit", `KUBE_EDITOR="sed -i s/maxUnavailable:.0/maxUnavailable:\ 1/" kubectl edit deployment/agent-service -n %s`,
			target{gvr: deployments(), name: "agent-service", good: surge},
			[]string{"spec.strategy.rollingUpdate.maxUnavailable: 1 -> 0, last written by kubectl-edit"}},
		{"delete a Service", "kubectl delete service/redis -n %s --wait=false",
			target{gvr: services(), name: "redis", good: present}, []string{"Service callcenter-prod/redis", "missing in the cluster"}},
		{"delete a Deployment", "kubectl delete deployment/mlflow -n %s --wait=false",
			target{gvr: deployments(), name: "mlflow", good: present}, []string{"Deployment callcenter-prod/mlflow", "missing in the cluster"}},
	}
}

// measure takes the times of what the guide promises.
func (b *bench) measure(t *testing.T) {
	t.Run("push to live", b.measurePush)
	for _, c := range tamperings() {
		t.Run("dev: "+c.name, func(t *testing.T) { b.undone(t, c) })
	}
	for _, c := range tamperings() {
		t.Run("production: "+c.name, func(t *testing.T) { b.shown(t, c) })
	}
	t.Run("production: sync repairs all", func(t *testing.T) {
		if !b.kubectl {
			t.Skip("there is no kubectl")
		}
		b.must(t, "belay app sync callcenter-ai-prod")
		b.awaitStatus(t, "callcenter-ai-prod", "Synced", "Healthy")
		if out, code := b.run(t, "belay app diff callcenter-ai-prod"); code != 0 {
			t.Errorf("there is still a difference:\n%s", out)
		}
	})
}

// measurePush takes the time from a push of an image tag until the cluster has it.
func (b *bench) measurePush(t *testing.T) {
	for i := range 5 {
		tag := fmt.Sprintf("v1.3.%d", i)
		b.release(t, "dev", tag)
		b.must(t, "git commit -qam 'feat: agent service "+tag+"'")
		w := b.watch(t, target{deployments(), "callcenter-dev", "agent-service", func(u *unstructured.Unstructured) bool {
			return strings.HasSuffix(imageOf(u), ":"+tag)
		}})
		begun := time.Now()
		b.must(t, "git push -q origin develop")
		pushed := time.Now()
		live := w.until(t, true)
		t.Logf("%s: live %s after the end of git push, %s after its begin", tag, ms(live.Sub(pushed)), ms(live.Sub(begun)))
		if d := live.Sub(pushed); d > generous {
			t.Errorf("live %s after the push", d)
		}
		b.awaitStatus(t, "callcenter-ai-dev", "Synced", "Healthy")
	}
}

// undone takes the time that a change by hand stands in dev.
func (b *bench) undone(t *testing.T, c tampering) {
	if !b.kubectl {
		t.Skip("there is no kubectl")
	}
	c.target.namespace = "callcenter-dev"
	w := b.watch(t, c.target)
	b.must(t, fmt.Sprintf(c.command, c.target.namespace))
	changed := w.until(t, false)
	back := w.until(t, true)
	t.Logf("undone after %s", ms(back.Sub(changed)))
	if d := back.Sub(changed); d > generous {
		t.Errorf("undone after %s", d)
	}
	b.awaitStatus(t, "callcenter-ai-dev", "Synced", "Healthy")
}

// shown checks that a change by hand stands in production, and that the diff names the field, both values and the manager.
func (b *bench) shown(t *testing.T, c tampering) {
	if !b.kubectl {
		t.Skip("there is no kubectl")
	}
	c.target.namespace = "callcenter-prod"
	w := b.watch(t, c.target)
	b.must(t, fmt.Sprintf(c.command, c.target.namespace))
	changed := w.until(t, false)
	var out string
	harness.Eventually(t, "app diff tells of it", func(context.Context) error {
		var code int
		if out, code = b.run(t, "argocd app diff callcenter-ai-prod"); code != 1 {
			return fmt.Errorf("exit code %d\n%s", code, out)
		}
		for _, text := range c.told {
			if !strings.Contains(out, text) {
				return fmt.Errorf("%q is not in:\n%s", text, out)
			}
		}
		return nil
	})
	t.Logf("told by app diff %s after the change: %s", ms(time.Since(changed)), strings.Join(c.told, "; "))
	// That nothing happens cannot be waited for: whatever arrives in this time must not be a repair.
	still := time.After(3 * time.Second)
	for {
		select {
		case s, ok := <-w.states:
			if !ok {
				t.Fatalf("the watch of %s ended", w.name)
			}
			if s.good {
				t.Fatal("production was changed without an operator")
			}
		case <-still:
			return
		}
	}
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
