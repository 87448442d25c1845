package plugin_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/plugin"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

// define returns the definition of a plugin with more fields of spec.
func define(t *testing.T, name, spec string) plugin.Definition {
	t.Helper()
	d, err := plugin.Parse([]byte("apiVersion: argoproj.io/v1alpha1\nkind: ConfigManagementPlugin\nmetadata: {name: " + name + "}\nspec:\n" + spec))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shell returns a spec whose generate runs a script.
func shell(script string) string {
	return "  generate:\n    command: [sh, -c]\n    args:\n    - |\n      " + strings.ReplaceAll(strings.TrimSpace(script), "\n", "\n      ") + "\n"
}

type bench struct {
	temp  string
	files map[string]string
	src   v1alpha1.ApplicationSource
	opts  plugin.Options
}

func newBench(t *testing.T) *bench {
	temp := t.TempDir()
	return &bench{
		temp: temp, opts: plugin.Options{TempDir: temp, Timeout: 30 * time.Second},
		files: map[string]string{"app/name.txt": "one", "lib/shared.txt": "shared"},
		src:   v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/a.git", Path: "app", Plugin: &v1alpha1.ApplicationSourcePlugin{Name: "p"}},
	}
}

func (b *bench) spec() render.Spec {
	return render.Spec{AppName: "shop", AppNamespace: "argocd", Project: "default", Namespace: "web", Revision: "0123456789abcdef", KubeVersion: "1.37.2", Source: b.src}
}

func (b *bench) render(t *testing.T, defs ...plugin.Definition) (render.Manifests, error) {
	t.Helper()
	out, err := render.New(render.Renderers{Plugins: plugin.New(defs, b.opts)}).Render(context.Background(), rendertest.Files(b.files), b.spec())
	b.clean(t)
	return out, err
}

// clean wants nothing to be left of a run.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(b.temp)
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

const configMap = `printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n'`

// data returns the data of the only object.
func data(t *testing.T, out render.Manifests, err error) map[string]any {
	t.Helper()
	if err != nil || len(out.Objects) != 1 {
		t.Fatalf("%d objects, error %v", len(out.Objects), err)
	}
	fields, _ := out.Objects[0].Object["data"].(map[string]any)
	return fields
}

func TestContract(t *testing.T) {
	t.Setenv("BELAY_TEST_SECRET", "do not hand on")
	b := newBench(t)
	text := "text"
	b.src.Plugin.Env = []v1alpha1.EnvEntry{{Name: "TIER", Value: "gold of $ARGOCD_APP_NAME"}, {Name: "EMPTY", Value: ""}, {Name: "PATH", Value: "/evil"}}
	b.src.Plugin.Parameters = []v1alpha1.ApplicationSourcePluginParameter{
		{Name: "values-file", String: &text}, {Name: "list", Array: []string{"x", "y"}}, {Name: "map", Map: map[string]string{"a.b": "z"}},
	}
	def := define(t, "p", "  init: {command: [sh, -c, 'echo noise; echo from init > made.txt; mkdir -p $HOME/.config $TMPDIR/x']}\n"+shell(configMap+`
say() { printf '  %s: "%s"\n' "$1" "$2"; }
say name "$(cat name.txt)"
say shared "$(cat ../lib/shared.txt)"
say init "$(cat made.txt)"
say env "$ARGOCD_ENV_TIER $ARGOCD_APP_NAME $ARGOCD_APP_NAMESPACE $ARGOCD_APP_REVISION $ARGOCD_APP_SOURCE_PATH $ARGOCD_APP_PROJECT_NAME $KUBE_VERSION"
say params "$PARAM_VALUES_FILE $PARAM_LIST_0 $PARAM_LIST_1 $PARAM_MAP_A_B"
say json "$(echo "$ARGOCD_APP_PARAMETERS" | tr '"' "'")"
say names "$(env | sed 's/=.*//' | grep -v -e '^ARGOCD_APP' -e '^PARAM' -e '^KUBE' -e '^SHLVL$' -e '^_$' -e '^OLDPWD$' | sort | tr '\n' ' ')"
say mode "$(stat -c %a ../..)"
say script "$([ -x run.sh ] && echo executable || echo plain)"
`))
	b.files["app/run.sh"] = "#!/bin/sh\n"
	out, err := b.render(t, def)
	want := map[string]any{
		"name": "one", "shared": "shared", "init": "from init",
		"env":    "gold of shop shop web 0123456789abcdef app default 1.37.2",
		"params": "text x y z",
		"json":   "[{'name':'values-file','string':'text'},{'name':'list','array':['x','y']},{'name':'map','map':{'a.b':'z'}}]",
		"names":  "ARGOCD_ENV_PATH ARGOCD_ENV_TIER HOME LANG PATH PWD TMPDIR ",
		"mode":   "700", "script": "plain",
	}
	if diff := cmp.Diff(want, data(t, out, err)); diff != "" {
		t.Error(diff)
	}
	if out.Type != v1alpha1.SourceTypePlugin {
		t.Errorf("type %s", out.Type)
	}
}

// TestFailures are plugins that go wrong; every one ends with an error that says so, and leaves nothing behind.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		spec string
		opts plugin.Options
		want string
	}{
		"it fails":               {spec: shell("echo out; echo some reason >&2; exit 3"), want: "plugin p: generate: exit status 3: some reason"},
		"init fails":             {spec: "  init: {command: [sh, -c, 'echo no chart >&2; exit 1']}\n" + shell("echo never"), want: "plugin p: init: exit status 1: no chart"},
		"it dies":                {spec: shell("kill -9 $$"), want: "plugin p: generate: signal: killed"},
		"it hangs":               {spec: shell("echo waiting >&2; sleep 300"), opts: plugin.Options{Timeout: time.Second}, want: "did not end within 1s: waiting"},
		"it hangs and ignores":   {spec: shell("trap '' TERM INT; while true; do sleep 1; done"), opts: plugin.Options{Timeout: time.Second}, want: "did not end within 1s"},
		"it floods output":       {spec: shell("yes"), opts: plugin.Options{MaxOutput: 1 << 20}, want: "prints more than 1048576 bytes"},
		"it floods errors":       {spec: shell("i=0; while [ $i -lt 20000 ]; do echo noise noise noise noise >&2; i=$((i+1)); done; echo the end >&2; exit 1"), want: "noise\nthe end"},
		"it prints nothing":      {spec: shell("true"), want: "generate printed nothing"},
		"it prints no YAML":      {spec: shell("echo 'a: [b'"), want: "output of plugin p:1: not valid YAML"},
		"it prints no object":    {spec: shell("echo hello"), want: "output of plugin p:1: not a Kubernetes object"},
		"it is missing":          {spec: "  generate: {command: [no-such-program-here]}\n", want: "there is no program no-such-program-here in "},
		"it is missing here":     {spec: "  generate: {command: [./no-such-program]}\n", want: "plugin p: generate: "},
		"it locks its directory": {spec: shell("mkdir locked; touch locked/x; chmod 000 locked .; exit 1"), want: "exit status 1"},
		"it leaves a child":      {spec: shell("sleep 300 & echo 'a: b'"), want: "left processes behind that hold its output open"},
		"the tree is large":      {spec: shell("true"), opts: plugin.Options{MaxTree: 5}, want: "larger than 5 bytes"},
		"the tree is wide":       {spec: shell("true"), opts: plugin.Options{MaxFiles: 2}, want: "more than 2 files"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			test.opts.TempDir = b.temp
			if test.opts.Timeout == 0 {
				test.opts.Timeout = time.Minute
			}
			b.opts = test.opts
			began := time.Now()
			_, err := b.render(t, define(t, "p", test.spec))
			if err == nil || !strings.Contains(err.Error(), test.want) || !fault.Is(err, fault.Invalid) {
				t.Errorf("error %v, want Invalid with %q", err, test.want)
			}
			if err != nil && len(err.Error()) > 8<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if took := time.Since(began); took > 50*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestChildren: what a plugin has started goes with it, whether it ends, or is ended.
func TestChildren(t *testing.T) {
	for name, last := range map[string]string{"it ends": configMap, "it is ended": "sleep 300"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.opts.Timeout = 5 * time.Second
			pids := filepath.Join(t.TempDir(), "pids")
			_, err := b.render(t, define(t, "p", shell(`
(sleep 300 >/dev/null 2>&1 & echo $! >> `+pids+`) &
sleep 301 >/dev/null 2>&1 &
echo $! >> `+pids+`
while [ "$(wc -l < `+pids+`)" -lt 2 ]; do :; done
`+last)))
			if (err == nil) != (name == "it ends") {
				t.Fatalf("error %v", err)
			}
			text, err := os.ReadFile(pids)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Fields(string(text)) {
				pid, err := strconv.Atoi(line)
				if err != nil {
					t.Fatal(err)
				}
				awaitEnd(t, pid)
			}
		})
	}
}

// awaitEnd waits until a process is gone or only waits for its parent to notice.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d still runs", pid)
}

func TestCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := plugin.New([]plugin.Definition{define(t, "p", shell("sleep 300"))}, b.opts).Render(ctx, rendertest.Files(b.files), b.spec())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	b.clean(t)
}

// TestLinks: a link inside the repository works, one that leads out is refused before anything runs.
func TestLinks(t *testing.T) {
	b := newBench(t)
	b.files["app/link.txt"] = "-> ../lib/shared.txt"
	out, err := b.render(t, define(t, "p", shell(configMap+`; printf '  link: "%s"\n' "$(cat link.txt)"`)))
	if got := data(t, out, err)["link"]; got != "shared" {
		t.Errorf("link %v", got)
	}
	b.files["lib/out"] = "-> ../../../etc/passwd"
	if _, err := b.render(t, define(t, "p", shell("cat ../lib/out"))); !fault.Is(err, fault.Denied) {
		t.Errorf("error %v, want Denied", err)
	}
}

func TestPreserveFileMode(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n" + configMap + "; echo '  ran: here'\n"
	if err := os.WriteFile(filepath.Join(dir, "app", "generate.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	repo, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	snapshot, err := repo.Snapshot(context.Background(), source.Request{}, local.Revision)
	if err != nil {
		t.Fatal(err)
	}
	files := snapshot.FS()
	b := newBench(t)
	def := define(t, "p", "  preserveFileMode: true\n  generate: {command: [./generate.sh]}\n")
	out, err := plugin.New([]plugin.Definition{def}, b.opts).Render(context.Background(), files, b.spec())
	if got := data(t, out, err)["ran"]; got != "here" {
		t.Errorf("ran %v", got)
	}
}

// TestDiscovery: which plugin renders a source, and that an explicit type and a missing plugin leave it alone.
func TestDiscovery(t *testing.T) {
	prints := func(name string) string { return shell(configMap + "; echo '  by: " + name + "'") }
	defs := []plugin.Definition{
		define(t, "by-command", prints("command")+"  discover: {find: {command: [sh, -c], args: ['ls *.cue 2>/dev/null; true']}}\n"),
		define(t, "by-file", prints("file")+"  discover: {fileName: './sub/s*.txt'}\n"),
		define(t, "by-glob", prints("glob")+"  discover: {find: {glob: '**/deep/*.tpl'}}\n"),
		define(t, "named", prints("named")+"  version: v1.0\n"),
	}
	for name, test := range map[string]struct {
		files  map[string]string
		source v1alpha1.ApplicationSource
		want   string // the plugin, "type T", or a part of the error
	}{
		"by file name":             {files: map[string]string{"app/sub/s1.txt": ""}, want: "file"},
		"by glob":                  {files: map[string]string{"app/a/b/deep/x.tpl": ""}, want: "glob"},
		"by command":               {files: map[string]string{"app/x.cue": ""}, want: "command"},
		"the first by name":        {files: map[string]string{"app/x.cue": "", "app/sub/s1.txt": ""}, want: "command"},
		"before Helm":              {files: map[string]string{"app/x.cue": "", "app/Chart.yaml": "{}"}, want: "command"},
		"elsewhere in the tree":    {files: map[string]string{"other/x.cue": "", "app/a.yaml": ""}, want: "sources of type Directory cannot be rendered here"},
		"an explicit type":         {files: map[string]string{"app/x.cue": ""}, source: v1alpha1.ApplicationSource{Directory: &v1alpha1.ApplicationSourceDirectory{}}, want: "sources of type Directory cannot be rendered here"},
		"by name and version":      {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{Name: "named-v1.0"}}, files: map[string]string{"app/a": ""}, want: "named"},
		"without its version":      {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{Name: "named"}}, files: map[string]string{"app/a": ""}, want: `there is no plugin "named"; there are by-command, by-file, by-glob, named-v1.0`},
		"named and unwilling":      {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{Name: "by-file"}}, files: map[string]string{"app/a": ""}, want: "plugin by-file does not want this source"},
		"named and willing":        {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{Name: "by-file"}}, files: map[string]string{"app/x.cue": "", "app/sub/s.txt": ""}, want: "file"},
		"a plugin without a name":  {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{}}, files: map[string]string{"app/x.cue": ""}, want: "command"},
		"no name and none willing": {source: v1alpha1.ApplicationSource{Plugin: &v1alpha1.ApplicationSourcePlugin{}}, files: map[string]string{"app/a": ""}, want: "no plugin wants this source"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.files, b.src = test.files, test.source
			b.src.Path = "app"
			out, err := b.render(t, defs...)
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				return
			}
			if got := data(t, out, nil)["by"]; got != test.want {
				t.Errorf("by %v, want %v", got, test.want)
			}
		})
	}
}

// TestCached: a plugin runs again when any file changes, and not otherwise.
func TestCached(t *testing.T) {
	b := newBench(t)
	runs := filepath.Join(t.TempDir(), "runs")
	def := define(t, "p", shell("echo x >> "+runs+"\n"+configMap))
	p := plugin.New([]plugin.Definition{def}, b.opts)
	cache := render.NewCache(render.New(render.Renderers{Plugins: p}), render.CacheOptions{Version: p.Version()})
	count := func() int {
		text, err := os.ReadFile(runs)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "x")
	}
	ask := func() {
		t.Helper()
		if _, err := cache.Render(context.Background(), rendertest.Files(b.files), b.spec()); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	ask()
	if n := count(); n != 1 {
		t.Errorf("%d runs for the same content", n)
	}
	b.files["elsewhere/x"] = "new"
	spec := b.spec()
	spec.Revision = "fedcba"
	if _, err := cache.Render(context.Background(), rendertest.Files(b.files), spec); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d runs after a change elsewhere", n)
	}
	other := define(t, "p", shell("true"))
	if plugin.New([]plugin.Definition{other}, b.opts).Version() == p.Version() {
		t.Error("another definition has the same version")
	}
}

func TestLoad(t *testing.T) {
	const head = "apiVersion: argoproj.io/v1alpha1\nkind: ConfigManagementPlugin\n"
	good := head + "metadata: {name: b}\nspec: {generate: {command: [sh]}}\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":           {want: "there is no .yaml file in"},
		"two":               {files: map[string]string{"x.yaml": good, "y.yml": "---\n" + head + "metadata: {name: a}\nspec: {version: v2, generate: {command: [sh]}}\n", "README.md": "no"}, want: "a-v2 b"},
		"the same twice":    {files: map[string]string{"x.yaml": good, "y.yaml": good}, want: "defines a plugin b already"},
		"not YAML":          {files: map[string]string{"x.yaml": "a: [b"}, want: "x.yaml: "},
		"another kind":      {files: map[string]string{"x.yaml": "apiVersion: v1\nkind: ConfigMap\n"}, want: `it is "ConfigMap" of "v1", a ConfigManagementPlugin of argoproj.io/v1alpha1 is wanted`},
		"no name":           {files: map[string]string{"x.yaml": head + "spec: {generate: {command: [sh]}}\n"}, want: "metadata.name"},
		"no command":        {files: map[string]string{"x.yaml": head + "metadata: {name: b}\nspec: {generate: {args: [x]}}\n"}, want: "spec.generate.command is empty"},
		"a file outside":    {files: map[string]string{"x.yaml": head + "metadata: {name: b}\nspec: {generate: {command: [sh]}, discover: {fileName: '../*'}}\n"}, want: "looks outside the application's directory"},
		"a pattern that is": {files: map[string]string{"x.yaml": head + "metadata: {name: b}\nspec: {generate: {command: [sh]}, discover: {find: {glob: '[a'}}}\n"}, want: "spec.discover.find.glob: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			defs, err := plugin.Load(dir)
			got := ""
			for i := range defs {
				got += defs[i].Name() + " "
			}
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// FuzzParse: whatever a definition says, reading it ends with a plugin that has a program, or an error.
func FuzzParse(f *testing.F) {
	f.Add("apiVersion: argoproj.io/v1alpha1\nkind: ConfigManagementPlugin\nmetadata: {name: b}\nspec: {generate: {command: [sh]}}\n")
	f.Add("spec: {discover: {find: {glob: '{{{', command: [x]}}}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := plugin.Parse([]byte(text))
		if err == nil && (d.Name() == "" || len(d.Spec.Generate.Command) == 0 || d.Spec.Generate.Command[0] == "") {
			t.Fatalf("%+v", d)
		}
	})
}
