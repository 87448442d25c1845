package action

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

func parseObject(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

const widget = `{apiVersion: example.com/v1, kind: Widget,
metadata: {name: a, namespace: ns, uid: u1, resourceVersion: "7", generation: 3, labels: {team: x}, finalizers: [example.com/f],
  managedFields: [{manager: m, operation: Apply}]},
spec: {replicas: 3, big: 9223372036854775807, ratio: 0.5, empty: {}, none: [], nothing: null, items: [{name: one, options: {}}, {name: two}]},
status: {phase: Ready, conditions: [{type: Ready, status: "True"}]}}`

// define is the setting of a kind whose action do has the script.
func define(script string) string {
	return defineAs(`return {["do"] = {}}`, script)
}

func defineAs(discovery, script string) string {
	data, err := yaml.Marshal(map[string]any{"discovery.lua": discovery, "definitions": []any{map[string]any{"name": "do", "action.lua": script}}})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func compileMap(t testing.TB, config map[string]string) (*Set, []settings.Problem) {
	t.Helper()
	parsed, problems := settings.Parse(config, nil, nil)
	set, more := Compile(parsed.Scripts)
	return set, append(problems, more...)
}

// decideFor runs the script of an action without a cluster: the changes as JSON, or the error.
func decideFor(t testing.TB, set *Set, live *unstructured.Unstructured, name string, params map[string]string) (string, error) {
	t.Helper()
	seen := See(live)
	a, err := set.find(seen, name)
	if err != nil {
		return "", err
	}
	changes, err := a.decide(Input{Object: seen, Params: params, Now: time.Unix(1700000000, 0)})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, c := range changes {
		line := string(c.Operation)
		if c.Object != nil && c.Operation == Patch {
			line += " " + c.Object.GetKind() + "/" + c.Object.GetName()
		}
		var value any = c.Patch
		if c.Operation == Create {
			value = c.Object.Object
		}
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line+" "+string(data))
	}
	return strings.Join(lines, "\n"), nil
}

// TestScripts is the contract of the scripts of actions: what they return, and what comes of it.
func TestScripts(t *testing.T) {
	for name, test := range map[string]struct{ script, want, wantErr string }{
		"the object changed":     {script: `obj.spec.replicas = 5; return obj`, want: `patch {"spec":{"replicas":5}}`},
		"nothing changed":        {script: `return obj`, want: `patch {}`},
		"a field removed":        {script: `obj.spec.ratio = nil; return obj`, want: `patch {"spec":{"ratio":null}}`},
		"a label added":          {script: `obj.metadata.labels.a = "b"; return obj`, want: `patch {"metadata":{"labels":{"a":"b"}}}`},
		"annotations from none":  {script: `obj.metadata.annotations = {}; return obj`, want: `patch {"metadata":{"annotations":{}}}`},
		"a list is whole":        {script: `obj.spec.items[2].name = "three"; return obj`, want: `patch {"spec":{"items":[{"name":"one","options":{}},{"name":"three"}]}}`},
		"an object made empty":   {script: `obj.metadata.labels.team = nil; return obj`, want: `patch {"metadata":{"labels":{"team":null}}}`},
		"an empty object stays":  {script: `obj.spec.empty = {}; return obj`, want: `patch {}`},
		"a list made empty":      {script: `obj.spec.items = {}; return obj`, want: `patch {"spec":{"items":[]}}`},
		"status changed":         {script: `obj.status.phase = "x"; return obj`, want: `patch {"status":{"phase":"x"}}`},
		"parameters":             {script: `obj.spec.replicas = tonumber(actionParams["n"]); return obj`, want: `patch {"spec":{"replicas":12}}`},
		"a parameter not given":  {script: `obj.spec.x = actionParams["y"] == nil; return obj`, want: `patch {"spec":{"x":true}}`},
		"no managed fields":      {script: `obj.spec.x = obj.metadata.managedFields == nil; return obj`, want: `patch {"spec":{"x":true}}`},
		"a local and os":         {script: `local os = require("os"); obj.spec.x = type(os.date("!%Y-%m-%dT%XZ")); return obj`, want: `patch {"spec":{"x":"string"}}`},
		"table.getn":             {script: `obj.spec.x = table.getn(obj.spec.items); return obj`, want: `patch {"spec":{"x":2}}`},
		"a big number elsewhere": {script: `obj.spec.replicas = 1; return obj`, want: `patch {"spec":{"replicas":1}}`},
		"list with a patch":      {script: `obj.spec.replicas = 1; return {{operation = "patch", resource = obj}}`, want: `patch {"spec":{"replicas":1}}`},
		"list with a creation": {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "c", uid = "x",
  resourceVersion = "1", labels = {}, managedFields = {}}, data = {a = "b"}}}}`,
			want: `create {"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"labels":{},"name":"c"}}`},
		"a copy keeps what is empty": {script: `return {{operation = "create", resource = {apiVersion = "example.com/v1", kind = "Widget",
  metadata = {generateName = "c-"}, spec = {empty = obj.spec.empty, none = obj.spec.none, items = obj.spec.items}}}}`,
			want: `create {"apiVersion":"example.com/v1","kind":"Widget","metadata":{"generateName":"c-"},"spec":{"empty":{},"items":[{"name":"one","options":{}},{"name":"two"}],"none":[]}}`},
		"another object": {script: `return {{operation = "patch", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "c", namespace = "ns", labels = {a = "b"}}}}}`,
			want: `patch ConfigMap/c {"metadata":{"labels":{"a":"b"}}}`},
		"an empty list": {script: `return {}`, want: ``},

		"nothing":              {script: `local x = 1`, wantErr: "the script returns a nil, the object or a list of changes is wanted"},
		"a text":               {script: `return "x"`, wantErr: "the script returns a string"},
		"an error":             {script: `error("no idea")`, wantErr: "action.lua:1: no idea"},
		"a missing field":      {script: `return obj.spec.no.where`, wantErr: "attempt to index"},
		"name":                 {script: `obj.metadata.name = "b"; return obj`, wantErr: "the script changes metadata.name, which no action may"},
		"namespace":            {script: `obj.metadata.namespace = "b"; return obj`, wantErr: "the script changes metadata.namespace"},
		"uid":                  {script: `obj.metadata.uid = nil; return obj`, wantErr: "the script changes metadata.uid"},
		"resourceVersion":      {script: `obj.metadata.resourceVersion = "1"; return obj`, wantErr: "the script changes metadata.resourceVersion"},
		"managedFields":        {script: `obj.metadata.managedFields = {{manager = "x"}}; return obj`, wantErr: "the script changes metadata.managedFields"},
		"no metadata":          {script: `obj.metadata = nil; return obj`, wantErr: "the script removes metadata"},
		"metadata a text":      {script: `obj.metadata = "x"; return obj`, wantErr: "the script removes metadata"},
		"kind":                 {script: `obj.kind = "Secret"; return obj`, wantErr: "the script changes kind"},
		"a part of the object": {script: `return {spec = {replicas = 1}}`, wantErr: "the script changes apiVersion"},
		"a function":           {script: `obj.spec.x = function() end; return obj`, wantErr: `a function at ".spec.x"`},
		"a cycle":              {script: `obj.spec.x = obj; return obj`, wantErr: "nested more than 64 deep"},
		"a gap":                {script: `obj.spec.items = {}; obj.spec.items[1] = 1; obj.spec.items[3] = 3; return obj`, wantErr: "a list with a gap"},
		"list and object":      {script: `obj.spec.items.x = 1; return obj`, wantErr: "a list and an object at once"},
		"no number":            {script: `obj.spec.x = 0/0; return obj`, wantErr: "a number that is none"},
		"no UTF-8":             {script: `obj.spec.x = "\255"; return obj`, wantErr: "that is no UTF-8"},
		"a big number moved":   {script: `obj.spec.x = {obj.spec.big}; return obj`, wantErr: "which Lua cannot hold exactly"},
		"no operation":         {script: `return {{resource = obj}}`, wantErr: `change 1: the operation "<nil>" is none of patch and create`},
		"delete":               {script: `return {{operation = "delete", resource = obj}}`, wantErr: `the operation "delete" is none of`},
		"no resource":          {script: `return {{operation = "patch"}}`, wantErr: "it has no resource"},
		"no kind":              {script: `return {{operation = "create", resource = {apiVersion = "v1"}}}`, wantErr: "resource has no kind"},
		"no name":              {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {labels = {a = "b"}}}}}`, wantErr: "neither metadata.name"},
		"a name that is none":  {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = {}}}}}`, wantErr: "metadata.name that is no text"},
		"twice":                {script: `return {{operation = "patch", resource = obj}, {operation = "patch", resource = obj}}`, wantErr: "change 2: example.com/Widget/ns/a is patched twice"},
		"too many":             {script: `local l = {}; for i = 1, 33 do l[i] = {operation = "patch", resource = obj} end; return l`, wantErr: "33 changes, and at most 32"},

		"endless loop":   {script: `while true do end`, wantErr: "the script takes more than 1000000 steps"},
		"caught":         {script: `while true do pcall(function() while true do end end) end`, wantErr: "steps"},
		"memory bomb":    {script: `local s = "x"; while true do s = s .. s end`, wantErr: "bytes of memory"},
		"huge output":    {script: `local s = "xxxxxxxxxxxxxxxx"; for i = 1, 19 do s = s .. s end; obj.spec.x = s; return obj`, wantErr: "more than 4194304 bytes"},
		"many values":    {script: `local t = {}; for i = 1, 15 do t = {t, t} end; for i = 1, 10 do obj.spec["x" .. i] = t end; return obj`, wantErr: "more than 200000 values"},
		"files":          {script: `return io.open("/etc/passwd")`, wantErr: "attempt to index a non-table object(nil)"},
		"a program":      {script: `os.execute("true")`, wantErr: "attempt to call a non-function object"},
		"the end":        {script: `os.exit(0)`, wantErr: "attempt to call a non-function object"},
		"an environment": {script: `return os.getenv("HOME")`, wantErr: "attempt to call a non-function object"},
		"a library":      {script: `require("io")`, wantErr: `there is no library "io"`},
		"open libraries": {script: `return string.rep("x", 10)`, wantErr: "attempt to index a non-table object(nil)"},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := compileMap(t, map[string]string{"resource.customizations.actions.example.com_Widget": define(test.script)})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			set.runner.Limit, set.runner.Patience = time.Minute, 2*time.Minute // how fast the machine is decides nothing
			live := parseObject(t, widget)
			before := live.DeepCopy()
			got, err := decideFor(t, set, live, "do", map[string]string{"n": "12"})
			switch {
			case test.wantErr == "" && err != nil:
				t.Errorf("error %v", err)
			case test.wantErr != "" && (err == nil || !strings.Contains(err.Error(), test.wantErr)):
				t.Errorf("error %v, want one with %q", err, test.wantErr)
			case got != test.want:
				t.Errorf("%s\nwant %s", got, test.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "action do of example.com/Widget/ns/a: ") {
				t.Errorf("the error does not name action and object: %v", err)
			}
			if diff := cmp.Diff(before, live); diff != "" {
				t.Errorf("the live object has changed: %s", diff)
			}
		})
	}
}

const secret = `{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: ns, uid: u, annotations: {hidden: Y2FuYXJ5, open: x,
  kubectl.kubernetes.io/last-applied-configuration: '{"data":{"password":"Y2FuYXJ5"}}'}}, data: {password: Y2FuYXJ5, user: Y2FuYXJ5}}`

// TestSecrets: whatever a script does, it gets no value of a Secret to read, and writes none that it has not made up.
func TestSecrets(t *testing.T) {
	for name, test := range map[string]struct{ script, want, wantErr string }{
		"untouched":          {script: `obj.metadata.labels = {a = "b"}; return obj`, want: `patch {"metadata":{"labels":{"a":"b"}}}`},
		"set":                {script: `obj.data.password = "bmV3"; return obj`, want: `patch {"data":{"password":"bmV3"}}`},
		"removed":            {script: `obj.data.user = nil; return obj`, want: `patch {"data":{"user":null}}`},
		"read by an error":   {script: `error(obj.data.password .. obj.metadata.annotations.hidden .. obj.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"])`, wantErr: mask.Stars},
		"moved":              {script: `obj.data.other = obj.data.password; return obj`, wantErr: "copies a value of the Secret"},
		"into an annotation": {script: `obj.metadata.annotations.x = "v=" .. obj.data.password; return obj`, wantErr: "copies a value of the Secret"},
		"into a copy": {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "Secret", metadata = {name = "c"}, data = obj.data}}}`,
			wantErr: "copies a value of the Secret"},
		"into a ConfigMap": {script: `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "c"}, data = {x = obj.data.password}}}}`,
			wantErr: "copies a value of the Secret"},
		"into another object": {script: `return {{operation = "patch", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "c"}, data = {x = obj.data.password}}}}`,
			wantErr: "copies a value of the Secret"},
		"compared": {script: `obj.metadata.labels = {same = tostring(obj.data.password == "Y2FuYXJ5")}; return obj`, want: `patch {"metadata":{"labels":{"same":"false"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			set, problems := compileMap(t, map[string]string{"resource.customizations.actions.Secret": define(test.script)})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			live := parseObject(t, secret)
			seen := See(live, "hidden")
			a, err := set.find(seen, "do")
			if err != nil {
				t.Fatal(err)
			}
			changes, err := a.decide(Input{Object: seen, Now: time.Unix(0, 0)})
			text := ""
			if err == nil {
				data, _ := json.Marshal(changes[0].Patch)
				text = "patch " + string(data)
			}
			if text != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%s, error %v; want %s, error %q", text, err, test.want, test.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "Y2FuYXJ5") {
				t.Errorf("the error has the value: %v", err)
			}
		})
	}
}
