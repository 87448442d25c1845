package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// queryTime bounds one look of a query at an object.
const queryTime = time.Second

// prelude are the functions that scenarios have besides jq's own. README.md describes them.
const prelude = `
def ended: .operation == null and (.status.operationState.phase // "" | IN("Succeeded", "Failed", "Error"));
def succeeded: .operation == null and .status.operationState.phase == "Succeeded";
def running: .operation != null and .status.operationState.phase == "Running";
def message: .status.operationState.message // "";
def synced: .operation == null and .status.sync.status == "Synced";
def healthy: synced and .status.health.status == "Healthy";
def at($revision): .status.sync.revision == $revision;
def condition($type): [.status.conditions[]? | select(.type == $type) | .message] | join("\n");
def resource($kind; $name): [.status.resources[]? | select(.kind == $kind and .name == $name)][0];
def result($kind; $name): [.status.operationState.syncResult.resources[]? | select(.kind == $kind and .name == $name)][0];
def results: [.status.operationState.syncResult.resources[]?];
def annotation($name): .metadata.annotations[$name];
`

// query is a compiled jq expression with the variables of a scenario.
type query struct {
	text   string
	code   *gojq.Code
	values []any
}

// errNever is the error of a query that does not come to an end; no later look would help.
var errNever = errors.New("did not end")

// compile reads an expression; vars are the values of $NAME in it.
func compile(text string, vars map[string]string) (*query, error) {
	if strings.TrimSpace(text) == "true" {
		return nil, errors.New("jq true holds of anything, also of an object that there is not; write . != null")
	}
	parsed, err := gojq.Parse(prelude + text)
	if err != nil {
		return nil, fmt.Errorf("jq %q: %w", text, err)
	}
	q := &query{text: text}
	var names []string
	for name, value := range vars {
		names, q.values = append(names, "$"+name), append(q.values, value)
	}
	if q.code, err = gojq.Compile(parsed, gojq.WithVariables(names)); err != nil {
		return nil, fmt.Errorf("jq %q: %w", text, err)
	}
	return q, nil
}

// holds reports whether the expression's first output is neither false nor null.
func (q *query) holds(ctx context.Context, in any) (bool, error) {
	// gojq knows no int64, and must not change what others see.
	data, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	out, ok := q.code.RunWithContext(ctx, plain, q.values...).Next()
	if !ok {
		return false, nil
	}
	if err, failed := out.(error); failed {
		if errors.Is(err, context.DeadlineExceeded) {
			return false, fmt.Errorf("jq %q %w within %s", q.text, errNever, queryTime)
		}
		return false, fmt.Errorf("jq %q: %w", q.text, err)
	}
	return out != nil && out != false, nil
}
