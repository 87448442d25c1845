package preview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/object"
)

// unitOf is an application with the objects of YAML documents.
func unitOf(t *testing.T, name, docs string) *check.Unit {
	t.Helper()
	u := &check.Unit{Name: name, Kind: check.FromApplication, App: &v1alpha1.Application{}, Cluster: "https://kubernetes.default.svc", Namespace: name}
	u.App.Name = name
	for doc := range strings.SplitSeq(docs, "---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		o := &unstructured.Unstructured{}
		data, err := yaml.YAMLToJSON([]byte(doc))
		if err == nil {
			err = o.UnmarshalJSON(data)
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		u.Objects = append(u.Objects, &check.Object{Unstructured: o, Ref: object.RefOf(o), Unit: u})
	}
	return u
}

func repo(units ...*check.Unit) *check.Repository { return &check.Repository{Units: units} }

// compareDocs previews one application.
func compareDocs(t *testing.T, base, head string) *Preview {
	t.Helper()
	r := repo(unitOf(t, "shop", head))
	r.Base = repo(unitOf(t, "shop", base))
	return preview(t, Input{Head: r})
}

func preview(t *testing.T, in Input) *Preview {
	t.Helper()
	in.Key, in.BaseName, in.HeadName = []byte("key"), "main", "topic"
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - {name: api, image: "ghcr.io/shop/api:v1"}
`

func TestUnchanged(t *testing.T) {
	p := compareDocs(t, deployment, deployment)
	if p.Changes() || len(p.Units) != 0 || p.Same != 1 {
		t.Errorf("%+v", p)
	}
}

func TestChange(t *testing.T) {
	p := compareDocs(t, deployment, strings.Replace(deployment, ":v1\"", ":v2\"", 1))
	u := p.Units[0]
	if !p.Changes() || u.Counts != (Counts{Update: 1, Restart: 1}) || len(u.Dangers) != 0 {
		t.Errorf("%+v", u)
	}
	want := []Field{{Path: "spec.template.spec.containers[name=api].image", Before: "ghcr.io/shop/api:v1", After: "ghcr.io/shop/api:v2"}}
	if d := cmp.Diff(want, u.Objects[0].Fields); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if !strings.Contains(u.Objects[0].Diff, "-      - image: ghcr.io/shop/api:v1\n+      - image: ghcr.io/shop/api:v2\n") {
		t.Errorf("the diff is:\n%s", u.Objects[0].Diff)
	}
}

// TestDangers has for each danger a change that shows it, and for most one that comes near and does not.
func TestDangers(t *testing.T) {
	role := func(verbs string) string {
		return "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules:\n- {apiGroups: ['*'], resources: [pods], verbs: [" + verbs + "]}\n"
	}
	binding := func(subject string) string {
		return "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\nsubjects:\n- {kind: ServiceAccount, namespace: shop, name: " + subject + "}\n"
	}
	one := func(apiVersion, kind string) string {
		return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: x}\n"
	}
	service := func(app string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: " + app + "}}\n"
	}
	for name, c := range map[string]struct{ base, head, code, message string }{
		"claim deleted":       {one("v1", "PersistentVolumeClaim"), "", insight.PruneVolume, "with it the data"},
		"volume deleted":      {one("v1", "PersistentVolume"), "", insight.PruneVolume, ""},
		"namespace deleted":   {one("v1", "Namespace"), "", insight.PruneNamespace, ""},
		"kind deleted":        {one("apiextensions.k8s.io/v1", "CustomResourceDefinition"), "", insight.PruneCRD, ""},
		"StatefulSet deleted": {one("apps/v1", "StatefulSet"), "", PruneStatefulSet, ""},
		"ConfigMap deleted":   {one("v1", "ConfigMap"), "", "", ""},
		"selector":            {deployment, strings.Replace(deployment, "matchLabels: {app: api}", "matchLabels: {app: web}", 1), insight.ImmutableField, "sync will FAIL"},
		"no replicas":         {deployment, strings.Replace(deployment, "replicas: 3", "replicas: 0", 1), insight.ScaleToZero, "from 3 replicas to none"},
		"fewer replicas":      {deployment, strings.Replace(deployment, "replicas: 3", "replicas: 1", 1), "", ""},
		"more verbs":          {role("get"), role("get, delete"), MoreRights, "delete */pods"},
		"all verbs":           {role("get"), role("'*'"), MoreRights, "* */pods"},
		"fewer verbs":         {role("'*'"), role("get, list"), "", ""},
		"new role":            {"", role("'*'"), "", ""},
		"new binding":         {"", binding("ci"), MoreRights, "Role r to ServiceAccount shop ci"},
		"other subject":       {binding("ci"), binding("web"), MoreRights, "Role r to ServiceAccount shop web"},
		"registry":            {deployment, strings.Replace(deployment, "ghcr.io/shop/api", "shop/api", 1), OtherRegistry, "docker.io, not ghcr.io"},
		"repository":          {deployment, strings.Replace(deployment, "ghcr.io/shop/api", "ghcr.io/other/api", 1), "", ""},
		"service":             {service("api"), service("web"), OtherPods, "spec.selector"},
	} {
		t.Run(name, func(t *testing.T) {
			p := compareDocs(t, c.base, c.head)
			if len(p.Units) != 1 {
				t.Fatalf("%d units would change", len(p.Units))
			}
			found := ""
			for _, d := range p.Units[0].Dangers {
				if d.Severity == insight.Danger {
					found += d.Code + ": " + d.Message
				}
			}
			if c.code == "" && found != "" || !strings.Contains(found, c.code) || !strings.Contains(found, c.message) {
				t.Errorf("dangers are %q, want %s with %q", found, c.code, c.message)
			}
		})
	}
}

func TestRefusedByTheServer(t *testing.T) {
	r := repo(unitOf(t, "shop", strings.Replace(deployment, "matchLabels: {app: api}", "matchLabels: {app: web}", 1)))
	r.Base = repo(unitOf(t, "shop", deployment))
	p := preview(t, Input{Head: r, Refused: func(o *check.Object) []string { return []string{"spec.selector: field is immutable"} }})
	want := []Danger{{Severity: insight.Danger, Code: insight.ImmutableField, Object: "apps/Deployment/shop/api", Message: "sync will FAIL: spec.selector: field is immutable"}}
	if d := cmp.Diff(want, p.Units[0].Dangers); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTwoOwners(t *testing.T) {
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: x}\n"
	r := repo(unitOf(t, "a", config), unitOf(t, "b", config))
	r.Base = repo(unitOf(t, "a", config), unitOf(t, "b", ""))
	p := preview(t, Input{Head: r})
	if len(p.Units) != 1 || len(p.Units[0].Dangers) != 1 || p.Units[0].Dangers[0].Code != TwoOwners || !strings.Contains(p.Units[0].Dangers[0].Message, "belongs to a too") {
		t.Errorf("%+v", p.Units)
	}
	r.Base = repo(unitOf(t, "a", config), unitOf(t, "b", config))
	r.Units[1].Objects[0].SetLabels(map[string]string{"x": "y"})
	if p := preview(t, Input{Head: r}); len(p.Units[0].Dangers) != 0 {
		t.Errorf("what was shared before is told as new: %+v", p.Units[0].Dangers)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	secret := func(name, value string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {password: " + value + ", same: HUSH}\n"
	}
	config := func(value string) string {
		return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {token: " + value + ", url: 'postgres://me:" + value + "@db'}\n"
	}
	p := compareDocs(t, secret("db-2222222222", "LEAK1")+config("LEAK1"), secret("db-4444444444", "LEAK2")+config("LEAK2"))
	for _, format := range Formats() {
		var b bytes.Buffer
		if err := Write(&b, format, p, Options{}); err != nil {
			t.Fatal(err)
		}
		for _, hidden := range []string{"LEAK", "HUSH", "2222222222", "4444444444", "TEVBS"} {
			if strings.Contains(b.String(), hidden) {
				t.Errorf("%s shows %s:\n%s", format, hidden, b.String())
			}
		}
		if !strings.Contains(b.String(), "***") {
			t.Errorf("%s does not show that a value changes", format)
		}
	}
	for _, o := range p.Units[0].Objects {
		if o.Kind == "Secret" && (o.Action != "update" || strings.Contains(fieldsText(o), "same")) {
			t.Errorf("a Secret under a new name: %+v", o)
		}
	}
}

func fieldsText(o Object) string { return fmt.Sprint(o.Fields) }

func TestFold(t *testing.T) {
	in := func(name, tag string) *check.Unit {
		return unitOf(t, name, strings.NewReplacer("namespace: shop", "namespace: "+name, ":v1", ":"+tag).Replace(deployment))
	}
	r := repo(in("a", "v2"), in("b", "v2"), in("c", "v3"))
	r.Base = repo(in("a", "v1"), in("b", "v1"), in("c", "v1"))
	p := preview(t, Input{Head: r})
	if len(p.Units) != 2 || p.Units[0].Name != "a" || !cmp.Equal(p.Units[0].SameIn, []string{"b"}) || p.Counts.Update != 3 {
		t.Errorf("%+v", p)
	}
}

func TestUndetermined(t *testing.T) {
	config := func(name, random, colour string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {random: %s, colour: %s}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: job-%s}\n", name, random, colour, random)
	}
	r := repo(unitOf(t, "shop", config("c", "head1", "blue")))
	r.Base = repo(unitOf(t, "shop", config("c", "base1", "red")))
	p := preview(t, Input{Head: r, Again: repo(unitOf(t, "shop", config("c", "head2", "blue")))})
	u := p.Units[0]
	if len(u.Objects) != 1 || len(u.Objects[0].Fields) != 1 || u.Objects[0].Fields[0].Path != "data.colour" {
		t.Errorf("changes are %+v", u.Objects)
	}
	want := []Unstable{{Object: "ConfigMap/c", Paths: []string{"data.random"}}, {Object: "batch/Job/job-head1"}}
	if d := cmp.Diff(want, u.Unstable); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if strings.Contains(u.Objects[0].Diff, "head1") || len(u.Dangers) != 0 {
		t.Errorf("what is not determined shows: %+v", u)
	}
}

func TestStates(t *testing.T) {
	broken := unitOf(t, "broken", "")
	broken.Err = errors.New("no such file")
	elsewhere := unitOf(t, "elsewhere", "")
	elsewhere.Skipped = "its source is elsewhere"
	part := &check.Unit{Name: "base/db", Kind: check.FromDirectory, Path: "base/db"} // nobody read it, for what reads it is broken
	r := repo(broken, elsewhere, unitOf(t, "new", deployment), part)
	r.Base = repo(unitOf(t, "old", deployment), unitOf(t, "broken", deployment))
	r.Base.Units[1].Reads = []string{"base/db/deployment.yaml"}
	p := preview(t, Input{Head: r})
	states := map[string]string{}
	for _, u := range p.Units {
		states[u.Name] = u.State
	}
	if d := cmp.Diff(map[string]string{"broken": Failed, "new": Added, "old": Removed}, states); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if p.Units[0].Name != "broken" || !cmp.Equal(p.Failures(), []string{"broken"}) || len(p.Skipped) != 1 {
		t.Errorf("%+v", p)
	}
	if len(p.Units[1].Dangers) == 0 || p.Units[1].Dangers[0].Code != AppRemoved {
		t.Errorf("a removed application is no danger: %+v", p.Units[1])
	}
}

func TestLive(t *testing.T) {
	head := unitOf(t, "shop", deployment)
	live := unitOf(t, "shop", strings.Replace(deployment, ":v1", ":v0", 1)).Objects[0].Unstructured
	item := &diff.Item{Ref: object.RefOf(live), Action: diff.Update, Desired: head.Objects[0].Unstructured, Live: &object.Live{Object: live}, Changes: diff.Fields(live.Object, head.Objects[0].Object)}
	p := preview(t, Input{Head: repo(head, unitOf(t, "down", "")), Live: map[string]Live{"shop": {Plan: &diff.Plan{Items: []*diff.Item{item}}}, "down": {Err: errors.New("no connection")}}})
	if len(p.Units) != 2 || p.Units[0].State != Failed || p.Units[1].Counts != (Counts{Update: 1, Restart: 1}) {
		t.Errorf("%+v", p.Units)
	}
}

// TestMarkdownFits previews more than a comment can hold.
func TestMarkdownFits(t *testing.T) {
	r, base := repo(), repo()
	for i := range 120 {
		name := fmt.Sprintf("app-%03d", i)
		many := func(v int) (docs string) {
			for j := range 20 {
				docs += fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: '%d', b: '%s', c: '%d'}\n", j, v*i, strings.Repeat("`", 5)+strings.Repeat("x", 200), v*j)
			}
			return docs
		}
		r.Units, base.Units = append(r.Units, unitOf(t, name, many(2))), append(base.Units, unitOf(t, name, many(1)))
	}
	base.Units[7].Objects = append(base.Units[7].Objects, unitOf(t, "x", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n").Objects...)
	r.Base = base
	p := preview(t, Input{Head: r})
	for _, limit := range []int{0, 20_000, 2_000} {
		var b bytes.Buffer
		if err := Write(&b, "markdown", p, Options{MaxBytes: limit, Link: "https://example.com/run"}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		bound := limit
		if bound == 0 {
			bound = MarkdownLimit
		}
		if len(text) > bound || !strings.HasPrefix(text, Marker) || !strings.Contains(text, "PersistentVolumeClaim data would be deleted") || !strings.Contains(text, "[The whole preview](https://example.com/run)") {
			t.Errorf("%d bytes of at most %d:\n%.1500s", len(text), bound, text)
		}
		if o, c := strings.Count(text, "<details>"), strings.Count(text, "</details>"); o != c {
			t.Errorf("%d details begin, %d end", o, c)
		}
	}
}

func TestJSONIsStable(t *testing.T) {
	var b bytes.Buffer
	p := compareDocs(t, deployment, "")
	if err := Write(&b, "json", p, Options{}); err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	units, _ := doc["units"].([]any)
	if doc["formatVersion"] != 1.0 || doc["base"] != "main" || len(units) != 1 {
		t.Errorf("%s", b.String())
	}
	if err := Write(&b, "yaml", p, Options{}); err == nil {
		t.Error("an unknown format was written")
	}
}
