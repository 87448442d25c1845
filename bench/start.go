package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/config"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/sandbox"
)

// stage is the surroundings of a run; close ends what it started.
type stage struct {
	dir    string
	plane  system
	closes []func()
}

func (s *stage) close() {
	for i := len(s.closes) - 1; i >= 0; i-- {
		s.closes[i]()
	}
}

func (s *stage) later(f func()) { s.closes = append(s.closes, f) }

func newStage() (*stage, error) {
	dir, err := os.MkdirTemp("", "belay-bench-")
	if err != nil {
		return nil, fmt.Errorf("create working directory: %w", err)
	}
	s := &stage{dir: dir}
	s.later(func() { _ = os.RemoveAll(dir) }) // at the end there is no one left to tell
	return s, nil
}

// cluster starts a control plane with Belay's custom resource definitions and returns its kubeconfig.
func (s *stage) cluster(ctx context.Context, o options) (string, error) {
	instance, err := sandbox.Launch(context.WithoutCancel(ctx), sandbox.Options{Binary: o.sandbox, Log: o.log})
	if err != nil {
		return "", err
	}
	s.later(func() { _ = instance.Stop() }) // it ends with this process at the latest
	if s.plane, err = children(); err != nil {
		return "", err
	}
	a, err := newAPI(instance.Kubeconfig())
	if err != nil {
		return "", err
	}
	if err := a.apply(ctx, "/api/v1/namespaces/"+o.namespace, namespaceJSON(o.namespace)); err != nil {
		return "", err
	}
	return instance.Kubeconfig(), a.install(ctx)
}

// install applies the custom resource definitions and waits until they are served.
func (a *api) install(ctx context.Context) error {
	crds, err := config.CRDs()
	if err != nil {
		return err
	}
	for _, crd := range crds {
		body, err := yaml.YAMLToJSON(crd)
		if err != nil {
			return fmt.Errorf("read custom resource definition: %w", err)
		}
		var head struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(body, &head); err != nil {
			return fmt.Errorf("read custom resource definition: %w", err)
		}
		if err := a.apply(ctx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+head.Metadata.Name, body); err != nil {
			return err
		}
	}
	return retry(ctx, "Applications are served", func() error {
		return a.do(ctx, request{method: http.MethodGet, path: "/apis/argoproj.io/v1alpha1/applications"})
	})
}

// git serves an empty repository over HTTP on a free port and returns its URL.
func (s *stage) git(ctx context.Context, o options) (string, error) {
	dir := filepath.Join(s.dir, "git")
	cmd := exec.CommandContext(ctx, "git", "init", "-q", "--bare", "-b", branch, filepath.Join(dir, "bench.git"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make repository: %w: %s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen for git: %w", err)
	}
	server := &http.Server{Handler: gitserver.New(gitserver.Config{Dir: dir}), ReadHeaderTimeout: time.Minute}
	s.later(func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(o.log, "git server:", err)
		}
	}()
	return "http://" + listener.Addr().String() + "/bench.git", nil
}

// belay starts the controller and returns its process and the address of its webhook.
func (s *stage) belay(ctx context.Context, o options, kubeconfig string) (pid int, webhook string, err error) {
	ports, err := freePorts(3)
	if err != nil {
		return 0, "", err
	}
	args := []string{"run", "--kubeconfig", kubeconfig, "--namespace", o.namespace, "--leader-election=false",
		"--metrics-addr", ports[0], "--health-addr", ports[1], "--address", ports[2],
		"--cache-dir", filepath.Join(s.dir, "cache")}
	logFile, err := os.Create(o.controllerLog(s.dir))
	if err != nil {
		return 0, "", fmt.Errorf("open log of belay: %w", err)
	}
	s.later(func() { _ = logFile.Close() })
	p, err := start(o.belay, append(args, o.belayArgs...), logFile)
	if err != nil {
		return 0, "", err
	}
	s.later(p.stop)
	err = retry(ctx, "belay is ready", func() error {
		select {
		case <-p.done:
			return &endedError{p.err, logFile.Name()}
		default:
		}
		resp, err := http.Get("http://" + ports[1] + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz answers %s", resp.Status)
		}
		return nil
	})
	return p.pid, "http://" + ports[2] + "/api/webhook", err
}

type endedError struct {
	err error
	log string
}

func (e *endedError) Error() string {
	data, err := os.ReadFile(e.log)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("belay has ended: %v: %s", e.err, data[max(0, len(data)-2000):])
}

// retry calls f until it succeeds, the process it looks for has ended, or half a minute is over.
func retry(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := f()
		var ended *endedError
		if err == nil || errors.As(err, &ended) {
			return err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("wait until %s: %w", what, err)
		}
	}
}

func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// process is a child that ends with us, even if we are killed.
type process struct {
	pid  int
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func start(program string, args []string, log io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		// The death signal is sent when the thread that started the child ends, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p.pid = p.cmd.Process.Pid
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill() // as above
		<-p.done
	}
}
