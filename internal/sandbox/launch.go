// Package sandbox starts a Kubernetes cluster for the length of a test, a demonstration or a benchmark: in goes nothing
// but options, out comes a kubeconfig for a real API server whose nodes and pods are simulated.
//
// The cluster is the program belay-sandbox, run as a child process: importing this package does not pull Kubernetes into
// the importing binary. The package has no knowledge of how the cluster works.
package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// stopTimeout is more than belay-sandbox takes to end (five seconds at most).
	stopTimeout = 10 * time.Second
	readyWord   = "ready "
)

// Options say what to launch. The zero value is a cluster of three nodes in a temporary directory.
type Options struct {
	// Binary is the path of belay-sandbox; empty means that of PATH.
	Binary string
	// DataDir keeps the state of the cluster; empty means a temporary directory, removed at the end.
	DataDir string
	// Kubeconfig is the file to write; empty means one inside the data directory.
	Kubeconfig string
	// Nodes is the number of simulated nodes; 0 means 3.
	Nodes int
	// Port of the API server; 0 means that of the last run with DataDir, or any free one.
	Port int
	// Log takes the warnings of the cluster; nil drops them.
	Log io.Writer
}

// Instance is a running cluster.
type Instance struct {
	kubeconfig string
	process    *os.Process
	stopOnce   sync.Once
	// done is closed when the program has ended; err is nil after an orderly end.
	done chan struct{}
	err  error
}

// Launch starts a cluster and returns when it is ready to use. The cluster ends with Stop, when ctx ends, or when this
// process dies (on Linux). An error includes what the program wrote to its standard error.
func Launch(ctx context.Context, o Options) (*Instance, error) {
	binary := o.Binary
	if binary == "" {
		binary = "belay-sandbox"
	}
	output, input, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start belay-sandbox: %w", err)
	}
	log := &logTail{next: o.Log}
	cmd := exec.Command(binary, o.arguments()...)
	cmd.Stdout, cmd.Stderr = input, log
	cmd.SysProcAttr = childAttributes()

	i := &Instance{done: make(chan struct{})}
	started := make(chan error, 1)
	go i.run(cmd, started)
	err = <-started
	_ = input.Close() // the child has its own copy; ours would keep the pipe open
	if err != nil {
		_ = output.Close() // nothing was written
		return nil, fmt.Errorf("start belay-sandbox: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = i.Stop() }) // Done and Err tell how it ended
	if i.kubeconfig, err = awaitReady(output); err != nil {
		_ = i.Stop() // the reason is in the log
		if ctx.Err() != nil {
			return nil, fmt.Errorf("start belay-sandbox: %w", ctx.Err())
		}
		return nil, fmt.Errorf("start belay-sandbox: %w: %s", err, log)
	}
	return i, nil
}

// Kubeconfig is the path of a kubeconfig for the cluster's administrator.
func (i *Instance) Kubeconfig() string { return i.kubeconfig }

// Done is closed when the cluster has ended, for whatever reason.
func (i *Instance) Done() <-chan struct{} { return i.done }

// Err tells, after Done, how the cluster ended: nil if it was stopped.
func (i *Instance) Err() error {
	select {
	case <-i.done:
		return i.err
	default:
		return nil
	}
}

// Stop ends the cluster and returns when all its processes are gone. It may be called more than once.
func (i *Instance) Stop() error {
	i.stopOnce.Do(func() {
		// The only error is that it has ended already.
		_ = i.process.Signal(syscall.SIGTERM)
		select {
		case <-i.done:
		case <-time.After(stopTimeout):
			_ = i.process.Kill() // as above
		}
	})
	<-i.done
	return i.err
}

// run starts the program and waits for it on one locked thread: Linux sends the parent death signal when the thread that
// started the child ends (golang.org/issue/27505), so that thread must live as long as the child.
func (i *Instance) run(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	i.process = cmd.Process
	started <- nil
	if err := cmd.Wait(); err != nil {
		i.err = fmt.Errorf("belay-sandbox: %w: %s", err, cmd.Stderr)
	}
	close(i.done)
}

func (o Options) arguments() []string {
	var arguments []string
	for _, flag := range []struct{ name, value string }{
		{"--data-dir", o.DataDir},
		{"--kubeconfig", o.Kubeconfig},
		{"--nodes", nonZero(o.Nodes)},
		{"--port", nonZero(o.Port)},
	} {
		if flag.value != "" {
			arguments = append(arguments, flag.name, flag.value)
		}
	}
	return arguments
}

func nonZero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// awaitReady reads the line "ready KUBECONFIG", then drains the rest so that the program never blocks on its output.
func awaitReady(output *os.File) (string, error) {
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		if path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), readyWord); ok {
			go func() {
				_, _ = io.Copy(io.Discard, reader) // ends with the program
				_ = output.Close()                 // only read from
			}()
			return path, nil
		}
		if err != nil {
			_ = output.Close() // only read from
			return "", errors.New("it ended before it was ready")
		}
	}
}

// logTail keeps the last bytes written, for error messages, and passes everything on.
type logTail struct {
	mu   sync.Mutex
	next io.Writer
	kept []byte
}

const logTailBytes = 4000

// Write never fails: a log that cannot be passed on must not stop the cluster.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		_, _ = l.next.Write(p) // see above
	}
	l.kept = append(l.kept, p...)
	if len(l.kept) > logTailBytes {
		l.kept = l.kept[len(l.kept)-logTailBytes:]
	}
	return len(p), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.kept))
}
