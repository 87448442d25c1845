package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a program that runs as long as the demo does.
type process struct {
	name string
	log  string // the file that it writes to
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended, once done is closed
}

const stopTimeout = 10 * time.Second

// start runs a program with its output in a file.
func start(name, log string, cmd *exec.Cmd) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = out.Close() }() // the child has its own descriptor
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()
	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Linux signals the death of the thread that started a child, so the thread must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// stop asks the program to end, and ends it when it does not.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // the only error is that it has ended
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill() // as above
		<-p.done
		return fmt.Errorf("%s did not end within %s and was killed", p.name, stopTimeout)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() == 130 { // interrupted, as asked
		return nil
	}
	return p.err
}

// failure is the error of a program that ended by itself.
func (p *process) failure() error {
	return fmt.Errorf("%s ended: %w; the end of %s:\n%s", p.name, orDone(p.err), p.log, tail(p.log))
}

func orDone(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

const tailBytes = 2000

// tail returns the last lines of a file.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(data) > tailBytes {
		data = data[len(data)-tailBytes:]
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			data = data[i+1:]
		}
	}
	return string(bytes.TrimSpace(data))
}

// awaitHTTP waits until url answers at all, or the program has ended.
func (p *process) awaitHTTP(ctx context.Context, url string, status int) error {
	client := &http.Client{Timeout: time.Second}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == status {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; the end of %s:\n%s", p.name, context.Cause(ctx), p.log, tail(p.log))
		case <-p.done:
			return p.failure()
		case <-tick.C:
		}
	}
}

// freeAddresses returns addresses on loopback that nobody listened on a moment ago, all different.
func freeAddresses(n int) ([]string, error) {
	var out []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = ln.Close() }() // held until all are found, so that none is found twice
		out = append(out, ln.Addr().String())
	}
	return out, nil
}
