package sandbox_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/belaycd/belay/internal/sandbox"
)

// TestRestartKeepsState runs a second cluster beside the shared one, with a data directory, twice.
func TestRestartKeepsState(t *testing.T) {
	binary := sandbox.Binary(t)
	options := sandbox.Options{Binary: binary, DataDir: t.TempDir(), Kubeconfig: filepath.Join(t.TempDir(), "kc"), Nodes: 1}
	first := launch(t, options)
	maps := clientOf(t, options.Kubeconfig).CoreV1().ConfigMaps(meta.NamespaceDefault)
	if _, err := maps.Create(t.Context(), &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "kept"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pods := clientOf(t, options.Kubeconfig).CoreV1().Pods(meta.NamespaceDefault)
	p := pod(pods, "kept", nil)
	create(t, p)
	eventually(t, "ready pod", func(ctx context.Context) (bool, error) { return ready(ctx, p) })
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	// The clients of the first run must work with the second: same address, same authority.
	launch(t, options)
	if _, err := maps.Get(t.Context(), "kept", meta.GetOptions{}); err != nil {
		t.Error(err)
	}
	got, err := pods.Get(t.Context(), "kept", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status.Phase != core.PodRunning || got.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("pod is %s after %d restarts", got.Status.Phase, got.Status.ContainerStatuses[0].RestartCount)
	}
}

// TestEndLeavesNothing ends a cluster by each signal and looks for what it left.
func TestEndLeavesNothing(t *testing.T) {
	binary := sandbox.Binary(t)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			temp := t.TempDir()
			kubeconfig := filepath.Join(temp, "kc")
			command := exec.Command(binary, "--kubeconfig", kubeconfig, "--nodes", "1")
			command.Env = append(os.Environ(), "TMPDIR="+temp)
			output, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := output.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			children := childrenOf(t, command.Process.Pid)
			if len(children) != 3 {
				t.Errorf("%d child processes", len(children))
			}
			begin := time.Now()
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := command.Wait(); err != nil && signal != syscall.SIGKILL {
				t.Error(err)
			}
			t.Logf("%s took %s", signal, time.Since(begin))
			eventually(t, "end of all processes", func(context.Context) (bool, error) {
				for _, pid := range children {
					if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && !isZombie(pid) {
						return false, nil
					}
				}
				return true, nil
			})
			if left, err := filepath.Glob(filepath.Join(temp, "*")); signal != syscall.SIGKILL && (err != nil || len(left) > 0) {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestLaunchTellsWhy(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "kc")
	if err := os.WriteFile(foreign, []byte("apiVersion: v1\nkind: Config\ncontexts: [{name: prod, context: {cluster: c}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := sandbox.Launch(t.Context(), sandbox.Options{Binary: sandbox.Binary(t), Kubeconfig: foreign})
	if err == nil || !strings.Contains(err.Error(), `"prod"`) {
		t.Errorf("error %v", err)
	}
}

func launch(t *testing.T, options sandbox.Options) *sandbox.Instance {
	t.Helper()
	instance, err := sandbox.Launch(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
	})
	return instance
}

func clientOf(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("needs /proc")
	}
	var children []int
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, pid)
		}
	}
	return children
}

// isZombie tells a process that has ended but that nobody waited for, as happens to orphans under some init processes.
func isZombie(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(data), ") Z ")
}
