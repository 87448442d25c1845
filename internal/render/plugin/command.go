package plugin

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	// maxComplaint is what is kept of a program's standard error: the end, where programs say what was fatal.
	maxComplaint = 4 << 10
	// drain is how long the output of a program that has ended is read on, if others hold it open.
	drain = 2 * time.Second
)

// run is one render, or one question whose source it is. The workspace is made when the first program needs it.
type run struct {
	ctx    context.Context
	cancel context.CancelFunc
	files  source.FS
	spec   render.Spec
	opts   Options
	dirs   map[bool]workspace // by whether modes were kept
}

func (r *Renderer) begin(ctx context.Context, files source.FS, spec render.Spec) *run {
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, errTimeLimit)
	return &run{ctx: ctx, cancel: cancel, files: files, spec: spec, opts: r.opts, dirs: map[bool]workspace{}}
}

var (
	errTimeLimit = errors.New("the time limit was reached")
	errOutput    = errors.New("the output is too large")
)

// end removes what was written. It may be called again.
func (run *run) end() error {
	run.cancel()
	var errs []error
	for _, w := range run.dirs {
		errs = append(errs, w.remove())
	}
	clear(run.dirs)
	return errors.Join(errs...)
}

// command runs one command of a plugin in the application's directory and returns what it printed.
func (run *run) command(def *Definition, what string, c Command) ([]byte, error) {
	w, err := run.workspace(def.Spec.PreserveFileMode)
	if err != nil {
		return nil, err
	}
	env, err := environment(render.BuildEnv(run.files, run.spec), run.spec.Source.Plugin)
	if err != nil {
		return nil, err
	}
	argv := append(slices.Clone(c.Command), c.Args...)
	dir := filepath.Join(w.source(), filepath.FromSlash(run.spec.Source.Path))
	program, err := run.find(argv[0])
	if err != nil {
		return nil, fault.New(fault.Invalid, "plugin %s: %s: %w", def.Name(), what, err)
	}
	ctx, stop := context.WithCancelCause(run.ctx)
	defer stop(nil)
	cmd := exec.CommandContext(ctx, program)
	cmd.Args, cmd.Dir = argv, dir
	cmd.Env = append([]string{"PATH=" + run.opts.Path, "HOME=" + w.home(), "TMPDIR=" + w.temp(), "LANG=C.UTF-8", "PWD=" + dir}, env...)
	// A group of its own, so that children are stopped with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = drain
	out := &output{max: run.opts.MaxOutput, full: func() { stop(errOutput) }}
	complaint := &tail{max: maxComplaint}
	cmd.Stdout, cmd.Stderr = out, complaint
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that outlive the program; mostly there are none
	}
	if err != nil {
		return nil, run.explain(ctx, err, complaint.String(), "plugin "+def.Name()+": "+what)
	}
	return out.kept.Bytes(), nil
}

func (run *run) workspace(keepModes bool) (workspace, error) {
	if w, ok := run.dirs[keepModes]; ok {
		return w, nil
	}
	w, err := newWorkspace(run.ctx, run.files, run.opts, keepModes)
	if err != nil {
		return w, run.limit(err)
	}
	run.dirs[keepModes] = w
	return w, nil
}

// limit tells our own time limit from the caller's.
func (run *run) limit(err error) error {
	if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(run.ctx), errTimeLimit) {
		return fault.New(fault.Invalid, "plugin: the repository could not be written within %s", run.opts.Timeout)
	}
	return err
}

// find looks for a program in the search path of plugins. A name with a slash is relative to the application's directory.
func (run *run) find(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(run.opts.Path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found, nil
		}
	}
	return "", errors.New("there is no program " + name + " in " + run.opts.Path + ", the search path of plugins")
}

// explain says why a program failed. Its time and its output are limits of the source, not of the moment: the next attempt
// would end the same way, at the same cost.
func (run *run) explain(ctx context.Context, err error, complaint, what string) error {
	if complaint != "" {
		complaint = ": " + complaint
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errOutput):
		return fault.New(fault.Invalid, "%s: it prints more than %d bytes", what, run.opts.MaxOutput)
	case errors.Is(cause, errTimeLimit):
		return fault.New(fault.Invalid, "%s: it did not end within %s%s", what, run.opts.Timeout, complaint)
	case cause != nil:
		return cause
	case errors.Is(err, exec.ErrWaitDelay):
		return fault.New(fault.Invalid, "%s: it ended and left processes behind that hold its output open", what)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fault.New(fault.Invalid, "%s: %s%s", what, exit.ProcessState, complaint)
	}
	return fault.New(fault.Invalid, "%s: %w", what, err)
}

// output keeps what a program prints, up to a limit; full is called when it prints more. The buffer is no embedded field: its
// ReadFrom would be taken in place of Write, and knows no limit.
type output struct {
	kept bytes.Buffer
	max  int64
	full func()
}

func (o *output) Write(p []byte) (int, error) {
	if int64(o.kept.Len()+len(p)) > o.max {
		o.full()
		return 0, errOutput
	}
	return o.kept.Write(p)
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	max  int
	kept []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(p) >= t.max {
		t.kept, t.cut = append(t.kept[:0], p[len(p)-t.max:]...), t.cut || len(p) > t.max || len(t.kept) > 0
		return len(p), nil
	}
	if over := len(t.kept) + len(p) - t.max; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	t.kept = append(t.kept, p...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), ""))
	if t.cut {
		text = "..." + text
	}
	return text
}
