// Package script foretells what a container's command would do: in goes a command line, out come the lines it would
// print, when, and how and when it would end. Nothing is executed and no time passes.
//
// Shell scripts run in an interpreter (mvdan.cc/sh) whose clock, files and programs are pretended: `sleep` moves the
// clock, files are in memory, and programs that the sandbox does not know succeed at once.
package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Limits of a prediction: a program that exceeds one of them is taken to run for ever after its last line.
const (
	maxCommands = 20_000
	maxLines    = 3_000
	maxElapsed  = 48 * time.Hour
	maxWall     = 2 * time.Second
)

const (
	// exitNotFound is what a shell answers to a command that does not exist.
	exitNotFound = 127
	exitSyntax   = 2
)

// Command is what a container is told to run.
type Command struct {
	// Argv is the container's command and args. Empty means the image's own program, which is unknown.
	Argv []string
	// Env are "NAME=value" pairs.
	Env []string
	// Serves says what an unknown program does: run for ever, as a server would, or end at once with success, as a
	// task would.
	Serves bool
	// FilesExist makes every file exist and be empty. Probes look at files that the simulated program never wrote.
	FilesExist bool
}

// Line is one line of output, without its line feed.
type Line struct {
	At   time.Duration
	Text string
}

// Result is a prediction.
type Result struct {
	// StartError, if set, is why the program cannot be started; nothing else is set then.
	StartError string
	Lines      []Line
	// Ends says that the program ends, After its start and with the code Exit. Otherwise it runs until it is killed.
	Ends  bool
	After time.Duration
	Exit  int
	// Unknown says that the program itself, and not a script around it, is one that the sandbox does not know.
	Unknown bool
}

// errForever stops the interpretation of a program that does not end.
var errForever = errors.New("runs for ever")

// Predict never fails: what cannot be understood is treated as an unknown program.
func Predict(c Command) Result {
	if len(c.Argv) == 0 {
		return Result{Ends: !c.Serves, Unknown: true}
	}
	name := path.Base(c.Argv[0])
	switch {
	case isMissing(name):
		return Result{StartError: fmt.Sprintf("exec: %q: stat %s: no such file or directory", c.Argv[0], c.Argv[0])}
	case isShell(name):
		if options, text, arguments, ok := shellArguments(c.Argv[1:]); ok {
			return predict(c, text, options, arguments)
		}
		// An interactive shell without a terminal reads the end of its input and leaves.
		if len(c.Argv) == 1 {
			return Result{Ends: true}
		}
	case isKnown(name):
		return predict(c, `"$@"`, nil, append([]string{name}, c.Argv[1:]...))
	}
	return Result{Ends: !c.Serves, Unknown: true}
}

// isMissing tells the commands that no image has: /bad-command and whatever else names itself so.
func isMissing(name string) bool {
	for _, prefix := range []string{"bad-command", "no-such-", "does-not-exist", "nonexistent"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func isShell(name string) bool {
	switch name {
	case "sh", "bash", "ash", "dash":
		return true
	}
	return false
}

// shellArguments finds the script of `sh -ec SCRIPT NAME ARGUMENT...`.
func shellArguments(args []string) (options []string, text string, arguments []string, ok bool) {
	for i, arg := range args {
		if len(arg) < 2 || arg[0] != '-' && arg[0] != '+' {
			return nil, "", nil, false
		}
		flags, isCommand := strings.CutSuffix(arg, "c")
		if len(flags) > 1 && !strings.HasPrefix(flags, "--") && flags != "-o" {
			// -l (login) and -i (interactive) change nothing here.
			if kept := strings.NewReplacer("l", "", "i", "").Replace(flags); len(kept) > 1 {
				options = append(options, kept)
			}
		}
		if !isCommand {
			continue
		}
		if i+1 >= len(args) {
			return nil, "", nil, false
		}
		if rest := args[i+2:]; len(rest) > 0 {
			arguments = rest[1:] // the first one is $0
		}
		return options, args[i+1], arguments, true
	}
	return nil, "", nil, false
}

func predict(c Command, text string, options, arguments []string) Result {
	w := &world{command: c, files: map[string]string{}}
	ctx, cancel := context.WithTimeout(context.Background(), maxWall)
	defer cancel()
	err := w.run(ctx, text, options, arguments, w, w)
	w.flush()
	result := Result{Lines: w.lines, After: w.elapsed, Ends: true}
	var status interp.ExitStatus
	switch {
	case err == nil:
	case errors.As(err, &status):
		result.Exit = int(status)
	default:
		result.Ends, result.After = false, 0
	}
	return result
}

// run interprets one script in the world; nested shells come here again.
func (w *world) run(ctx context.Context, text string, options, arguments []string, out, errOut io.Writer) error {
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		_, _ = fmt.Fprintf(errOut, "sh: syntax error: %v\n", err) // the world's writer does not fail
		return interp.ExitStatus(exitSyntax)
	}
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}, w.command.Env...)
	runner, err := interp.New(
		interp.Dir("/"),
		interp.Env(expand.ListEnviron(env...)),
		interp.StdIO(nil, out, errOut),
		interp.Params(append(append(options, "--"), arguments...)...),
		interp.CallHandler(w.call),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return w.program(lastCall(file)) }),
		interp.OpenHandler(w.open),
		interp.StatHandler(w.stat),
		interp.ReadDirHandler2(readDir),
		interp.AccessHandler(access),
	)
	if err != nil {
		// An option that our shell lacks: run without options rather than not at all.
		if len(options) > 0 {
			return w.run(ctx, text, nil, arguments, out, errOut)
		}
		return errForever
	}
	return runner.Run(ctx, file)
}

// lastCall is the position of the command with which a script ends, if that is a simple command: a script may prepare
// something and then become a server.
func lastCall(file *syntax.File) syntax.Pos {
	if len(file.Stmts) == 0 {
		return syntax.Pos{}
	}
	command := file.Stmts[len(file.Stmts)-1].Cmd
	for {
		switch c := command.(type) {
		case *syntax.BinaryCmd:
			command = c.Y.Cmd
		case *syntax.CallExpr:
			return c.Pos()
		default:
			return syntax.Pos{}
		}
	}
}
