package script

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestPredict(t *testing.T) {
	const s = time.Second
	sh := func(text string) []string { return []string{"sh", "-c", text} }
	lines := func(pairs ...any) (out []Line) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, Line{At: time.Duration(pairs[i].(int)) * s, Text: pairs[i+1].(string)})
		}
		return out
	}
	tests := []struct {
		name    string
		command Command
		want    Result
	}{
		{"no command, task", Command{}, Result{Ends: true, Unknown: true}},
		{"no command, server", Command{Serves: true}, Result{Unknown: true}},
		{"unknown program, server", Command{Argv: []string{"nginx", "-g", "daemon off;"}, Serves: true}, Result{Unknown: true}},
		{"unknown program, task", Command{Argv: []string{"./migrate"}}, Result{Ends: true, Unknown: true}},
		{"missing program", Command{Argv: []string{"/bad-command"}, Serves: true},
			Result{StartError: `exec: "/bad-command": stat /bad-command: no such file or directory`}},
		{"true", Command{Argv: []string{"/bin/true"}}, Result{Ends: true}},
		{"false", Command{Argv: []string{"false"}}, Result{Ends: true, Exit: 1}},
		{"exit", Command{Argv: []string{"exit", "7"}}, Result{Ends: true, Exit: 7}},
		{"sleep", Command{Argv: []string{"sleep", "2.5"}}, Result{Ends: true, After: 2500 * time.Millisecond}},
		{"sleep with unit", Command{Argv: []string{"sleep", "1m"}}, Result{Ends: true, After: time.Minute}},
		{"sleep for ever", Command{Argv: []string{"sleep", "infinity"}}, Result{}},
		{"sleep badly", Command{Argv: []string{"sleep", "x"}}, Result{Ends: true, Exit: 1, Lines: lines(0, "sleep: invalid number 'x'")}},
		{"echo", Command{Argv: []string{"echo", "a", "b"}}, Result{Ends: true, Lines: lines(0, "a b")}},
		{"chain", Command{Argv: sh("echo a; sleep 1 && echo b || echo c; false || echo d; exit 3")},
			Result{Ends: true, After: s, Exit: 3, Lines: lines(0, "a", 1, "b", 1, "d")}},
		{"and stops", Command{Argv: sh("false && echo no")}, Result{Ends: true, Exit: 1}},
		{"errexit", Command{Argv: []string{"/bin/sh", "-ec", "false; echo no"}}, Result{Ends: true, Exit: 1}},
		{"errexit apart", Command{Argv: []string{"bash", "-e", "-u", "-c", "false; echo no"}}, Result{Ends: true, Exit: 1}},
		{"login shell", Command{Argv: []string{"bash", "-lc", "echo a"}}, Result{Ends: true, Lines: lines(0, "a")}},
		{"set -eux", Command{Argv: sh("set -eu\nsleep 1\nfalse\necho no")}, Result{Ends: true, Exit: 1, After: s}},
		{"arguments", Command{Argv: []string{"sh", "-c", `echo "$1-$2"`, "name", "a", "b"}}, Result{Ends: true, Lines: lines(0, "a-b")}},
		{"environment", Command{Argv: sh(`echo "$A ${B:-none}"`), Env: []string{"A=1"}}, Result{Ends: true, Lines: lines(0, "1 none")}},
		{"for", Command{Argv: sh("for i in 1 2; do echo $i; sleep 2; done")},
			Result{Ends: true, After: 4 * s, Lines: lines(0, "1", 2, "2")}},
		{"if with file", Command{Argv: sh("touch /tmp/x; if [ -f /tmp/x ]; then exit 4; fi")}, Result{Ends: true, Exit: 4}},
		{"file content", Command{Argv: sh("echo hi > /tmp/x; cat /tmp/x; cat /tmp/y")},
			Result{Ends: true, Exit: 1, Lines: lines(0, "hi", 0, "cat: /tmp/y: No such file or directory")}},
		{"probe file", Command{Argv: []string{"cat", "/tmp/healthy"}, FilesExist: true}, Result{Ends: true}},
		{"stderr", Command{Argv: sh("echo oops >&2; echo quiet >/dev/null; exit 1")}, Result{Ends: true, Exit: 1, Lines: lines(0, "oops")}},
		{"no line feed", Command{Argv: sh("printf a")}, Result{Ends: true, Lines: lines(0, "a")}},
		{"substitution and pipe", Command{Argv: sh("x=$(echo a | cat); echo $x")}, Result{Ends: true, Lines: lines(0, "a")}},
		{"nested shell", Command{Argv: sh("sh -c 'sleep 1; exit 5' || exit $?")}, Result{Ends: true, After: s, Exit: 5}},
		{"signal trap and cd", Command{Argv: sh("cd /app; trap 'exit 0' TERM; echo a")}, Result{Ends: true, Lines: lines(0, "a")}},
		{"unknown program in a task", Command{Argv: sh("kubectl get pods && echo ok")}, Result{Ends: true, Lines: lines(0, "ok")}},
		{"script that becomes a server", Command{Argv: sh("echo up && exec nginx"), Serves: true}, Result{Lines: lines(0, "up")}},
		{"script with a server last", Command{Argv: sh("curl -f x; echo up; nginx -g x"), Serves: true}, Result{Lines: lines(0, "up")}},
		{"missing program in a script", Command{Argv: sh("/bad-command")}, Result{Ends: true, Exit: 127, Lines: lines(0, "sh: /bad-command: not found")}},
		{"syntax error", Command{Argv: sh("if")}, Result{Ends: true, Exit: 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ignore := cmp.Options{cmpopts.EquateEmpty()}
			if test.name == "syntax error" {
				ignore = append(ignore, cmpopts.IgnoreFields(Result{}, "Lines"))
			}
			if diff := cmp.Diff(test.want, Predict(test.command), ignore); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPredictEndlessLoop(t *testing.T) {
	for _, text := range []string{"while true; do echo tick; sleep 5; done", "while :; do :; done", "tail -f /dev/null"} {
		got := Predict(Command{Argv: []string{"sh", "-c", text}})
		if got.Ends {
			t.Errorf("%q: predicted to end after %s", text, got.After)
		}
	}
	got := Predict(Command{Argv: []string{"sh", "-c", "while true; do echo tick; sleep 5; done"}})
	if len(got.Lines) < 1000 || got.Lines[2] != (Line{At: 10 * time.Second, Text: "tick"}) {
		t.Errorf("%d lines, third %v", len(got.Lines), got.Lines[2])
	}
}
