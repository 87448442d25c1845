package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
)

func TestClassify(t *testing.T) {
	gr := schema.GroupResource{Group: v1alpha1.Group, Resource: "applications"}
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1/api", Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}
	cases := map[string]struct {
		err  error
		exit int
		code string
		text string
	}{
		"Usage":       {usageError("bad flag"), 2, "Usage", "error: bad flag\n"},
		"Different":   {different(), 1, "Different", ""},
		"Forbidden":   {fmt.Errorf("get application a/b: %w", apierrors.NewForbidden(gr, "b", errors.New("no"))), 20, "Forbidden", "error: get application a/b\ncause: applications.argoproj.io \"b\" is forbidden: no\nhint: ask"},
		"Unreachable": {fmt.Errorf("list applications: %w", refused), 20, "Unreachable", "error: list applications: Get \"https://10.0.0.1/api\": dial tcp\ncause: connection refused\nhint: check --kubeconfig"},
		"Interrupted": {fmt.Errorf("x: %w", context.Canceled), 130, "Interrupted", "error: interrupted\n"},
		"Deadline":    {fmt.Errorf("x: %w", context.DeadlineExceeded), 20, "Timeout", "error: x\ncause: context deadline exceeded\n"},
		"Wrapped":     {fmt.Errorf("sync application a/b: %w", &Failure{Exit: 20, Code: "AutomatedSync", Err: errors.New("no"), Hint: "h"}), 20, "AutomatedSync", "error: sync application a/b\ncause: no\nhint: h\n"},
		"Password":    {errors.New("fetch https://u:pw@h/x: no"), 20, "Internal", "error: fetch https://u:xxxxx@h/x: no\n"},
		"Token":       {errors.New("fetch https://ghp_abc@h/x: no"), 20, "Internal", "error: fetch https://xxxxx@h/x: no\n"},
		"MissingKind": {apierrors.NewGenericServerResponse(404, "GET", gr, "", "", 0, true), 20, "NotInstalled", "hint: the cluster does not know this kind"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := classify(tc.err)
			if f.Exit != tc.exit || f.Code != tc.code {
				t.Errorf("exit %d code %s, want %d %s", f.Exit, f.Code, tc.exit, tc.code)
			}
			if tc.text != "" && !strings.Contains(failureText(f), tc.text) {
				t.Errorf("text:\n%swant:\n%s", failureText(f), tc.text)
			}
		})
	}
}

func TestSplitWords(t *testing.T) {
	cases := []struct {
		line string
		want []string
		ok   bool
	}{
		{"", nil, true}, {"  ", nil, true}, {"--core", []string{"--core"}, true},
		{`--a "b c" 'd "e' f\ g`, []string{"--a", "b c", `d "e`, "f g"}, true},
		{`''`, []string{""}, true}, {`"open`, nil, false}, {`end\`, nil, false},
	}
	for _, tc := range cases {
		got, err := splitWords(tc.line)
		if (err == nil) != tc.ok || err == nil && !cmp.Equal(tc.want, got) {
			t.Errorf("splitWords(%q) = %q, %v", tc.line, got, err)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"shop-dev", "shop-prod", "guestbook", "mail"}
	for in, want := range map[string][]string{"shop-prd": {"shop-prod"}, "guest": {"guestbook"}, "zzzzzz": {}, "Mail": {"mail"}} {
		if got := nearest(in, names); !cmp.Equal(want, got) {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWithOptions(t *testing.T) {
	extra := []string{"--core"}
	for _, tc := range []struct{ in, want []string }{
		{[]string{"app", "list"}, []string{"app", "list", "--core"}},
		{[]string{"app", "x", "--", "y"}, []string{"app", "x", "--core", "--", "y"}},
		{[]string{"__complete", "app", ""}, []string{"__complete", "app", ""}},
		{nil, nil},
	} {
		if got := withOptions(tc.in, extra); !cmp.Equal(tc.want, got) {
			t.Errorf("%q: %q", tc.in, got)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[string]time.Duration{"90": 90 * time.Second, "5m": 5 * time.Minute, "0": 0} {
		var s seconds
		if err := s.Set(in); err != nil || s.duration() != want {
			t.Errorf("%q: %v, %v", in, s.duration(), err)
		}
	}
	for _, in := range []string{"", "-1", "-5s", "soon", "99999999999999999999"} {
		var s seconds
		if err := s.Set(in); err == nil {
			t.Errorf("%q is taken for %s", in, s.duration())
		}
	}
}

// TestHelp walks all commands: help starts with examples, and every example names a command and flags that exist.
func TestHelp(t *testing.T) {
	root := New(Env{Getenv: func(string) string { return "" }})
	count := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		count++
		if cmd.Example == "" || cmd.Short == "" {
			t.Errorf("%s has no example or no summary", cmd.CommandPath())
		}
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), "Examples:\n") || !strings.Contains(out.String(), "Exit codes:") {
			t.Errorf("help of %s:\n%s", cmd.CommandPath(), out.String())
		}
		checkExamples(t, root, cmd)
		if own := cmd.LocalNonPersistentFlags().Lookup("namespace"); own != nil && cmd.Flags().ShorthandLookup("n") == nil {
			t.Errorf("%s has a --namespace of its own, and no -n for the namespace of the control plane", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if count < 20 {
		t.Errorf("only %d commands", count)
	}
}

func checkExamples(t *testing.T, root, cmd *cobra.Command) {
	t.Helper()
	text := strings.ReplaceAll(cmd.Example, "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
		line, _, _ = strings.Cut(line, " && ")
		if !strings.HasPrefix(line, "belay ") {
			continue
		}
		words, err := splitWords(line)
		if err != nil {
			t.Errorf("%s: example %q: %v", cmd.CommandPath(), line, err)
			continue
		}
		found, rest, err := root.Find(words[1:])
		if err != nil || found == root {
			t.Errorf("%s: example %q names no command: %v", cmd.CommandPath(), line, err)
			continue
		}
		for _, w := range rest {
			if i := strings.Index(w, ">"); i == 0 {
				break
			}
			name, isLong := strings.CutPrefix(w, "--")
			name, _, _ = strings.Cut(name, "=")
			if isLong && found.Flags().Lookup(name) == nil && found.InheritedFlags().Lookup(name) == nil {
				t.Errorf("%s: example %q uses an unknown flag --%s", cmd.CommandPath(), line, name)
			}
		}
	}
}

func TestWindowStatus(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC) // a Monday
	cases := []struct {
		schedule, duration, zone, want string
	}{
		{"0 12 * * *", "1h", "", "Active"}, {"0 12 * * *", "10m", "", "Inactive"}, {"0 13 * * *", "1h", "Europe/Berlin", "Active"},
		{"0 22 * * 5", "60h", "", "Inactive"}, {"0 22 * * 5", "80h", "", "Active"}, {"* * *", "1h", "", "Invalid"},
		{"0 12 * * *", "soon", "", "Invalid"}, {"0 12 * * *", "1h", "Mars/Base", "Invalid"}, {"0 0 30 2 *", "1h", "", "Inactive"},
	}
	for _, tc := range cases {
		w := &v1alpha1.SyncWindow{Kind: "deny", Schedule: tc.schedule, Duration: tc.duration, TimeZone: tc.zone}
		if got := windowStatus(w, at); got != tc.want {
			t.Errorf("%+v: %s, want %s", tc, got, tc.want)
		}
	}
}

func TestJudgeWindows(t *testing.T) {
	app := &v1alpha1.Application{}
	app.Name, app.Spec.Destination.Namespace = "shop-prod", "shop"
	open, closed := "* * * * *", "0 0 30 2 *"
	window := func(kind, schedule string, manual bool) *v1alpha1.SyncWindow {
		return &v1alpha1.SyncWindow{Kind: kind, Schedule: schedule, Duration: "1h", Applications: []string{"shop-*"}, ManualSync: manual}
	}
	cases := map[string]struct {
		windows v1alpha1.SyncWindows
		want    string
	}{
		"None":          {nil, "Sync Allowed"},
		"Foreign":       {v1alpha1.SyncWindows{{Kind: "deny", Schedule: open, Duration: "1h", Applications: []string{"other"}}}, "Sync Allowed"},
		"Denied":        {v1alpha1.SyncWindows{window("deny", open, false)}, "Sync Denied"},
		"DenyOver":      {v1alpha1.SyncWindows{window("deny", closed, false)}, "Sync Allowed"},
		"ManualDenied":  {v1alpha1.SyncWindows{window("deny", open, true)}, "Manual Allowed"},
		"AllowOpen":     {v1alpha1.SyncWindows{window("allow", open, false)}, "Sync Allowed"},
		"AllowClosed":   {v1alpha1.SyncWindows{window("allow", closed, false)}, "Sync Denied"},
		"ManualClosed":  {v1alpha1.SyncWindows{window("allow", closed, true)}, "Manual Allowed"},
		"DenyBeatsOpen": {v1alpha1.SyncWindows{window("allow", open, false), window("deny", open, false)}, "Sync Denied"},
		"AndOperator": {v1alpha1.SyncWindows{{Kind: "deny", Schedule: open, Duration: "1h", Applications: []string{"shop-*"},
			Namespaces: []string{"other"}, UseAndOperator: true}}, "Sync Allowed"},
	}
	for name, tc := range cases {
		p := &v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{SyncWindows: tc.windows}}
		if got := summarize(project.New(p).Windows(app), testTime()).word; got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestWindowLines: what `app get` says of windows: the words of argocd, all windows that concern the application, and when that
// changes.
func TestWindowLines(t *testing.T) {
	app := &v1alpha1.Application{}
	app.Name = "shop-prod"
	now := time.Date(2026, 11, 23, 12, 30, 0, 0, time.UTC)
	window := func(kind, schedule string) *v1alpha1.SyncWindow {
		return &v1alpha1.SyncWindow{Kind: kind, Schedule: schedule, Duration: "1h", Applications: []string{"shop-*"}}
	}
	for name, tc := range map[string]struct {
		windows v1alpha1.SyncWindows
		want    [][2]string
	}{
		"None": {nil, [][2]string{{"SyncWindow:", "Sync Allowed"}}},
		"Closed": {v1alpha1.SyncWindows{window("allow", "0 22 * * *"), window("deny", "0 3 * * *")}, [][2]string{{"SyncWindow:", "Sync Denied"},
			{"Assigned Windows:", "allow:0 22 * * *:1h,deny:0 3 * * *:1h"}, {"Next Opening:", "2026-11-23T22:00:00Z (in 9h30m0s)"}}},
		"Open": {v1alpha1.SyncWindows{window("allow", "0 12 * * *")}, [][2]string{{"SyncWindow:", "Sync Allowed"},
			{"Assigned Windows:", "allow:0 12 * * *:1h"}, {"Next Closing:", "2026-11-23T13:00:00Z (in 30m0s)"}}},
		"Never":  {v1alpha1.SyncWindows{window("deny", "* * * * *")}, [][2]string{{"SyncWindow:", "Sync Denied"}, {"Assigned Windows:", "deny:* * * * *:1h"}, {"Next Opening:", "never"}}},
		"Always": {v1alpha1.SyncWindows{window("allow", "* * * * *")}, [][2]string{{"SyncWindow:", "Sync Allowed"}, {"Assigned Windows:", "allow:* * * * *:1h"}}},
	} {
		p := &v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{SyncWindows: tc.windows}}
		if d := cmp.Diff(tc.want, summarize(project.New(p).Windows(app), now).lines()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParseResources(t *testing.T) {
	deployment := object.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	role := object.Ref{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:shop"}
	cases := []struct {
		values []string
		ref    object.Ref
		want   bool
	}{
		{[]string{"apps:Deployment:web"}, deployment, true},
		{[]string{"apps:Deployment:shop/web"}, deployment, true},
		{[]string{"apps:Deployment:other/web"}, deployment, false},
		{[]string{"*:*:w?b"}, deployment, true},
		{[]string{":Deployment:web"}, deployment, false},
		{[]string{"!apps:Deployment:*"}, deployment, false},
		{[]string{"!batch:*:*"}, deployment, true},
		{[]string{"apps:*:*", "!*:Deployment:web"}, deployment, false},
		{[]string{"rbac.authorization.k8s.io:ClusterRole:system:shop"}, role, true},
	}
	for _, tc := range cases {
		f, err := parseResources(tc.values)
		if err != nil {
			t.Errorf("%q: %v", tc.values, err)
		} else if got := f.matches(tc.ref); got != tc.want {
			t.Errorf("%q matches %s: %t", tc.values, tc.ref, got)
		}
	}
	for _, bad := range []string{"", "a", "a:b", "[:b:c", "a:b:{c"} {
		if _, err := parseResources([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestLiveBlockRedrawsInPlace(t *testing.T) {
	var out bytes.Buffer
	b := newLiveBlock(&out, "sync argocd/shop", testTime, 60, 20)
	app := &v1alpha1.Application{}
	app.Status.Resources = []v1alpha1.ResourceStatus{{Kind: "ConfigMap", Name: "a", Status: v1alpha1.SyncStatusOutOfSync}}
	b.show(app)
	b.show(app)
	b.note("remark")
	b.close()
	text := out.String()
	if !strings.Contains(text, "\x1b[2A\x1b[J") || !strings.HasSuffix(text, "\x1b[2A\x1b[J") {
		t.Errorf("the block is not redrawn or stays on the screen: %q", text)
	}
	for _, line := range strings.Split(text, "\n") {
		if line = strings.ReplaceAll(line, "\x1b[2A\x1b[J", ""); len([]rune(line)) > 59 {
			t.Errorf("%q is wider than the terminal", line)
		}
	}
}

func TestMergePatch(t *testing.T) {
	from := map[string]any{"a": "1", "b": map[string]any{"c": "2", "d": "3"}, "e": []any{"x"}}
	to := map[string]any{"b": map[string]any{"c": "2", "d": "4"}, "e": []any{"y"}, "f": "5"}
	want := map[string]any{"a": nil, "b": map[string]any{"d": "4"}, "e": []any{"y"}, "f": "5"}
	if diff := cmp.Diff(want, mergePatch(from, to)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := mergePatch(to, to); len(got) != 0 {
		t.Errorf("a patch to the same is %v", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "plain", "a\x1b[31mb", "\xff\xfe", "a\nb\tc\r", "\u202e", "ü日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		for _, r := range got {
			if unicode.IsControl(r) || r == '\u202e' || r == '\u2028' {
				t.Errorf("clean(%q) = %q", s, got)
			}
		}
		if clean(got) != got {
			t.Errorf("clean is not stable: %q, %q", got, clean(got))
		}
	})
}

func FuzzSplitWords(f *testing.F) {
	f.Add(`a "b c" 'd' \e`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		total := 0
		for _, w := range words {
			total += len([]rune(w))
		}
		if total > len([]rune(line)) {
			t.Errorf("splitWords(%q) made %q", line, words)
		}
	})
}
