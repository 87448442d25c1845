package locate_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", everything{}) }

// everything reports every scalar of every object that holds the text MARK, so that an archive says by its marks which lines are
// to be found. Other fields are named by the annotation look: a list of paths.
type everything struct{}

func (everything) Rules() []check.Rule {
	return []check.Rule{{ID: "mark", Title: "mark", Severity: check.Note}}
}

func (everything) Check(_ context.Context, repo *check.Repository, report func(check.Finding)) error {
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			marks(o.Object, "", func(path, value string) {
				report(check.Finding{Rule: "mark", Object: o, Path: path, Message: fmt.Sprintf("%s of %s is %s", path, o.GetName(), value)})
			})
			for path := range strings.FieldsSeq(o.GetAnnotations()["look"]) {
				report(check.Finding{Rule: "mark", Object: o, Path: path, Message: path + " of " + o.GetName()})
			}
		}
	}
	return nil
}

func marks(value any, path string, visit func(path, value string)) {
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			marks(field, check.Join(path, key), visit)
		}
	case []any:
		for i, e := range v {
			name := ""
			if fields, ok := e.(map[string]any); ok {
				name, _ = fields["name"].(string)
			}
			marks(e, check.Join(path, check.Element(i, "name", name)), visit)
		}
	default:
		if text := fmt.Sprint(v); strings.Contains(text, "MARK") || text == "4711" {
			visit(path, text)
		}
	}
}
