package mask

import (
	"strings"
	"testing"
)

// TestExcerpt shows every line of a manifest, and looks for values that must not be seen and for those that must.
func TestExcerpt(t *testing.T) {
	for name, c := range map[string]struct {
		text        string
		hidden, see []string
	}{
		"secret": {"apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: LEAK1\ndata:\n  user: TEVBSzI=\n  name: TEVBSzM=\nstringData:\n  text: |\n    LEAK4\n",
			[]string{"LEAK", "TEVBS"}, []string{"kind: Secret", "name: db", "user: ***"}},
		"kind after data":   {"data:\n  a: LEAK\nkind: Secret\n", []string{"LEAK"}, []string{"a: ***"}},
		"other document":    {"kind: Secret\n---\nkind: ConfigMap\ndata:\n  colour: blue\n", nil, []string{"colour: blue"}},
		"json":              {"{\n  \"kind\": \"Secret\",\n  \"data\": {\n    \"a\": \"LEAK\"\n  }\n}\n", []string{"LEAK"}, nil},
		"json in one line":  {`{"kind": "Secret", "data": {"a": "LEAK"}}`, []string{"LEAK"}, nil},
		"list":              {"kind: List\nitems:\n- kind: Secret\n  stringData:\n    a: LEAK\n", []string{"LEAK"}, []string{"- kind: Secret"}},
		"generator":         {"secretGenerator:\n- name: db\n  literals:\n  - password=LEAK\n  - url=x:LEAK\n", []string{"LEAK"}, []string{"- name: db", "- password=***"}},
		"environment":       {"kind: Pod\nspec:\n  containers:\n  - env:\n    - name: DB_PASSWORD\n      value: LEAK\n    - value: LEAK\n      name: API_TOKEN\n    - name: COLOUR\n      value: blue\n", []string{"LEAK"}, []string{"value: blue", "value: ***"}},
		"reference":         {"      secretKeyRef:\n        name: db\n        key: password\n      secretName: db\n", nil, []string{"secretName: db", "key: password"}},
		"block":             {"kind: ConfigMap\ndata:\n  db_password: |\n    LEAK\n  app.properties: |\n    db.password = LEAK\n    colour = blue\n", []string{"LEAK"}, []string{"colour = blue"}},
		"arguments and url": {"args: [\"--password=LEAK\", \"postgres://me:LEAK@db/x\"]\n", []string{"LEAK"}, []string{"--password=***", "@db/x"}},
		"known forms":       {"key: AKIAABCDEFGHIJKLMNOP\nother: ghp_abcdefghijklmnopqrstuvwxyz0123456789\n", []string{"AKIA", "ghp_"}, []string{"other: ***"}},
	} {
		t.Run(name, func(t *testing.T) {
			lines := strings.Split(c.text, "\n")
			var shown []string
			for i := range lines {
				shown = append(shown, Excerpt(lines, i))
			}
			all := strings.Join(shown, "\n")
			for _, h := range c.hidden {
				if strings.Contains(all, h) {
					t.Errorf("%s is shown in:\n%s", h, all)
				}
			}
			for _, s := range c.see {
				if !strings.Contains(all, s) {
					t.Errorf("%s is not shown in:\n%s", s, all)
				}
			}
		})
	}
}
