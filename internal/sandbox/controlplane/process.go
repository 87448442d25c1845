package controlplane

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// tailBytes is how much of a component's log an error quotes.
const tailBytes = 2000

// process is a running component: this binary, started again under the component's name.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	// done is closed when the process has ended; err says how.
	done chan struct{}
	err  error
}

// startProcess runs the executable under the name, with its output in the log file, in a process group of its own so
// that Ctrl-C in a terminal reaches only the supervisor, which then stops its children in order.
func startProcess(executable, name, log string, args []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	cmd := exec.Command(executable, args...)
	cmd.Args[0] = name
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()

	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started, out)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// run starts the process and waits for it on one locked thread: Linux sends the parent death signal when the *thread*
// that started the child ends (golang.org/issue/27505), so that thread must live as long as the child.
func (p *process) run(started chan<- error, out *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer out.Close() //nolint:errcheck // a log file that the child wrote; nothing of ours is buffered
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// stop asks the process to end, and ends it if it has not done so after the grace time.
func (p *process) stop(grace time.Duration) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		return
	}
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	// An error means that it ended in this very moment, which is what we want.
	_ = p.cmd.Process.Kill()
	<-p.done
}

// failure describes an unexpected end, with the last lines that the component wrote.
func (p *process) failure() error {
	return fmt.Errorf("%s ended unexpectedly (%v); its last lines:\n%s", p.name, p.err, tail(p.log))
}

func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(data) > tailBytes {
		data = data[len(data)-tailBytes:]
	}
	return strings.TrimSpace(string(data))
}
