package script

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// world is the pretended surrounding of one program. Pipelines and background jobs use it concurrently.
type world struct {
	command Command

	mu       sync.Mutex
	elapsed  time.Duration
	commands int
	lines    []Line
	partial  []byte
	files    map[string]string
}

// Write collects output; it never fails.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, p...)
	for {
		line, rest, found := strings.Cut(string(w.partial), "\n")
		if !found {
			return len(p), nil
		}
		if len(w.lines) < maxLines {
			w.lines = append(w.lines, Line{At: w.elapsed, Text: line})
		}
		w.partial = []byte(rest)
	}
}

// flush ends an unfinished last line.
func (w *world) flush() {
	if len(w.partial) > 0 {
		_, _ = w.Write([]byte("\n")) // never fails
	}
}

// call sees every command, also the shell's own ones. It counts them, so that an endless loop ends the interpretation,
// and disarms those that would look at the real machine.
func (w *world) call(_ context.Context, args []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commands++
	if w.commands > maxCommands || len(w.lines) >= maxLines {
		return nil, errForever
	}
	switch args[0] {
	case "cd", "umask", "ulimit":
		return []string{"true"}, nil
	case "trap":
		if last := args[len(args)-1]; last != "EXIT" && last != "ERR" && last != "0" {
			return []string{"true"}, nil
		}
	}
	return args, nil
}

// program pretends to execute a program.
func (w *world) program(last syntax.Pos) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		name := path.Base(args[0])
		switch {
		case isMissing(name):
			_, _ = fmt.Fprintf(hc.Stderr, "sh: %s: not found\n", args[0]) // a closed pipe loses it, as in a shell
			return interp.ExitStatus(exitNotFound)
		case isShell(name):
			if options, text, arguments, ok := shellArguments(args[1:]); ok {
				return w.run(ctx, text, options, arguments, hc.Stdout, hc.Stderr)
			}
			return nil
		case isKnown(name):
			return w.known(hc, name, args[1:])
		case w.command.Serves && hc.Pos == last:
			return errForever
		}
		return nil
	}
}

// isKnown lists the programs whose effect is pretended. Most of them are also the shell's own.
func isKnown(name string) bool {
	switch name {
	case "true", "false", "exit", "sleep", "echo", "printf", "test", "[", "cat", "touch", "date", "hostname", "env", "tail":
		return true
	}
	return false
}

func (w *world) known(hc interp.HandlerContext, name string, args []string) error {
	switch name {
	case "sleep":
		return w.sleep(hc, args)
	case "tail":
		if len(args) > 0 && strings.HasPrefix(args[0], "-f") {
			return errForever
		}
	case "touch":
		w.touch(args)
	case "cat":
		return w.cat(hc, args)
	case "date":
		// The time of day is not known when the prediction is made.
		_, _ = fmt.Fprintln(hc.Stdout, "Thu Jan  1 00:00:00 UTC 1970") // a closed pipe loses it, as in a shell
	case "hostname":
		_, _ = fmt.Fprintln(hc.Stdout, hc.Env.Get("HOSTNAME").String()) // as above
	case "env":
		for _, pair := range w.command.Env {
			_, _ = fmt.Fprintln(hc.Stdout, pair) // as above
		}
	}
	return nil
}

func (w *world) sleep(hc interp.HandlerContext, args []string) error {
	if len(args) == 0 {
		_, _ = fmt.Fprintln(hc.Stderr, "sleep: missing operand") // a closed pipe loses it, as in a shell
		return interp.ExitStatus(1)
	}
	var total time.Duration
	for _, arg := range args {
		d, err := parseSleep(arg)
		if err != nil {
			_, _ = fmt.Fprintf(hc.Stderr, "sleep: invalid number '%s'\n", arg) // as above
			return interp.ExitStatus(1)
		}
		total += d
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.elapsed += total
	if w.elapsed > maxElapsed {
		return errForever
	}
	return nil
}

// parseSleep reads a duration as sleep(1) does: seconds, or a number with s, m, h or d; "infinity" is more than the limit.
func parseSleep(text string) (time.Duration, error) {
	if strings.HasPrefix(text, "inf") {
		return maxElapsed + 1, nil
	}
	unit := time.Second
	if number := strings.TrimRight(text, "smhd"); len(number) == len(text)-1 {
		unit = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[text[len(number):]]
		text = number
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || value < 0 {
		return 0, fmt.Errorf("parse duration %q: not a number of seconds", text)
	}
	if value > maxElapsed.Seconds() {
		return maxElapsed + 1, nil
	}
	return time.Duration(value * float64(unit)), nil
}

func (w *world) touch(names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		if _, ok := w.files[name]; !ok {
			w.files[name] = ""
		}
	}
}

func (w *world) cat(hc interp.HandlerContext, names []string) error {
	if len(names) == 0 && hc.Stdin != nil {
		_, _ = io.Copy(hc.Stdout, hc.Stdin) // a closed pipe ends it, as in a shell
		return nil
	}
	for _, name := range names {
		content, ok := w.read(path.Join(hc.Dir, name))
		if path.IsAbs(name) {
			content, ok = w.read(name)
		}
		if !ok {
			_, _ = fmt.Fprintf(hc.Stderr, "cat: %s: No such file or directory\n", name) // as above
			return interp.ExitStatus(1)
		}
		_, _ = io.WriteString(hc.Stdout, content) // as above
	}
	return nil
}

func (w *world) read(name string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	content, ok := w.files[path.Clean(name)]
	return content, ok || w.command.FilesExist
}

// open serves redirections: the output devices are the container's output, everything else is in memory.
func (w *world) open(_ context.Context, name string, flag int, _ os.FileMode) (io.ReadWriteCloser, error) {
	switch name {
	case "/dev/null":
		return &memoryFile{}, nil
	case "/dev/stdout", "/dev/stderr", "/proc/1/fd/1", "/proc/1/fd/2", "/dev/tty":
		return &memoryFile{also: w}, nil
	}
	content, ok := w.read(name)
	if !ok && flag&os.O_CREATE == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if flag&os.O_APPEND == 0 && flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		content = ""
	}
	file := &memoryFile{content: content}
	if flag&(os.O_WRONLY|os.O_RDWR) != 0 {
		file.save = func(content string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.files[path.Clean(name)] = content
		}
	}
	return file, nil
}

func (w *world) stat(_ context.Context, name string, _ bool) (fs.FileInfo, error) {
	if _, ok := w.read(name); !ok {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return fileInfo{name: path.Base(name)}, nil
}

func readDir(context.Context, string) ([]fs.DirEntry, error) { return nil, nil }

func access(context.Context, string, interp.AccessMode) error { return nil }
