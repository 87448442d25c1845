package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
)

// TestBadScenarios: what is wrong with a scenario is said, whoever runs it.
func TestBadScenarios(t *testing.T) {
	s := newSuite(t)
	for name, tc := range map[string]struct{ script, want string }{
		"unknown-command":   {"awiat app/$APP synced\n", `unknown command "awiat" (did you mean "await"?)`},
		"unknown-condition": {"[flux] restart\n", "unknown condition"},
		"too-few-arguments": {"await app/$APP\n", "usage: await KIND[/NAME]"},
		"bad-jq":            {"await app/$APP '.status.('\n", `jq ".status.("`},
		"unknown-variable":  {"await app/$APP 'at($REVISION)'\n", "variable not defined: $REVISION"},
		"endless-jq":        {"await namespace/$NS 'last(range(infinite))'\n", "did not end within 1s"},
		"endless-jq-now":    {"expect namespace/$NS 'last(range(infinite))'\n", "did not end within 1s"},
		"jq-error":          {"expect namespace/$NS '.metadata + 1'\n", "cannot add"},
		"unknown-kind":      {"edit widget/one '{}'\n", `no matches for`},
		"no-such-object":    {"edit cm/one '{}'\n", `configmaps "one" not found`},
		"bad-patch":         {"edit cm/one '{'\n", "not JSON"},
		"too-late":          {"await cm/one '.data.a' --within 300ms\n", "did not become true within"},
		"not-true":          {"expect cm/one '. != null'\n", "(there is none)"},
		"ceases":            {"steady namespace/$NS '.metadata.name != $NS' 1s\n", "is not true"},
		"not-refused":       {"! apply cm.yaml\n-- cm.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "expected to fail"},
		"shared-settings":   {"settings cm.yaml\n-- cm.yaml --\na: b\n", "needs the line alone"},
		"shared-restart":    {"restart\n", "only the controller of a scenario with the line alone"},
		"no-operation":      {"create $APP\nterminate $APP\n", "no operation is in progress"},
		"failed-operation": {"commit tree\ncreate $APP\nsync $APP\nended $APP Succeeded\n-- tree/other/a.yaml --\n",
			"the operation ended Error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), name+".txtar")
			if err := os.WriteFile(file, []byte(tc.script), 0o600); err != nil {
				t.Fatal(err)
			}
			r := &recorder{TB: t}
			testscript.RunT(r, s.params([]string{file}))
			if !r.failed {
				t.Errorf("the scenario passed:\n%s", r.log.String())
			}
			if !strings.Contains(r.log.String(), tc.want) {
				t.Errorf("no %q in:\n%s", tc.want, r.log.String())
			}
		})
	}
}

// recorder is a T that keeps to itself what a scenario says and how it ends.
type recorder struct {
	testing.TB
	name   string
	mu     sync.Mutex
	log    strings.Builder
	failed bool
}

func (r *recorder) Name() string  { return r.name }
func (r *recorder) Verbose() bool { return true }
func (r *recorder) Parallel()     {}
func (r *recorder) Failed() bool  { return r.failed }

func (r *recorder) Log(args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.log, args...)
}
func (r *recorder) Logf(format string, args ...any) { r.Log(fmt.Sprintf(format, args...)) }

func (r *recorder) FailNow() {
	r.failed = true
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.Log(args...)
	r.FailNow()
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

func (r *recorder) Run(name string, f func(testscript.T)) {
	r.name = name
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
}

// TestFiles finds in the files what can be found without running them.
func TestFiles(t *testing.T) {
	known := map[string]bool{"env": true, "skip": true, "stop": true, "cp": true} // cp names files after the application before they are committed
	for name := range table() {
		known[name] = true
	}
	all, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	words := regexp.MustCompile(`^(?:\[[^\]]*\] *)*(?:! *)?([a-z]+)`)
	for _, file := range all {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(archive.Comment), "\n")
		if !strings.HasPrefix(lines[0], "# ") {
			t.Errorf("%s: the first line says what the scenario is about: # ...", file)
		}
		for i, line := range lines {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if m := words.FindStringSubmatch(line); m == nil || !known[m[1]] {
				t.Errorf("%s:%d: a scenario speaks to Git and the Kubernetes API alone: %s", file, i+1, line)
			}
		}
	}
}
