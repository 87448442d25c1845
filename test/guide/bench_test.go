package guide

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/belaycd/belay/internal/demo"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

const (
	commandTimeout = time.Minute
	patience       = 30 * time.Second
	startTimeout   = 5 * time.Minute
	buildTimeout   = 15 * time.Minute
)

// bench is a running demo and a clone of its repository, as a member of the team has them.
type bench struct {
	demo    *demo.Demo
	clone   string
	env     []string
	kubectl bool
	client  dynamic.Interface
	story   *story
}

// story keeps what the demo tells, for a test that fails.
type story struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *story) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// newBench starts a demo and clones its repository.
func newBench(t *testing.T) *bench {
	t.Helper()
	box, belay := sandbox.Binary(t), harness.Program(t)
	home, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{"belay", "argocd"} { // the guide says argocd
		if err := os.Symlink(belay, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{story: &story{}, clone: filepath.Join(home, "callcenter")}
	b.env = append(os.Environ(), "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"TERM=dumb", "KUBECONFIG=/dev/null")
	b.kubectl = b.findKubectl(t, bin)

	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	d, err := demo.Start(ctx, demo.Config{Belay: belay, Sandbox: box, Dir: filepath.Join(home, "demo"), Env: b.env, Out: b.story})
	if err != nil {
		t.Fatal(err)
	}
	follow, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Errorf("the demo did not last: %v", err)
		}
		if err := d.Stop(); err != nil {
			t.Errorf("stop the demo: %v", err)
		}
		if t.Failed() || testing.Verbose() {
			t.Logf("what the demo told:\n%s", b.story)
		}
	})
	if err := d.Ready(ctx); err != nil {
		ended <- err
		t.Fatal(err)
	}
	go func() { ended <- d.Follow(follow) }()

	b.demo = d
	b.env = append(b.env, "KUBECONFIG="+d.Kubeconfig())
	rc, err := clientcmd.BuildConfigFromFlags("", d.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if b.client, err = dynamic.NewForConfig(rc); err != nil {
		t.Fatal(err)
	}
	if out, code := b.runIn(t, home, fmt.Sprintf("git clone -q -c user.name=You -c user.email=you@example.com %s %s", d.CloneURL(), b.clone)); code != 0 {
		t.Fatalf("clone: %s", out)
	}
	return b
}

// findKubectl looks on PATH, then in the checkout's bin, then builds one from the modules that the sandbox is made of.
func (b *bench) findKubectl(t *testing.T, bin string) bool {
	t.Helper()
	if _, err := exec.LookPath("kubectl"); err == nil {
		return true
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(root, "bin", "kubectl")
	if _, err := os.Stat(built); err != nil {
		ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, "make", "kubectl")
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("there is no kubectl, and it cannot be built, so that the guide's kubectl commands are not run: %v\n%s", err, out)
			return false
		}
	}
	if err := os.Symlink(built, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	return true
}

// run runs a command line in the clone and returns all that it printed and its exit code.
func (b *bench) run(t *testing.T, command string) (string, int) {
	t.Helper()
	return b.runIn(t, b.clone, command)
}

func (b *bench) runIn(t *testing.T, dir, command string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Env = dir, b.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s: no end after %s; it printed:\n%s", command, commandTimeout, out)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return string(out), 0
}

// must runs a command line that has to succeed.
func (b *bench) must(t *testing.T, command string) string {
	t.Helper()
	out, code := b.run(t, command)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", command, code, out)
	}
	return out
}

// release sets the tag of agent-service in an overlay.
func (b *bench) release(t *testing.T, overlay, tag string) {
	t.Helper()
	path := filepath.Join(b.clone, "infrastructure/k8s/overlays", overlay, "kustomization.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(data), "callcenter-ai/agent-service\n    newTag: ")
	if !ok {
		t.Fatalf("%s has no tag of agent-service", path)
	}
	_, after, _ = strings.Cut(after, "\n")
	data = []byte(before + "callcenter-ai/agent-service\n    newTag: " + tag + "\n" + after)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
