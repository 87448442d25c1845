package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TestCatalogue: what is always there can be read, evaluated on an application that has nothing yet, and filled in for every service.
func TestCatalogue(t *testing.T) {
	c := parse(t, &recorder{}, nil)
	full := app(operation(100, v1alpha1.OperationFailed, "one object failed: password=canary"))
	full.Status.History = v1alpha1.RevisionHistories{{ID: 3}}
	full.Status.Conditions = []v1alpha1.ApplicationCondition{{Type: v1alpha1.ConditionComparisonError, Message: "no such path"}}
	full.Status.Resources = []v1alpha1.ResourceStatus{{Kind: "Service", Name: "web", Status: v1alpha1.SyncStatusOutOfSync}}
	for _, a := range []*v1alpha1.Application{app(nil), full} {
		vars := c.Vars(a, nil, nil)
		for _, trigger := range c.Triggers() {
			results, err := c.Run(trigger, vars)
			if err != nil {
				t.Error(err)
			}
			for _, r := range results {
				if r.Err != nil || r.Description == "" {
					t.Errorf("%s on %q: %v, %q", trigger, a.Status.Sync.Status, r.Err, r.Description)
				}
			}
		}
		for _, name := range c.Templates() {
			for _, service := range []string{"log", "slack", "email", "teams", "teams-workflows", "github"} {
				m, err := c.Render([]string{name}, Destination{service, "x"}, vars)
				if err != nil || !strings.Contains(m.Text, "shop") || strings.Contains(m.Text, "<no value>") || strings.Contains(m.Text, "canary") {
					t.Errorf("%s for %s: %v\n%s", name, service, err, m.Text)
				}
			}
		}
	}
	m, err := c.Render([]string{"app-sync-failed"}, Destination{"github", ""}, c.Vars(full, nil, nil))
	want := Message{
		Text: "The sync of shop to 0123456 failed: one object failed: password=***\nhttps://belay.example.com/applications/shop?operation=true",
		Parts: map[string]any{"github": map[string]any{
			"status": map[string]any{"state": "failure", "label": "belay/shop", "targetURL": "https://belay.example.com/applications/shop?operation=true"},
		}},
		Template: "app-sync-failed", Repository: "https://git.example.com/acme/shop.git", Revision: "0123456789abcdef0123456789abcdef01234567",
	}
	if d := cmp.Diff(want, m); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

// TestFormat reads a ConfigMap as Argo CD's users have it.
func TestFormat(t *testing.T) {
	data := map[string]string{
		"service.slack":   "token: $address\n",
		"context":         "environment: production\nargocdUrl: https://cd.example.com\n",
		"defaultTriggers": "[on-sync-failed, on-health-degraded]",
		"defaultTriggers.slack": `- broken-builds
`,
		"trigger.broken-builds": `- description: a sync has failed
  oncePer: app.status.operationState?.syncResult?.revision
  send: [first, second]
  when: app.status.operationState != nil and app.status.operationState.phase in ['Error', 'Failed']
`,
		"template.first": `message: |
  {{.app.metadata.name}} in {{.context.environment}}: {{(call .repo.GetCommitMetadata .app.status.operationState.syncResult.revision).Author}} {{call .repo.FullNameByRepoURL .app.spec.source.repoURL}}
slack:
  attachments: |
    [{"title": "{{.app.metadata.name}}", "color": "#E96D76"}]
  notifyBroadcast: false
webhook:
  log:
    method: POST
    body: '{"at": "{{(call .time.Parse .app.status.operationState.finishedAt).UTC.Year}}"}'
`,
		"template.second": "slack:\n  groupingKey: \"{{.revision}}\"\n",
		"subscriptions": `- recipients: [slack:all, log]
  triggers: [on-sync-failed]
  selector: tier=gold
- recipients: [slack:rest]
`,
	}
	c := parse(t, &recorder{}, data)
	a := app(operation(100, v1alpha1.OperationFailed, "no"))
	p := &plane{}
	vars := c.Vars(a, &v1alpha1.AppProject{}, func(r string) (Commit, error) { return p.Commit(t.Context(), a, r) })
	results, err := c.Run("broken-builds", vars)
	if err != nil || len(results) != 1 || !results[0].Triggered || results[0].OncePer != "0123456789abcdef0123456789abcdef01234567" {
		t.Fatalf("%+v, %v", results, err)
	}
	if got, want := recordKey(Subscription{Trigger: "broken-builds", Destination: Destination{"slack", "ops"}}, &results[0]),
		"0123456789abcdef0123456789abcdef01234567:broken-builds:[0].QocUZC1QzO--b2WEwALX85YPE5o:slack:ops"; got != want {
		t.Errorf("the record would call it %s, want %s", got, want)
	}
	m, err := c.Render(results[0].send, Destination{"slack", "ops"}, vars)
	// A later template says what it says of the whole part.
	if want := (Message{Text: "shop in production: dev acme/shop", Parts: map[string]any{"slack": map[string]any{"groupingKey": "0123456"}},
		Template: "second", Repository: "https://git.example.com/acme/shop.git", Revision: "0123456789abcdef0123456789abcdef01234567"}); err != nil || !cmp.Equal(want, m) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, m))
	}
	m, err = c.Render([]string{"first"}, Destination{"log", ""}, vars)
	if want := map[string]any{"webhook": map[string]any{"log": map[string]any{"method": "POST", "body": `{"at": "1970"}`}}}; err != nil || !cmp.Equal(want, m.Parts) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, m.Parts))
	}
	for name, tc := range map[string]struct {
		app, project, labels map[string]string
		want                 string
	}{
		"default":   {want: "on-health-degraded>slack:rest on-sync-failed>slack:rest"},
		"selected":  {labels: map[string]string{"tier": "gold"}, want: "on-health-degraded>slack:rest on-sync-failed>log on-sync-failed>slack:all on-sync-failed>slack:rest"},
		"annotated": {app: map[string]string{"notifications.argoproj.io/subscribe.on-created.slack": "a; b ;", "notifications.argoproj.io/subscribe.on-created.log": ""}, want: "on-created>log! on-created>slack:a! on-created>slack:b! on-health-degraded>slack:rest on-sync-failed>slack:rest"},
		"default triggers": {project: map[string]string{"notifications.argoproj.io/subscribe.slack": "p", "notifications.argoproj.io/subscribe.log": "q"},
			want: "broken-builds>slack:p! on-health-degraded>log:q! on-health-degraded>slack:rest on-sync-failed>log:q! on-sync-failed>slack:rest"},
		"list": {app: map[string]string{"notifications.argoproj.io/subscriptions": "- trigger: [on-created]\n  destinations:\n  - service: slack\n    recipients: [x, z]\n- destinations: [{service: log}]\n"},
			want: "on-created>slack:x! on-created>slack:z! on-health-degraded>log! on-health-degraded>slack:rest on-sync-failed>log! on-sync-failed>slack:rest"},
		"twice": {app: map[string]string{"notifications.argoproj.io/subscribe.on-sync-failed.slack": "rest"}, project: map[string]string{"notifications.argoproj.io/subscribe.slack": "rest"}, want: "broken-builds>slack:rest! on-health-degraded>slack:rest on-sync-failed>slack:rest!"},
	} {
		list, problems := c.Subscriptions(tc.app, tc.project, tc.labels)
		var got []string
		for _, s := range list {
			mark := "!"
			if s.General {
				mark = ""
			}
			got = append(got, s.Trigger+">"+s.Destination.String()+mark)
		}
		if text := strings.Join(got, " "); text != tc.want || len(problems) > 0 {
			t.Errorf("%s: %s, %v\nwant %s", name, text, problems, tc.want)
		}
	}
	many, problems := c.Subscriptions(map[string]string{"notifications.argoproj.io/subscribe.on-created.slack": manyRecipients(500)}, nil, nil)
	if len(many) > mostSubscriptions || len(problems) != 1 {
		t.Errorf("%d subscriptions, %v", len(many), problems)
	}
	_, problems = c.Subscriptions(map[string]string{"notifications.argoproj.io/subscribe.nothing.slack": "a", "notifications.argoproj.io/subscribe.on-created.pager": "b", "notifications.argoproj.io/subscriptions": "{"}, nil, nil)
	for i, want := range []string{"no list", "no service pager", "no trigger nothing"} {
		if !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("problem %d: %v lacks %q", i, problems, want)
		}
	}
}

func manyRecipients(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("room", i)
	}
	return strings.Join(list, ";")
}

// TestProblems: what is wrong is named, and costs nothing but itself.
func TestProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		data map[string]string
		want string
	}{
		"trigger":      {map[string]string{"trigger.t": "- when: a =="}, "trigger.t: condition 1: when: it is no expression"},
		"no when":      {map[string]string{"trigger.t": "- send: [app-created]"}, "no when"},
		"no list":      {map[string]string{"trigger.t": "when: true"}, "trigger.t: it is not what is expected here"},
		"empty":        {map[string]string{"trigger.t": ""}, "no condition"},
		"for":          {map[string]string{"trigger.t": "- {when: 'true', for: long}"}, `such as "5m"`},
		"template":     {map[string]string{"template.t": "slack:\n  blocks: '{{.x'"}, "template.t: slack.blocks: it is no template"},
		"message":      {map[string]string{"template.t": "message: [a]"}, "message is no text"},
		"env":          {map[string]string{"template.t": "message: '{{env \"HOME\"}}'"}, `"env" not defined`},
		"send":         {map[string]string{"trigger.t": "- {when: 'true', send: [none]}"}, "trigger.t: there is no template none"},
		"secret":       {map[string]string{"service.slack": "token: $missing"}, "service.slack: there is no $missing in Secret argocd-notifications-secret"},
		"kind":         {map[string]string{"service.pigeon": "a: b"}, "service.pigeon: there is no such kind"},
		"name":         {map[string]string{"service.webhook.a.b": "url: x"}, "service.TYPE.NAME"},
		"selector":     {map[string]string{"subscriptions": "- selector: '=='\n  recipients: [log]"}, "subscription 1: the selector"},
		"recipient":    {map[string]string{"subscriptions": "- recipients: [pager:x]"}, "there is no service pager"},
		"no trigger":   {map[string]string{"defaultTriggers": "[none]"}, "defaultTriggers: there is no trigger none"},
		"secret shown": {map[string]string{"service.slack": "token: $address\n  broken: ["}, "the options are no YAML"},
	} {
		c, problems := parseAny(&recorder{}, tc.data)
		if len(problems) != 1 || !strings.Contains(fmt.Sprint(problems), tc.want) || strings.Contains(fmt.Sprint(problems), "canary") {
			t.Errorf("%s: %v, want %q", name, problems, tc.want)
		}
		if _, err := c.Run("on-created", c.Vars(app(nil), nil, nil)); err != nil {
			t.Errorf("%s: the rest does not work: %v", name, err)
		}
	}
	c, problems := parseAny(&recorder{}, map[string]string{"service.slack": "token: $other:key"})
	if len(problems) > 0 || strings.Join(c.Services(), " ") != "log slack" {
		t.Errorf("a key of another Secret: %v, %v", problems, c.Services())
	}
}

// TestKept: a service keeps what it remembers (threads, connections) as long as it is set up the same.
func TestKept(t *testing.T) {
	opened := 0
	in := Inputs{Data: map[string]string{"service.slack": "token: $t"}, Secrets: map[string]string{"t": "1"}, Now: time.Now,
		Open: func(string, string, []byte) (Service, error) { opened++; return &recorder{}, nil }}
	first, _ := Parse(in, nil)
	if _, _ = Parse(in, first); opened != 1 {
		t.Errorf("opened %d times, want once", opened)
	}
	in.Secrets = map[string]string{"t": "2"}
	if _, _ = Parse(in, first); opened != 2 {
		t.Errorf("opened %d times, want once more for another token", opened)
	}
	in.Trust = "another authority"
	if _, _ = Parse(in, first); opened != 3 {
		t.Errorf("opened %d times, want once more for other certificates", opened)
	}
}

func TestRecord(t *testing.T) {
	r := parseRecord(`{"b":2,"a":1}`)
	for i := range 120 {
		r[fmt.Sprintf("k%03d", i)] = int64(100 + i)
	}
	again := parseRecord(r.String())
	if len(again) != mostRecorded || again["a"] != 0 || again["k119"] == 0 || again["k019"] != 0 || again["k020"] == 0 {
		t.Errorf("%d are kept, want the latest %d", len(again), mostRecorded)
	}
	for _, text := range []string{"", "nonsense", "[]", "null", `{"a":"x"}`} {
		if got := parseRecord(text).String(); got != "{}" {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestRepositories(t *testing.T) {
	f := repoFunctions(nil)
	name, https := f["FullNameByRepoURL"].(func(string) (string, error)), f["RepoURLToHTTPS"].(func(string) (string, error))
	for address, want := range map[string][2]string{
		"https://user:canary@git.example.com/acme/shop.git": {"acme/shop", "https://git.example.com/acme/shop.git"},
		"git@git.example.com:acme/shop.git":                 {"acme/shop", "https://git.example.com/acme/shop.git"},
		"ssh://git@git.example.com/acme/group/shop":         {"acme/group", "https://git.example.com/acme/group/shop"},
		"git.example.com:shop":                              {"shop", "https://git.example.com/shop"},
	} {
		a, err := name(address)
		b, err2 := https(address)
		if err != nil || err2 != nil || [2]string{a, b} != want {
			t.Errorf("%s: %s, %s, %v, %v; want %v", address, a, b, err, err2, want)
		}
	}
	if _, err := name("https://%zz"); err == nil || strings.Contains(err.Error(), "zz") {
		t.Errorf("no address: %v", err)
	}
}

// FuzzParse: whatever the ConfigMap holds, it is read or named, and what can be read can be run.
func FuzzParse(f *testing.F) {
	f.Add("trigger.t", "- when: app.metadata.name == 'x'\n  send: [app-created]")
	f.Add("template.t", "message: '{{.app.metadata.name | upper}}'\nslack: {a: ['{{.x}}', 1]}")
	f.Add("subscriptions", "- recipients: [log:a]\n  selector: a in (b)")
	f.Add("service.webhook.x", "url: $address")
	f.Fuzz(func(t *testing.T, key, text string) {
		c, _ := parseAny(&recorder{}, map[string]string{key: text})
		vars := c.Vars(app(nil), nil, nil)
		for _, trigger := range c.Triggers() {
			if _, err := c.Run(trigger, vars); err != nil {
				t.Error(err)
			}
		}
		for _, name := range c.Templates() {
			_, _ = c.Render([]string{name}, Destination{"slack", ""}, vars) // an error is an answer
		}
		_, _ = c.Subscriptions(map[string]string{"notifications.argoproj.io/subscriptions": text}, nil, nil)
	})
}
