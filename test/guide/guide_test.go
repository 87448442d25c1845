package guide

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// guideVariable names a file with the guide; without it the test looks beside the checkout.
const guideVariable = "BELAY_GUIDE"

func readGuide(t *testing.T) string {
	t.Helper()
	path := os.Getenv(guideVariable)
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "guide", "gitops-workflow-guide.md")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the guide is not at %s; %s names another place", path, guideVariable)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// want is what a command of the guide does today.
type want struct {
	code  int
	texts []string // parts of what it prints
}

// step is a block of the guide: what has to be so before, what its commands do, and what is so after.
type step struct {
	section, language string
	before            func(*testing.T, *bench)
	commands          map[string]want
	after             func(*testing.T, *bench)
	yaml              func(*testing.T, *bench, map[string]any) // for a block that shows YAML
}

// TestGuide runs the guide from its beginning to its end against one demo.
func TestGuide(t *testing.T) {
	guide := readGuide(t)
	b := newBench(t)
	steps := append(workflow(), operations()...)
	var at int
	for _, block := range blocks(guide) {
		if block.language != "bash" && block.language != "yaml" {
			continue // drawings and lists
		}
		if at == len(steps) || steps[at].section != block.section || steps[at].language != block.language {
			t.Fatalf("the guide has a %s block in %q that is not expected here:\n%s", block.language, block.section, block.text)
		}
		b.play(t, steps[at], block)
		at++
	}
	if at < len(steps) {
		t.Fatalf("the guide has no %s block in %q any more", steps[at].language, steps[at].section)
	}
	t.Run("Health Status Degraded", func(t *testing.T) { b.inline(t, guide) })
	t.Run("figures", b.measure)
}

// TestReference holds the reference to the guide: every command has a row there.
func TestReference(t *testing.T) {
	guide := readGuide(t)
	path := filepath.Join("..", "..", "docs", "reference", "guide.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commands := inline(guide, "Health Status Degraded")
	for _, b := range blocks(guide) {
		if b.language == "bash" {
			commands = append(commands, b.commands()...)
		}
	}
	for _, c := range commands {
		if !strings.Contains(string(data), "| `"+c+"` |") {
			t.Errorf("%s has no row for %s", path, c)
		}
	}
}

// play runs one block.
func (b *bench) play(t *testing.T, s step, block block) {
	ok := t.Run(block.section, func(t *testing.T) {
		if s.before != nil {
			s.before(t, b)
		}
		if s.yaml != nil {
			var shown map[string]any
			if err := yaml.Unmarshal([]byte(block.text), &shown); err != nil {
				t.Fatal(err)
			}
			s.yaml(t, b, shown)
			return
		}
		seen := 0
		for _, command := range block.commands() {
			w, known := s.commands[command]
			if !known {
				t.Fatalf("the guide has a command that the test does not know: %s", command)
			}
			seen++
			b.expect(t, command, w)
		}
		if seen != len(s.commands) {
			t.Errorf("the guide has %d commands here, the test %d", seen, len(s.commands))
		}
		if s.after != nil {
			s.after(t, b)
		}
	})
	if !ok {
		t.FailNow() // what comes next builds on it
	}
}

func (b *bench) expect(t *testing.T, command string, w want) {
	t.Helper()
	if strings.HasPrefix(command, "kubectl ") && !b.kubectl {
		t.Logf("not run, there is no kubectl: %s", command)
		return
	}
	out, code := b.run(t, command)
	t.Logf("$ %s\n%s(exit code %d)", command, excerpt(out), code)
	if code != w.code {
		t.Errorf("%s: exit code %d, want %d\n%s", command, code, w.code, out)
	}
	for _, text := range w.texts {
		if !strings.Contains(out, text) {
			t.Errorf("%s: %q is not in what it printed:\n%s", command, text, out)
		}
	}
}

// excerpt keeps the log of a test readable.
func excerpt(out string) string {
	const most = 12
	lines := strings.SplitAfter(out, "\n")
	if len(lines) <= most {
		return out
	}
	return strings.Join(lines[:most/2], "") + fmt.Sprintf("... %d lines ...\n", len(lines)-most) + strings.Join(lines[len(lines)-most/2:], "")
}

// workflow are the blocks from a change to its deployment.
func workflow() []step {
	return []step{
		{section: "Making Changes", language: "bash", commands: map[string]want{
			"git checkout -b feature/update-agent-service": {texts: []string{"feature/update-agent-service"}},
		}, after: func(t *testing.T, b *bench) { b.release(t, "dev", "v1.2.0") }},
		{section: "Making Changes", language: "bash", commands: map[string]want{
			"kubectl kustomize infrastructure/k8s/overlays/dev > /tmp/manifests.yaml": {},
			"kubectl apply --dry-run=client -f /tmp/manifests.yaml":                   {texts: []string{"deployment.apps/agent-service created (dry run)"}},
		}},
		{section: "Making Changes", language: "bash", commands: map[string]want{
			"git add infrastructure/":                              {},
			`git commit -m "feat: update agent service to v1.2.0"`: {texts: []string{"1 file changed"}},
			"git push origin feature/update-agent-service":         {texts: []string{"new branch"}},
		}, after: merge},
		{section: "Development", language: "yaml", yaml: func(t *testing.T, b *bench, shown map[string]any) {
			spec := b.application(t, "callcenter-ai-dev")["spec"].(map[string]any)
			contains(t, "syncPolicy", shown["syncPolicy"], spec["syncPolicy"])
		}},
		{section: "Production", language: "yaml", yaml: production},
		{section: "Rolling Update (Default)", language: "yaml", yaml: func(t *testing.T, b *bench, shown map[string]any) {
			live := b.object(t, deployments(), "callcenter-dev", "agent-service")
			contains(t, "spec", shown["spec"], live.Object["spec"])
		}},
	}
}

// merge is what the guide leaves to the forge: the change reaches dev, then staging, then main.
func merge(t *testing.T, b *bench) {
	if image := b.image(t, "callcenter-dev"); !strings.HasSuffix(image, ":v1.1.0") {
		t.Errorf("a feature branch is deployed: %s", image)
	}
	b.must(t, "git checkout -q develop && git merge -q --ff-only feature/update-agent-service")
	b.must(t, "git push -q origin develop")
	b.awaitImage(t, "callcenter-dev", ":v1.2.0")
	b.awaitStatus(t, "callcenter-ai-dev", "Synced", "Healthy")

	b.release(t, "staging", "v1.2.0")
	b.must(t, `git commit -qam "feat: agent service v1.2.0 to staging" && git push -q origin develop develop:staging`)
	b.awaitImage(t, "callcenter-staging", ":v1.2.0")
	b.awaitStatus(t, "callcenter-ai-staging", "Synced", "Healthy")

	// The first release to production, and then the change, each after a review by an operator.
	b.must(t, "argocd app sync callcenter-ai-prod")
	b.awaitStatus(t, "callcenter-ai-prod", "Synced", "Healthy")
	b.release(t, "prod", "v1.2.0")
	b.must(t, `git commit -qam "feat: agent service v1.2.0 to production" && git push -q origin develop develop:main`)
	b.awaitStatus(t, "callcenter-ai-prod", "OutOfSync", "Healthy")
	if image := b.image(t, "callcenter-prod"); !strings.HasSuffix(image, ":v1.0.0") {
		t.Errorf("production did not wait for its operator: %s", image)
	}
	b.must(t, "argocd app sync callcenter-ai-prod")
	b.awaitImage(t, "callcenter-prod", ":v1.2.0")
	b.awaitStatus(t, "callcenter-ai-prod", "Synced", "Healthy")
}

// production checks that the block is the policy that the cluster has, and that it is accepted as it is written.
func production(t *testing.T, b *bench, shown map[string]any) {
	policy := shown["syncPolicy"].(map[string]any)
	if value, ok := policy["automated"]; !ok || value != nil {
		t.Fatalf("the guide shows %v", shown)
	}
	for _, path := range []string{"argocd/apps/callcenter-ai-prod.yaml"} {
		data, err := os.ReadFile(filepath.Join(b.clone, path))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), "    automated: null\n") {
			t.Errorf("%s does not have the guide's policy", path)
		}
	}
	live := b.application(t, "callcenter-ai-prod")["spec"].(map[string]any)["syncPolicy"].(map[string]any)
	if live["automated"] != nil {
		t.Errorf("production syncs by itself: %v", live)
	}
}

// operations are the blocks for what comes after a deployment.
func operations() []step {
	return []step{
		{section: "Using ArgoCD CLI", language: "bash", commands: map[string]want{
			"argocd app history callcenter-ai-prod": {texts: []string{"ID", "DATE", "REVISION", "0 ", "1 ", "main ("}},
			// There have been two deployments, so that number 42 has to be refused, with a way out.
			"argocd app rollback callcenter-ai-prod 42": {code: 20, texts: []string{"does not have deployment id 42", "app history"}},
		}, after: func(t *testing.T, b *bench) {
			b.must(t, "argocd app rollback callcenter-ai-prod 0")
			b.awaitImage(t, "callcenter-prod", ":v1.0.0")
			b.awaitStatus(t, "callcenter-ai-prod", "OutOfSync", "Healthy")
		}},
		{section: "Using kubectl", language: "bash", commands: map[string]want{
			"kubectl rollout undo deployment/agent-service -n callcenter-prod":                 {texts: []string{"rolled back"}},
			"kubectl rollout undo deployment/agent-service --to-revision=3 -n callcenter-prod": {texts: []string{"rolled back"}},
		}, after: func(t *testing.T, b *bench) {
			b.awaitImage(t, "callcenter-prod", ":v1.0.0")
			b.awaitStatus(t, "callcenter-ai-prod", "OutOfSync", "Healthy")
		}},
		{section: "Logs", language: "bash", commands: map[string]want{
			// An installation has a Deployment of that name. The demo's Belay runs beside the cluster, not in it.
			"kubectl logs -n argocd deployment/argocd-server": {code: 1, texts: []string{"not found"}},
			"argocd app logs callcenter-ai-prod":              {},
		}},
		{section: "Application Out of Sync", language: "bash", commands: map[string]want{
			"argocd app diff callcenter-ai-prod": {code: 1, texts: []string{"containers[name=agent-service].image", ":v1.0.0", ":v1.2.0"}},
			"argocd app sync callcenter-ai-prod": {texts: []string{"Succeeded", "Synced"}},
		}, after: func(t *testing.T, b *bench) {
			b.awaitImage(t, "callcenter-prod", ":v1.2.0")
			b.awaitStatus(t, "callcenter-ai-prod", "Synced", "Healthy")
		}},
	}
}

// inline runs the commands inside the sentences of the section on degraded health.
func (b *bench) inline(t *testing.T, guide string) {
	known := map[string]want{
		"kubectl get pods -n callcenter-prod":        {texts: []string{"agent-service-"}},
		"kubectl logs <pod-name> -n callcenter-prod": {},
		"kubectl get events -n callcenter-prod":      {},
	}
	list := inline(guide, "Health Status Degraded")
	if len(list) != len(known) {
		t.Errorf("the guide has %d commands here, the test %d", len(list), len(known))
	}
	for _, command := range list {
		w, ok := known[command]
		if !ok {
			t.Errorf("the guide has a command that the test does not know: %s", command)
			continue
		}
		if strings.Contains(command, "<pod-name>") {
			pods, err := b.client.Resource(pods()).Namespace("callcenter-prod").List(harness.Context(t), listByName("agent-service"))
			if err != nil || len(pods.Items) == 0 {
				t.Fatalf("no pod of agent-service: %v", err)
			}
			command = strings.Replace(command, "<pod-name>", pods.Items[0].GetName(), 1)
		}
		b.expect(t, command, w)
	}
}

// contains checks that all that the guide shows is so in the cluster; there may be more.
func contains(t *testing.T, path string, shown, live any) {
	t.Helper()
	fields, ok := shown.(map[string]any)
	if !ok {
		// The guide's numbers are floats, those of the API integers.
		if d := cmp.Diff(fmt.Sprint(shown), fmt.Sprint(live)); d != "" {
			t.Errorf("%s (-guide +cluster):\n%s", path, d)
		}
		return
	}
	has, ok := live.(map[string]any)
	if !ok {
		t.Errorf("%s: the guide has %v, the cluster %v", path, shown, live)
		return
	}
	for k, v := range fields {
		contains(t, path+"."+k, v, has[k])
	}
}

func (b *bench) image(t *testing.T, namespace string) string {
	t.Helper()
	return imageOf(b.object(t, deployments(), namespace, "agent-service"))
}

func imageOf(u *unstructured.Unstructured) string {
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	if len(containers) == 0 {
		return ""
	}
	image, _ := containers[0].(map[string]any)["image"].(string)
	return image
}

func (b *bench) awaitImage(t *testing.T, namespace, suffix string) {
	t.Helper()
	harness.Eventually(t, "agent-service of "+namespace+" is "+suffix, func(context.Context) error {
		if image := b.image(t, namespace); !strings.HasSuffix(image, suffix) {
			return fmt.Errorf("it is %s", image)
		}
		return nil
	})
}

// awaitStatus waits until an application is as wanted and nothing is under way.
func (b *bench) awaitStatus(t *testing.T, name, sync, health string) {
	t.Helper()
	harness.Eventually(t, name+" is "+sync+" and "+health, func(context.Context) error {
		app := b.application(t, name)
		s, _, _ := unstructured.NestedString(app, "status", "sync", "status")
		h, _, _ := unstructured.NestedString(app, "status", "health", "status")
		phase, _, _ := unstructured.NestedString(app, "status", "operationState", "phase")
		if s != sync || h != health || phase == "Running" {
			return fmt.Errorf("it is %s, %s; the operation is %s", s, h, phase)
		}
		return nil
	})
}
