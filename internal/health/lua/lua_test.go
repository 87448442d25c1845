package lua

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/settings"
)

func parseObject(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// compileMap reads scripts from the data of argocd-cm, the way they come in.
func compileMap(t testing.TB, config map[string]string) (*Checks, []settings.Problem) {
	t.Helper()
	parsed, problems := settings.Parse(config, nil, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return Compile(parsed.Scripts)
}

const widget = `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, generation: 9007199254740991},
spec: {replicas: 3, ratio: 0.5, tags: [v, w], live: true}, status: {phase: Ready, conditions: [{type: Ready, status: "True"}]}}`

// brief is what Assess says in one line.
func brief(c *Checks, obj *unstructured.Unstructured) string {
	res, found := c.Assess(obj)
	if !found {
		return "not found"
	}
	if res.Message == "" {
		return string(res.Status)
	}
	return string(res.Status) + ": " + res.Message
}

func TestScripts(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"the usual form": {`
hs = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for i, condition in ipairs(obj.status.conditions) do
    if condition.type == "Ready" and condition.status == "True" then
      hs.status = "Healthy"
      hs.message = "all is well"
      return hs
    end
  end
end
hs.status = "Progressing"
return hs`, "Healthy: all is well"},
		"values":          {`return {status = "Degraded", message = obj.spec.replicas .. " " .. obj.spec.ratio .. " " .. tostring(obj.spec.live) .. " " .. obj.spec.tags[2] .. " " .. #obj.spec.tags}`, "Degraded: 3 0.5 true w 2"},
		"nothing":         {`local x = 1`, ""},
		"an empty table":  {`return {}`, ""},
		"no table":        {`return "Healthy"`, "Unknown: the script returns a string, a table with status and message is wanted"},
		"unknown status":  {`return {status = "Fine"}`, `Unknown: the script returns the status "Fine", which is none`},
		"no status":       {`return {message = "x"}`, `Unknown: the script returns the status "", which is none`},
		"error":           {"hs = {}\nhs.status = obj.status.nothing.phase\nreturn hs", "Unknown: health.lua:2: attempt to index a non-table object(nil) with key 'phase'"},
		"error by itself": {`error("no idea")`, "Unknown: health.lua:1: no idea"},
		"time":            {`return {status = "Healthy", message = tostring(os.time() > 1000) .. type(os.date())}`, "Healthy: truestring"},
		"require":         {`local o = require("os"); return {status = type(o.time) == "function" and "Healthy" or "Degraded"}`, "Healthy"},
		"no string":       {`return {status = string == nil and "Healthy" or "Degraded"}`, "Healthy"},
		"nothing outside": {`
for _, name in ipairs({"io", "dofile", "loadfile", "load", "loadstring", "package", "debug", "getfenv", "setfenv", "module", "newproxy", "collectgarbage", "channel"}) do
  if _G[name] ~= nil then return {status = "Degraded", message = name} end
end
for _, name in ipairs({"execute", "exit", "getenv", "remove", "rename", "setenv", "tmpname"}) do
  if os[name] ~= nil then return {status = "Degraded", message = "os." .. name} end
end
return {status = "Healthy"}`, "Healthy"},
		"the object stays": {`obj.status.phase = "Broken"; obj.metadata = nil; return {status = "Healthy"}`, "Healthy"},
		"does not compile": {"return {\nstatus = = 1}", "Unknown: the script does not compile: health.lua line:2(column:10) near '=': syntax error"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := compileMap(t, map[string]string{"resource.customizations.health.example.com_Widget": test.script})
			obj := parseObject(t, widget)
			if got := brief(c, obj); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			if got := brief(c, obj); got != test.want {
				t.Errorf("the second time %q, want %q", got, test.want)
			}
			if phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase"); phase != "Ready" {
				t.Errorf("the script has changed the object: %q", phase)
			}
		})
	}
}

func TestOpenLibraries(t *testing.T) {
	c, problems := compileMap(t, map[string]string{
		"resource.customizations.health.example.com_Widget": `
if io ~= nil or os.execute ~= nil then return {status = "Degraded"} end
return {status = "Healthy", message = string.upper(obj.status.phase) .. math.max(1, 2) .. (("ab"):rep(2))}`,
		"resource.customizations.useOpenLibs.example.com_Widget": "true",
	})
	if got := brief(c, parseObject(t, widget)); got != "Healthy: READY2abab" || len(problems) > 0 {
		t.Errorf("%q, %v", got, problems)
	}
}

// TestChoice: the exact kind wins, then the longest pattern; the later form of a setting wins over the combined one.
func TestChoice(t *testing.T) {
	says := func(text string) string { return fmt.Sprintf("return {status = 'Healthy', message = %q}", text) }
	c, problems := compileMap(t, map[string]string{
		"resource.customizations": "example.com/Widget:\n  health.lua: " + says("combined") + "\n" +
			"example.com/Gadget:\n  health.lua: " + says("gadget") + "\n" +
			"\"*.crossplane.io/*\":\n  health.lua: " + says("crossplane") + "\n",
		"resource.customizations.health.example.com_Widget":         says("by kind"),
		"resource.customizations.health.*.aws.crossplane.io_Bucket": says("bucket"),
		"resource.customizations.health.ConfigMap":                  says("core"),
		"resource.customizations.health.broken.example.com_Widget":  "return {",
		"resource.customizations.health.*.broken.example.com_*":     "return }",
	})
	for kind, want := range map[string]string{
		"example.com/v1 Widget":             "Healthy: by kind",
		"example.com/v2 Gadget":             "Healthy: gadget",
		"s3.aws.crossplane.io/v1 Bucket":    "Healthy: bucket",
		"s3.aws.crossplane.io/v1 Policy":    "Healthy: crossplane",
		"sql.gcp.crossplane.io/v1 Instance": "Healthy: crossplane",
		"crossplane.io/v1 Instance":         "not found",
		"v1 ConfigMap":                      "Healthy: core",
		"v1 Secret":                         "not found",
		"other.example.com/v1 Widget":       "not found",
		"x.broken.example.com/v1 Thing":     "Unknown: the script does not compile: health.lua line:1(column:8) near '}': syntax error",
	} {
		version, kindName, _ := strings.Cut(kind, " ")
		if got := brief(c, parseObject(t, "{apiVersion: "+version+", kind: "+kindName+"}")); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	if len(problems) != 2 || !strings.Contains(problems[0].Error(), "health.lua of *.broken.example.com/*") {
		t.Errorf("problems %v", problems)
	}
	var none *Checks
	if got := brief(none, parseObject(t, widget)); got != "not found" {
		t.Errorf("without scripts: %q", got)
	}
}

// TestBounds wants every script to end, with an error that says why, and the next object to be judged as ever. The bounds of
// time are out of the way, so that how fast the machine is does not decide which bound ends a script.
func TestBounds(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"endless loop":        {`while true do end`, "the script takes more than 1000000 steps"},
		"caught":              {`while true do pcall(function() while true do end end) end`, "the script takes more than 1000000 steps"},
		"endless recursion":   {`local function f() return 1 + f() end; return f()`, "stack overflow"},
		"endless tail call":   {`local function f() return f() end; return f()`, "the script takes "},
		"growing table":       {`local t = {}; while true do t[#t+1] = {1, 2, 3} end`, "the script takes "},
		"doubled text":        {`local s = "x"; while true do s = s .. s end`, "bytes of memory"},
		"repeated text":       {`return {status = string.rep("x", 1e9)}`, "string.rep gives more than"},
		"repeated text again": {`return {status = ("x"):rep(1e9)}`, "string.rep gives more than"},
		"a metatable":         {`local t = setmetatable({}, {__index = function(t, k) return t[k] end}); return t.x`, "stack overflow"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := compileMap(t, map[string]string{
				"resource.customizations.health.example.com_Widget":      test.script,
				"resource.customizations.useOpenLibs.example.com_Widget": "true",
				"resource.customizations.health.example.com_Gadget":      "return {status = 'Healthy'}",
				"resource.customizations.useOpenLibs.example.com_Gadget": "true",
			})
			c.runner.Limit, c.runner.Patience = time.Minute, 2*time.Minute
			if got := brief(c, parseObject(t, widget)); !strings.HasPrefix(got, "Unknown: ") || !strings.Contains(got, test.want) {
				t.Errorf("%q, want Unknown with %q", got, test.want)
			}
			if got := brief(c, parseObject(t, "{apiVersion: example.com/v1, kind: Gadget}")); got != "Healthy" {
				t.Errorf("the next object: %q", got)
			}
		})
	}
}

// TestTimeLimit ends a script that takes no more steps than it may, but long over them.
func TestTimeLimit(t *testing.T) {
	c, _ := compileMap(t, map[string]string{
		"resource.customizations.health.example.com_Widget": `while true do end`,
	})
	c.runner.Limit = time.Nanosecond
	if got := brief(c, parseObject(t, widget)); got != "Unknown: the script takes longer than 1ns" {
		t.Errorf("%q", got)
	}
}

// TestStuckIsNotRunAgain: what could not be stopped once is not given a second goroutine, until it has ended.
func TestStuckIsNotRunAgain(t *testing.T) {
	c, _ := compileMap(t, map[string]string{
		"resource.customizations.health.example.com_Widget":      `return {status = ("a"):rep(25):find(("a*"):rep(8) .. "b")}`,
		"resource.customizations.useOpenLibs.example.com_Widget": "true",
		"resource.customizations.health.example.com_Gadget":      "return {status = 'Healthy'}",
	})
	c.runner.Patience = 300 * time.Millisecond
	if got := brief(c, parseObject(t, widget)); !strings.Contains(got, "does not stop after 300ms") {
		t.Errorf("%q", got)
	}
	if got := brief(c, parseObject(t, widget)); !strings.Contains(got, "is not run again until it has ended") {
		t.Errorf("%q", got)
	}
	c.runner.Patience = time.Minute // a busy machine is no stuck script
	gadget := parseObject(t, "{apiVersion: example.com/v1, kind: Gadget}")
	if got := brief(c, gadget); got != "Healthy" {
		t.Errorf("another kind: %q", got)
	}
	// It goes on for some seconds, and is run again after them.
	stuck, _ := c.kinds.Of("example.com", "Widget")
	stuck.program.Wait()
	c.runner.Patience = 300 * time.Millisecond
	if got := brief(c, parseObject(t, widget)); !strings.Contains(got, "does not stop after 300ms") {
		t.Errorf("after its end: %q", got)
	}
}

// TestRunsAreApart: no script sees what another has left in variables or in libraries, also side by side.
func TestRunsAreApart(t *testing.T) {
	c, _ := compileMap(t, map[string]string{"resource.customizations.health.example.com_Widget": `
if counter ~= nil or table.insert == nil then return {status = "Degraded", message = "something is left over"} end
counter = 1
table.insert = nil
return {status = "Healthy"}`})
	obj := parseObject(t, widget)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				if got := brief(c, obj); got != "Healthy" {
					t.Errorf("%q", got)
					return
				}
			}
		}()
	}
	wg.Wait()
}

// FuzzScript: whatever a script says, it ends, and the process lives.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"", "return {status='Healthy'}", "return obj", "while true do end", "return {status={}}", "error({})", "return setmetatable({}, {__index=error})", "goto x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, _ := Compile([]settings.Customization{{Group: "example.com", Kind: "Widget", Health: text}})
		res, found := c.Assess(parseObject(t, widget))
		if found && res.Status != "" && !valid(res.Status) {
			t.Fatalf("status %q", res.Status)
		}
	})
}

func BenchmarkAssess(b *testing.B) {
	c, _ := compileMap(b, map[string]string{"resource.customizations.health.example.com_Widget": `
hs = {status = "Progressing"}
for i, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" and condition.status == "True" then hs.status = "Healthy" end
end
return hs`})
	obj := parseObject(b, widget)
	for b.Loop() {
		c.Assess(obj)
	}
}
