package access

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"
	"github.com/casbin/casbin/v2/util"
	"github.com/gobwas/glob"
)

// oracle is Casbin itself with Argo CD's model.
func oracle(t testing.TB, lines []string, regex bool) func(subject, resource, action, object string) bool {
	m := model.NewModel()
	m.AddDef("r", "r", "sub, res, act, obj")
	m.AddDef("p", "p", "sub, res, act, obj, eft")
	m.AddDef("g", "g", "_, _")
	m.AddDef("e", "e", "some(where (p.eft == allow)) && !some(where (p.eft == deny))")
	m.AddDef("m", "m", "g(r.sub, p.sub) && pattern(r.res, p.res) && pattern(r.act, p.act) && pattern(r.obj, p.obj)")
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		t.Fatal(err)
	}
	e.AddFunction("pattern", func(args ...any) (any, error) {
		value, pattern := args[0].(string), args[1].(string)
		if regex {
			return util.RegexMatch(value, pattern), nil
		}
		g, err := glob.Compile(pattern)
		return err == nil && g.Match(value), nil
	})
	for _, text := range lines {
		f, err := split(text)
		if err != nil {
			t.Fatal(err)
		}
		if f[0] == "p" {
			_, err = e.AddPolicy(f[1:])
		} else {
			_, err = e.AddGroupingPolicy(f[1:])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(subject, resource, action, object string) bool {
		ok, err := e.Enforce(subject, resource, action, object)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
}

// TestAsCasbin compares decisions on random policies with those of Casbin's own enforcer.
func TestAsCasbin(t *testing.T) {
	const seed = 20261126
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var builtins []string
	for _, l := range builtin() {
		builtins = append(builtins, l.text)
	}
	allowed, denied := 0, 0
	for round := range 45 {
		regex := round%3 == 2
		objects, actions := []string{"*", "*/*", "a/*", "a/x", "a/*/p", "?/x", "b/{x,y}", "[ab]/x", "[!a]/*", `a\/x`}, []string{"*", "get", "sync", "update/*", "*/Pod/*", "{get,sync}"}
		if regex {
			objects, actions = []string{".*", "a/.*", "^a/x$", "x", "[ab]/", "a|b/x"}, []string{".*", "get", "^sync$", "update/.*"}
		}
		var lines []string
		for range 3 + random.IntN(12) {
			if random.IntN(3) == 0 {
				lines = append(lines, strings.Join([]string{"g", pick("u", "v", "team", "role:1", "role:2", "role:3"), pick("role:1", "role:2", "role:3", "role:readonly", "role:admin")}, ", "))
				continue
			}
			lines = append(lines, strings.Join([]string{"p", pick("u", "v", "team", "role:1", "role:2", "role:3"), pick("applications", "clusters", "logs"), `"` + pick(actions...) + `"`,
				`"` + pick(objects...) + `"`, pick("allow", "allow", "deny")}, ", "))
		}
		config := Config{Data: map[string]string{"policy.csv": strings.Join(lines, "\n"), "policy.matchMode": map[bool]string{true: "regex", false: "glob"}[regex]}}
		all := lines
		if config.WithoutBuiltin = regex; !regex {
			all = append(append([]string{}, builtins...), lines...)
		}
		p, _ := New(config, nil)
		for _, err := range p.readProblems(config) {
			t.Fatalf("round %d: %v", round, err)
		}
		ask := oracle(t, all, regex)
		for _, subject := range []string{"u", "v", "team", "role:1", "role:3", "admin", "nobody"} {
			for _, resource := range []string{"applications", "clusters", "logs", "exec"} {
				for _, action := range []string{"get", "sync", "update", "update//Pod/n/p"} {
					for _, object := range []string{"a/x", "a/n/p", "b/y", "x", "abc/x"} {
						want := ask(subject, resource, action, object)
						if got := p.DecideFor(subject, resource, action, object); got.Allowed != want {
							t.Fatalf("round %d: %s %s %s %s: %s, and Casbin says %t, of\n%s", round, subject, resource, action, object, got, want, strings.Join(lines, "\n"))
						}
						if want {
							allowed++
						} else {
							denied++
						}
					}
				}
			}
		}
	}
	if allowed < 500 || denied < 500 {
		t.Errorf("%d allowed, %d denied: the comparison says little", allowed, denied)
	}
}

// readProblems are those that narrow what Casbin would allow.
func (p *Policy) readProblems(config Config) (out []error) {
	_, problems := New(config, nil)
	for _, err := range problems {
		if problem, ok := err.(*Problem); ok && problem.Closed {
			out = append(out, err)
		}
	}
	return out
}

// TestBuiltin compares what the built-in roles have with the list in Argo CD's documentation, by count and by samples.
func TestBuiltin(t *testing.T) {
	count := map[string]int{}
	for _, l := range builtin() {
		if l.subject != "" {
			count[l.subject]++
			for i, m := range []matcher{l.resource, l.action, l.object} {
				if !m.matches(strings.ReplaceAll(l.fields[i], "*", "x")) {
					t.Errorf("%q does not match itself", l.text)
				}
			}
		}
	}
	if count["role:readonly"] != 10 || count["role:admin"] != 33 {
		t.Errorf("lines of the roles: %v", count)
	}
}
