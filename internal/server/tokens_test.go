package server

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// askedFor says what tokens were asked for.
type askedFor struct {
	Tokens
	what string
}

func (a *askedFor) CreateRoleToken(_ context.Context, project, role, id string, lasts time.Duration) (token, usedID string, err error) {
	a.what = project + " " + role + " " + id + " " + lasts.String()
	return "token", id, nil
}

// TestRoleTokensOfMembers: whoever is in a group of a role may make tokens for it, and for no other one.
func TestRoleTokensOfMembers(t *testing.T) {
	b := newViewBench(t)
	tokens := &askedFor{}
	b.server.Tokens = tokens
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "dev", Namespace: b.Namespace}, Spec: v1alpha1.AppProjectSpec{
		Roles: []v1alpha1.ProjectRole{{Name: "ci", Groups: []string{"ops"}}, {Name: "boss", Groups: []string{"bosses"}}}}}
	if err := b.Client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		caller Caller
		role   string
		may    bool
	}{
		{Caller{Name: "reader", Groups: []string{"ops"}}, "ci", true},
		{Caller{Name: "reader", Groups: []string{"ops"}}, "boss", false},
		{Caller{Name: "reader", Groups: []string{"ops"}}, "absent", false},
		{Caller{Name: "reader"}, "ci", false},
		{Caller{Name: "stranger", Groups: []string{"others"}}, "ci", false},
		{Caller{Name: "admin"}, "boss", true},
	} {
		tokens.what = ""
		_, err := b.server.CreateProjectToken(WithCaller(t.Context(), test.caller), &ProjectTokenCreateRequest{Project: "dev", Role: test.role, ID: "one", ExpiresIn: 60})
		switch {
		case test.may && (err != nil || tokens.what != "dev "+test.role+" one 1m0s"):
			t.Errorf("%+v, %s: %v, asked for %q", test.caller, test.role, err, tokens.what)
		case !test.may && (!fault.Is(err, fault.Denied) || tokens.what != ""):
			t.Errorf("%+v, %s: %v, asked for %q", test.caller, test.role, err, tokens.what)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]Seconds{"5": 5, `"3600"`: 3600, "0": 0} {
		var got Seconds
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{`"x"`, "1.5", "{}", `""`, "9223372036854775808"} {
		var got Seconds
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %d", text, got)
		}
	}
	for _, s := range []Seconds{-1, 1 << 60} {
		if _, err := s.lasts(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d: %v", s, err)
		}
	}
}
