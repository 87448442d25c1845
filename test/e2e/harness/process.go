package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Plane is a control-plane namespace and the belay that serves it.
type Plane struct {
	*Cluster
	Namespace string
	// Args are added to the command line of the next Start.
	Args []string

	dir     string
	log     string
	process *process
}

// Plane makes a control-plane namespace and starts a belay for it, which ends with the test.
func (c *Cluster) Plane(t testing.TB) *Plane {
	t.Helper()
	p := c.Prepared(t)
	p.Start(t)
	return p
}

// Prepared makes a control-plane namespace for a belay that is yet to be started.
func (c *Cluster) Prepared(t testing.TB) *Plane {
	t.Helper()
	p := &Plane{Cluster: c, Namespace: c.Namespace(t), dir: t.TempDir()}
	p.log = filepath.Join(p.dir, "belay.log")
	t.Cleanup(p.Kill)
	return p
}

// Served returns a control plane whose controller somebody else runs.
func (c *Cluster) Served(namespace string) *Plane { return &Plane{Cluster: c, Namespace: namespace} }

// Beside starts another belay for the same control plane, with further arguments, which ends with the test too.
func (p *Plane) Beside(t testing.TB, args ...string) *Plane {
	t.Helper()
	other := &Plane{Cluster: p.Cluster, Namespace: p.Namespace, Args: args, dir: t.TempDir()}
	other.log = filepath.Join(other.dir, "belay.log")
	t.Cleanup(other.Kill)
	other.Start(t)
	return other
}

// Start starts belay and waits until it is ready.
func (p *Plane) Start(t testing.TB) {
	t.Helper()
	health := FreeAddr(t)
	args := append([]string{
		"run", "--kubeconfig", p.Kubeconfig, "--namespace", p.Namespace, "--leader-election=false", "--metrics-addr", "0",
		"--address", "0", "--health-addr", health, "--cache-dir", filepath.Join(p.dir, "cache"),
	}, p.Args...)
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has its own
	if p.process, err = start(p.Belay, args, log); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "belay is ready", func(ctx context.Context) error {
		select {
		case <-p.process.done:
			t.Fatalf("belay has ended: %v\n%s", p.process.err, p.LogTail())
		default:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz answers %s", resp.Status)
		}
		return nil
	})
}

// Kill ends belay as a crash does, and returns when it is gone.
func (p *Plane) Kill() {
	if p.process != nil {
		_ = p.process.cmd.Process.Kill() // an error means that it has ended
		<-p.process.done
	}
}

// Stop asks belay to end and returns how it did.
func (p *Plane) Stop() error {
	_ = p.process.cmd.Process.Signal(syscall.SIGTERM) // as above
	select {
	case <-p.process.done:
		return p.process.err
	case <-time.After(Limit):
		return errors.New("belay did not end after SIGTERM")
	}
}

// Ended is closed when belay is gone.
func (p *Plane) Ended() <-chan struct{} { return p.process.done }

// Log returns what belay has written.
func (p *Plane) Log() string {
	if p.log == "" {
		return "" // somebody else's
	}
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// LogTail returns the last lines of the log.
func (p *Plane) LogTail() string {
	lines := strings.Split(strings.TrimSpace(p.Log()), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// LogOf returns the last lines of the log about an application.
func (p *Plane) LogOf(name string) string {
	var out []string
	for _, line := range strings.Split(p.Log(), "\n") {
		if strings.Contains(line, p.Namespace+"/"+name+"\"") {
			out = append(out, line)
		}
	}
	return strings.Join(out[max(0, len(out)-40):], "\n")
}

// process is a child that ends with us, even if we are killed.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func start(program string, args []string, log *os.File) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
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
	return p, nil
}

// FreeAddr returns an address on loopback that nobody listens at.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // somebody else may take it meanwhile; then belay says so and the test fails
	return l.Addr().String()
}
