package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// maxStderr is what is kept of a process's complaints: the end, where git says what was fatal.
	maxStderr = 16 << 10
	// maxStdout bounds the list of refs that a remote may send: about half a million refs.
	maxStdout = 64 << 20
)

// program runs git with an environment of our own making: nothing of the user's configuration, no prompt, no hook.
type program struct {
	path  string
	env   []string
	home  string // an empty directory
	tmp   string // for files that hold credentials
	slots chan struct{}
}

func newProgram(cfg Config, home, tmp string) *program {
	allow := "https:http:ssh:git"
	if cfg.AllowFile {
		allow += ":file"
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	env = append(env, cfg.Env...)
	env = append(env,
		"HOME="+home, "XDG_CONFIG_HOME="+home, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=",
		"GIT_ALLOW_PROTOCOL="+allow, "GIT_PROTOCOL_FROM_USER=0",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0",
	)
	return &program{path: cfg.Git, env: env, home: home, tmp: tmp, slots: make(chan struct{}, cfg.MaxProcesses)}
}

// baseConfig holds for every command. A mirror is a cache that can be cloned again, hence no fsync; collecting
// garbage is our own decision (see maintain), hence no automatic one.
func baseConfig() []string {
	return []string{
		"safe.directory", "*",
		"core.hooksPath", "/dev/null",
		"core.fsync", "none",
		"core.fsmonitor", "false",
		"gc.auto", "0",
		"maintenance.auto", "false",
		"protocol.version", "2",
		"fetch.writeCommitGraph", "false",
		"advice.fetchShowForcedUpdates", "false",
		"http.lowSpeedLimit", "1",
		"http.lowSpeedTime", "60",
	}
}

// environ returns the environment of a process that may reach a remote with acc, or none when acc is nil.
func (p *program) environ(acc *access) []string {
	config := baseConfig()
	env := append([]string{}, p.env...)
	if acc != nil {
		config = append(config, acc.config...)
		env = append(env, acc.env...)
	}
	for i := 0; i < len(config); i += 2 {
		n := strconv.Itoa(i / 2)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+config[i], "GIT_CONFIG_VALUE_"+n+"="+config[i+1])
	}
	return append(env, "GIT_CONFIG_COUNT="+strconv.Itoa(len(config)/2))
}

// command prepares a git process that dies with its whole group when ctx ends.
func (p *program) command(ctx context.Context, acc *access, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = p.environ(acc)
	cmd.Dir = p.home
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		// git's helpers (remote-https, ssh, index-pack) are in its group and would live on without it.
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// commandError is a git process that failed: what it said, and how it ended.
type commandError struct {
	verb   string
	stderr string
	err    error
	// authenticated says that credentials were sent, so a server that asks for some did not like them.
	authenticated bool
}

func (e *commandError) Error() string {
	if line := cause(e.stderr); line != "" {
		return "git " + e.verb + ": " + line
	}
	return "git " + e.verb + ": " + e.err.Error()
}

func (e *commandError) Unwrap() error { return e.err }

// remote runs a git command that reaches a remote, for at most limit; it waits for its turn first.
func (p *program) remote(ctx context.Context, acc *access, limit time.Duration, args ...string) ([]byte, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return p.run(ctx, acc, args...)
}

// isSilentExit reports whether git ended with status 1 and no complaint, its way to answer no.
func isSilentExit(err error) bool {
	var failed *commandError
	var exit *exec.ExitError
	return errors.As(err, &failed) && failed.stderr == "" && errors.As(err, &exit) && exit.ExitCode() == 1
}

// run runs git to its end and returns what it printed. acc is nil for commands that stay on this machine.
func (p *program) run(ctx context.Context, acc *access, args ...string) ([]byte, error) {
	cmd := p.command(ctx, acc, args...)
	stdout := &limited{max: maxStdout}
	stderr := &tail{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errTooMuch):
		return nil, fault.New(fault.Invalid, "git %s printed more than %d MiB", verb(args), maxStdout>>20)
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("git program %q is not installed: %w", p.path, err)
	}
	failed := &commandError{verb: verb(args), stderr: stderr.String(), err: err}
	if acc != nil {
		failed.stderr, failed.authenticated = scrub(failed.stderr, acc.secrets), acc.authenticated
	}
	return nil, failed
}

// verb finds the subcommand among the arguments.
func verb(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}

var errTooMuch = errors.New("too much output")

// limited is a buffer that refuses to grow beyond max.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.max {
		return 0, errTooMuch
	}
	return l.Buffer.Write(p)
}

// tail keeps the last max bytes written to it.
type tail struct {
	data []byte
	max  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - t.max; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.data) }
