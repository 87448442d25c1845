package action

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/settings"
)

const deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ns, uid: u}, spec: {replicas: 2}}`

// briefly lists actions in one line.
func briefly(actions []Action) string {
	var words []string
	for _, a := range actions {
		word := a.Name
		if a.DisplayName+a.IconClass != "" {
			word += fmt.Sprintf("(%s,%s)", a.DisplayName, a.IconClass)
		}
		for _, p := range a.Params {
			word += fmt.Sprintf("[%s=%s|%s|%s]", p.Name, p.Value, p.Default, p.Type)
		}
		if a.Disabled {
			word += "-"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestDiscovery is the contract of discovery.lua.
func TestDiscovery(t *testing.T) {
	for name, test := range map[string]struct{ script, want, wantErr string }{
		"none":            {script: `return {}`, want: ""},
		"the least":       {script: `return {["do"] = {}}`, want: "do"},
		"all of it":       {script: `return {["do"] = {disabled = false, iconClass = "fa fa-plus", displayName = "Do it", params = {{name = "n", value = obj.spec.replicas, default = "x", type = "number"}}}}`, want: "do(Do it,fa fa-plus)[n=2|x|number]"},
		"disabled":        {script: `return {["do"] = {disabled = true}}`, want: "do-"},
		"nil is enabled":  {script: `return {["do"] = {disabled = obj.spec.paused}}`, want: "do"},
		"a global":        {script: `actions = {}; actions["do"] = {["disabled"] = obj.spec.replicas == 2}; return actions`, want: "do-"},
		"no definition":   {script: `return {["do"] = {}, other = {}}`, want: "do other-"},
		"a built-in one":  {script: `return {restart = {displayName = "Again"}}`, want: "restart(Again,)"},
		"no table":        {script: `return "do"`, wantErr: "the script returns a string, a table of actions is wanted"},
		"nothing":         {script: `local x`, wantErr: "the script returns a nil, a table of actions is wanted"},
		"a list":          {script: `return {{name = "do"}}`, wantErr: "a table with the names of actions as keys is wanted"},
		"a truth":         {script: `return {["do"] = true}`, wantErr: `action "do": its description is a boolean`},
		"disabled a text": {script: `return {["do"] = {disabled = "yes"}}`, wantErr: "disabled is a text"},
		"a name":          {script: `return {["do"] = {displayName = {a = 1}}}`, wantErr: "displayName is a table"},
		"a long name":     {script: `local s = "xxxxxxxxxx"; for i = 1, 5 do s = s .. s end; return {["do"] = {displayName = s}}`, wantErr: "displayName has 320 bytes"},
		"params":          {script: `return {["do"] = {params = "n"}}`, wantErr: "params is a text"},
		"a param":         {script: `return {["do"] = {params = {"n"}}}`, wantErr: "params[1]: it is a text"},
		"no param name":   {script: `return {["do"] = {params = {{value = "1"}}}}`, wantErr: "params[1]: name is missing"},
		"a slash":         {script: `return {["a/b"] = {}}`, wantErr: "cannot stand in a right"},
		"too many":        {script: `local t = {}; for i = 1, 101 do t["a" .. i] = {} end; return t`, wantErr: "101 actions, and at most 100"},
		"endless":         {script: `while true do end`, wantErr: "discovery.lua for apps/Deployment/ns/web: the script takes more than 1000000 steps"},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := compileMap(t, map[string]string{"resource.customizations.actions.apps_Deployment": defineAs(test.script, `return obj`)})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			set.runner.Limit, set.runner.Patience = time.Minute, 2*time.Minute
			found, err := set.List(parseObject(t, deployment))
			if got := briefly(found); got != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q, error %v; want %q, error %q", got, err, test.want, test.wantErr)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "actions of apps/Deployment in ConfigMap argocd-cm: ") {
				t.Errorf("the error does not name the setting: %v", err)
			}
		})
	}
}

// TestChoice: the exact kind wins, then the longest pattern; built-in actions stay where the setting merges them.
func TestChoice(t *testing.T) {
	named := func(name, more string) string {
		return "discovery.lua: return {" + name + " = {}}\ndefinitions: [{name: " + name + ", action.lua: return obj}]\n" + more
	}
	combined := map[string]any{
		"*.example.com/*":    map[string]any{"actions": named("wide", "")},
		"*.eu.example.com/*": map[string]any{"actions": named("narrow", "")},
		"apps/Deployment":    map[string]any{"actions": named("combined", "")},
		"batch/CronJob":      map[string]any{"actions": named("extra", "mergeBuiltinActions: true")},
		"batch/Job":          map[string]any{"health.lua": "return {}"},
	}
	data, err := yaml.Marshal(combined)
	if err != nil {
		t.Fatal(err)
	}
	set, problems := compileMap(t, map[string]string{
		"resource.customizations":                              string(data),
		"resource.customizations.actions.apps_Deployment":      named("split", ""),
		"resource.customizations.actions.ConfigMap":            named("core", ""),
		"resource.customizations.actions.example.com_Broken":   "discovery.lua: return {\n",
		"resource.customizations.actions.example.com_Unread":   "definitions: []",
		"resource.customizations.actions.all":                  named("any", "mergeBuiltinActions: true"),
		"resource.customizations.actions.apps_StatefulSet":     named("restart", "mergeBuiltinActions: true"),
		"resource.customizations.health.apps_StatefulSet":      "return {}",
		"resource.customizations.useOpenLibs.apps_StatefulSet": "true",
	})
	var told []string
	for _, p := range problems {
		told = append(told, p.Error())
	}
	if diff := cmp.Diff([]string{
		"ConfigMap/argocd-cm key resource.customizations.actions.example.com_Unread: discovery.lua is missing or empty; it returns a table of the actions that an object has",
		"ConfigMap/argocd-cm key actions of example.com/Broken: the script does not compile: discovery.lua at EOF: syntax error",
	}, told); diff != "" {
		t.Error(diff)
	}
	for kind, want := range map[string]string{
		"apps/v1 Deployment":         "split",
		"v1 ConfigMap":               "core",
		"v1 Secret":                  "any",
		"s3.example.com/v1 Bucket":   "wide",
		"a.eu.example.com/v1 Bucket": "narrow",
		"batch/v1 CronJob":           "create-job extra resume- suspend",
		"batch/v1 Job":               "any resume- suspend terminate-",
		"apps/v1 DaemonSet":          "any restart",
		"apps/v1 StatefulSet":        "restart scale[replicas=1||number]",
		"example.com/v1 Broken":      "error: actions of example.com/Broken in ConfigMap argocd-cm: the script does not compile",
		"example.com/v1 Unread":      "error: actions of example.com/Unread in ConfigMap argocd-cm: discovery.lua is missing",
	} {
		version, name, _ := strings.Cut(kind, " ")
		found, err := set.List(parseObject(t, "{apiVersion: "+version+", kind: "+name+", metadata: {name: a}}"))
		got := briefly(found)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want && !(err != nil && strings.HasPrefix(got, want)) {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	set, _ := Compile(nil)
	seen := See(parseObject(t, deployment))
	for name, want := range map[string]string{
		"restart": "",
		"resume":  `apps/Deployment/ns/web has no action "resume" now: it is disabled in the state that the object is in; it has pause, restart, scale`,
		"fly":     `apps/Deployment/ns/web has no action "fly" now: it has pause, restart, scale`,
	} {
		_, err := set.find(seen, name)
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	a, err := set.find(seen, "scale")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.decide(Input{Object: seen, Params: map[string]string{"n": "1"}}); err == nil || !strings.Contains(err.Error(), `has no parameter "n"; it has replicas`) {
		t.Errorf("unknown parameter: %v", err)
	}
}

// FuzzActions: whatever stands in argocd-cm and whatever a script returns, it is read or refused, and what is offered can be asked
// for.
func FuzzActions(f *testing.F) {
	for _, s := range []string{"", "discovery.lua: return {}", define(`return obj`), define(`return {{operation = "create", resource = obj}}`), "definitions: {}", "discovery.lua: [",
		"a: &a [*a]", defineAs(`return {["do"] = {params = {{name = 1}}}}`, `obj.metadata = {} return obj`), define(`return setmetatable({}, {__index = error})`)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, _ := settings.Parse(map[string]string{
			"resource.customizations.actions.example.com_Widget": text, "resource.customizations": "example.com/Other:\n  actions: |\n    " + strings.ReplaceAll(text, "\n", "\n    "),
		}, nil, nil)
		set, _ := Compile(parsed.Scripts)
		live := parseObject(t, widget)
		found, err := set.List(live)
		if err != nil {
			return
		}
		for _, a := range found {
			if a.Disabled {
				continue
			}
			changes, err := a.decide(Input{Object: See(live)})
			if err != nil {
				continue
			}
			for _, c := range changes {
				if c.Operation != Create && touchesIdentity(c.Patch) != nil {
					t.Fatalf("the patch touches what it may not: %v", c.Patch)
				}
			}
		}
	})
}
