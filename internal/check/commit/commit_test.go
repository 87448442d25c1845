package commit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/check"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Message
	}{
		{"feat: a", Message{Type: "feat", Description: "a"}},
		{"fix(shop/api)!: keep it: all\r\n", Message{Type: "fix", Scope: "shop/api", Description: "keep it: all", Breaking: true}},
		{"docs: a\n\nOne.\n\nTwo: three.", Message{Type: "docs", Description: "a", Body: "One.", Footers: []Footer{{"Two", "three."}}}},
		{"docs: a\n\nOne line\nTwo: not a footer", Message{Type: "docs", Description: "a", Body: "One line\nTwo: not a footer"}},
		{"feat: a\n\nbody\n\nmore\n\nBREAKING CHANGE: all\n  of it\nRefs #12", Message{Type: "feat", Description: "a", Body: "body\n\nmore", Breaking: true,
			Footers: []Footer{{"BREAKING CHANGE", "all\n  of it"}, {"Refs", "#12"}}}},
		{"feat: a\n\nBREAKING-CHANGE: b", Message{Type: "feat", Description: "a", Breaking: true, Footers: []Footer{{"BREAKING-CHANGE", "b"}}}},
	} {
		got, err := Parse(tc.text)
		if d := cmp.Diff(tc.want, got); d != "" || err != nil {
			t.Errorf("%q: %v\n%s", tc.text, err, d)
		}
	}
}

func TestJudge(t *testing.T) {
	for text, want := range map[string]string{
		"feat: a": "", "FIX(api): b": "", "revert: let us never": "", `Revert "feat: a"`: "", `Reapply "feat: a"`: "",
		"update stuff": "it has no type", "feat:a": "no space follows the colon", "feat: ": "no space", "feat:  \n\nx": "no description follows the colon",
		"feat(: a": "not closed", "feat(): a": `the scope "" is no name`, "my feat: a": `"my feat" before the colon is no type`, ": a": "is no type",
		"wip: a": "the type wip is none of feat, fix, revert", "feat(web): a": "the scope web is none of api", "feat: a\nb": "no empty line follows the first one",
		"fixup! feat: a": "git rebase", "Merge branch 'main'": "it has no type", "": "it has no type", "feat: \xff": "it is not UTF-8", "feat!(api): a": "is no type",
	} {
		got := Judge(text, check.CommitConfig{Types: []string{"feat", "fix", "revert"}, Scopes: []string{"api"}})
		if want == "" != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestPlaces: merge commits pass, a commit is named by its id, the title as what it is.
func TestPlaces(t *testing.T) {
	title := "no type in " + strings.Repeat("a long title ", 20)
	c := New([]Commit{{ID: "1a2b3c4d", Message: "oops\n\nbody"}, {ID: "2", Message: "feat: fine"}, {ID: "3", Merge: true, Message: "Merge branch 'x'"}}, &title)
	report, err := check.Judge(t.Context(), &check.Repository{}, nil, c)
	if err != nil || len(report.Results) != 2 {
		t.Fatalf("%v %+v", err, report)
	}
	places := map[string]string{}
	for _, r := range report.Results {
		places[r.Place.String()] = r.Message
		if r.Severity != check.Warning {
			t.Errorf("%+v", r)
		}
	}
	if m := places["commit 1a2b3c4d"]; m != `the message "oops": it has no type: it begins with neither "type: " nor "type(scope): "` {
		t.Errorf("%v", places)
	}
	if m := places["title"]; !strings.HasPrefix(m, "the title ") || len(m) > 200 {
		t.Errorf("%v", places)
	}
	none, err := check.Judge(t.Context(), &check.Repository{}, nil, New(nil, nil))
	if err != nil || len(none.Results) != 0 {
		t.Errorf("%v %+v", err, none)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"feat(a)!: b\n\nc\n\nBREAKING CHANGE: d", "a: b\n\n\n\nc: d\n #e", "(:)", "x(((: a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if err == nil && (m.Type == "" || m.Description == "" || strings.Contains(m.Description, "\n")) {
			t.Errorf("%q: %+v", text, m)
		}
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
