package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
)

func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestKeepUnknown: a change of what is understood leaves what is not, in lists too.
func TestKeepUnknown(t *testing.T) {
	for _, c := range []struct{ name, raw, before, after, want string }{
		{"a field", `{a: 1, new: x}`, `{a: 1}`, `{a: 2}`, `{a: 2, new: x}`},
		{"a field goes", `{a: 1, b: 2, new: x}`, `{a: 1, b: 2}`, `{a: 1}`, `{a: 1, new: x}`},
		{"a field comes", `{new: x}`, `{}`, `{a: {b: 1}}`, `{a: {b: 1}, new: x}`},
		{"below", `{s: {a: 1, new: x}}`, `{s: {a: 1}}`, `{s: {a: 2}}`, `{s: {a: 2, new: x}}`},
		{"an element is added", `{l: [{a: 1, new: x}]}`, `{l: [{a: 1}]}`, `{l: [{a: 1}, {a: 2}]}`, `{l: [{a: 1, new: x}, {a: 2}]}`},
		{"an element goes", `{l: [{a: 1, new: x}, {a: 2, new: y}]}`, `{l: [{a: 1}, {a: 2}]}`, `{l: [{a: 2}]}`, `{l: [{a: 2, new: y}]}`},
		{"an element changes", `{l: [{a: 1, new: x}, {a: 2, new: y}]}`, `{l: [{a: 1}, {a: 2}]}`, `{l: [{a: 1}, {a: 3}]}`, `{l: [{a: 1, new: x}, {a: 3, new: y}]}`},
		{"equal elements", `{l: [{a: 1, new: x}, {a: 1, new: y}]}`, `{l: [{a: 1}, {a: 1}]}`, `{l: [{a: 1}]}`, `{l: [{a: 1, new: x}]}`},
		{"nothing", `{a: 1, new: [1, 2]}`, `{a: 1}`, `{a: 1}`, `{a: 1, new: [1, 2]}`},
	} {
		got := keepUnknown(value(t, c.raw), value(t, c.before), value(t, c.after))
		if d := cmp.Diff(value(t, c.want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestExpressions(t *testing.T) {
	app := &v1alpha1.Application{}
	app.Status.Sync.Status, app.Status.Summary.Images = v1alpha1.SyncStatusSynced, []string{"example.com/web:2"}
	for text, want := range map[string]bool{
		`.status.sync.status == "Synced"`: true, `.status.sync.status == "OutOfSync"`: false, `.status.summary.images | any(endswith(":2"))`: true,
		`.status.nothing.here`: false, `.status.sync.status.deeper`: false, `.status.history[0].id`: false, `empty`: false,
		`jsonpath={.status.sync.status}=Synced`: true, `jsonpath={.status.sync.status}=Other`: false, `jsonpath={.status.nothing}`: false,
		`jsonpath={.status.sync.status}`: true, `jsonpath=.status.sync.status=Synced`: true, `jsonpath={.status.summary.images[?(@=="example.com/web:2")]}`: true,
		`jsonpath={.status.history[3].id}=1`: false,
	} {
		e, err := parseExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := holds([]expression{e}, app); got != want || err != nil {
			t.Errorf("%s: %t, %v", text, got, err)
		}
	}
	for _, text := range []string{`.status[`, `jsonpath={.status`, `nosuchfunction`} {
		if _, err := parseExpression(text); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
	endless, err := parseExpression(`last(range(infinite))`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holds([]expression{endless}, app); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("endless: %v", err)
	}
}

const hostKey = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"

func TestHostKeys(t *testing.T) {
	line := "git.example.com,192.0.2.7 ssh-ed25519 " + hostKey
	keys := hostKeys(line)
	if len(keys) != 2 || keys[0].ServerName != "git.example.com" || keys[0].SubType != "ssh-ed25519" || !strings.HasPrefix(keys[0].Info, "SHA256:") {
		t.Fatalf("%+v", keys)
	}
	for _, broken := range []string{"", "# comment", "git.example.com ssh-ed25519 AAAA", "git.example.com", "@revoked * ssh-ed25519 " + hostKey} {
		if got := hostKeys(broken); got != nil {
			t.Errorf("%q: %v", broken, got)
		}
	}
	text := "# ours\n" + line + "\n@revoked * ssh-ed25519 " + hostKey + "\n"
	got := withoutHostKeys(text, func(k certificate) bool { return k.ServerName == "git.example.com" })
	want := "# ours\n192.0.2.7 ssh-ed25519 " + hostKey + "\n@revoked * ssh-ed25519 " + hostKey + "\n"
	if got != want {
		t.Errorf("without the host:\n%s\nwant\n%s", got, want)
	}
	again, err := withHostKeys(text, keys, false)
	if err != nil || again != text {
		t.Errorf("keys that are known change the text: %v\n%s", err, again)
	}
	other := keys[0]
	other.Data = "other"
	if _, err := withHostKeys(text, []certificate{other}, false); err == nil {
		t.Error("another key of a known host is taken")
	}
	replaced, err := withHostKeys(text, []certificate{other}, true)
	if err != nil || strings.Count(replaced, "git.example.com") != 1 || !strings.Contains(replaced, "git.example.com ssh-ed25519 other\n") {
		t.Errorf("replaced: %v\n%s", err, replaced)
	}
}

func TestUnset(t *testing.T) {
	s := &v1alpha1.ApplicationSource{
		Helm: &v1alpha1.ApplicationSourceHelm{Parameters: []v1alpha1.HelmParameter{{Name: "a"}, {Name: "b"}}, ValueFiles: []string{"x", "y"}, Values: "a: b", PassCredentials: true},
		Kustomize: &v1alpha1.ApplicationSourceKustomize{NamePrefix: "p-", Images: v1alpha1.KustomizeImages{"web=example.com/web:2", "example.com:5000/db@sha256:1", "other:1"},
			Replicas: v1alpha1.KustomizeReplicas{{Name: "web"}, {Name: "db"}}},
	}
	(&unsetFlags{parameters: []string{"a", "none"}, valueFiles: []string{"y"}, values: true, passCreds: true, namePrefix: true,
		images: []string{"web", "example.com:5000/db"}, replicas: []string{"web"}}).unset(s)
	want := &v1alpha1.ApplicationSource{
		Helm:      &v1alpha1.ApplicationSourceHelm{Parameters: []v1alpha1.HelmParameter{{Name: "b"}}, ValueFiles: []string{"x"}},
		Kustomize: &v1alpha1.ApplicationSourceKustomize{Images: v1alpha1.KustomizeImages{"other:1"}, Replicas: v1alpha1.KustomizeReplicas{{Name: "db"}}},
	}
	if d := cmp.Diff(want, s); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestOnlyFields(t *testing.T) {
	object := value(t, `{metadata: {name: a, uid: x}, spec: {containers: [{image: i, name: c}, {name: d}], replicas: 1}}`).(map[string]any)
	got := onlyFields(object, []string{"metadata.name", "spec.containers.image", "spec.nothing", "spec.replicas"})
	if d := cmp.Diff(value(t, `{metadata: {name: a}, spec: {containers: [{image: i}], replicas: 1}}`), any(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
