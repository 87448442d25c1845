package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

type diffOptions struct {
	appFlags
	planFlags
	output       string
	refresh      bool
	hardRefresh  bool
	exitCode     bool
	diffExitCode int
	ignored      bool
}

func (c *cli) appDiff() *cobra.Command {
	o := &diffOptions{}
	cmd := &cobra.Command{
		Use: "diff APPNAME", Short: "Show what a sync would change, and who owns the fields",
		Example: `  belay app diff callcenter-ai-prod
  # what another revision would change
  belay app diff callcenter-ai-prod --revision release-1.4
  # what the files of a working copy would change
  belay app diff callcenter-ai-dev --local infrastructure/k8s/overlays/dev --local-repo-root .
  # for scripts: exit code 0 although there are differences
  belay app diff callcenter-ai-prod --exit-code=false -o json`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if o.diffExitCode < 0 || o.diffExitCode > 255 {
				return usageError("--diff-exit-code %d is no exit code", o.diffExitCode)
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			return c.diff(cmd.Context(), conn, key, o)
		},
	}
	o.appFlags.bind(cmd.Flags())
	o.planFlags.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml")
	fs := cmd.Flags()
	fs.BoolVar(&o.refresh, "refresh", false, "look at the repository again first")
	fs.BoolVar(&o.hardRefresh, "hard-refresh", false, "look at the repository again and use no cache")
	fs.BoolVar(&o.exitCode, "exit-code", true, "exit with --diff-exit-code when there is a difference")
	fs.IntVar(&o.diffExitCode, "diff-exit-code", ExitDifferent, "exit code for a difference")
	for _, name := range []string{"server-side-diff", "server-side-generate"} {
		fs.BoolVar(&o.ignored, name, false, "accepted for compatibility; comparison is always that of a server-side apply")
		hide(fs, name)
	}
	return cmd
}

func (c *cli) diff(ctx context.Context, conn ControlPlane, key appKey, o *diffOptions) (err error) {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	opts, err := o.options(app)
	if err != nil {
		return err
	}
	opts.Fresh = o.refresh || o.hardRefresh
	planner, err := conn.Planner(ctx)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	plan, err := planner.Plan(ctx, app, opts)
	if err != nil {
		return fmt.Errorf("compare application %s: %w", key, err)
	}
	found, err := c.printPlan(ctx, plan, o.output)
	if err != nil {
		return err
	}
	if found && o.exitCode && o.diffExitCode != ExitOK {
		return &Failure{Exit: o.diffExitCode, Code: "Different"}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// previewSync prints what the sync would change.
func (c *cli) previewSync(ctx context.Context, conn ControlPlane, key appKey, o *syncOptions) (found bool, err error) {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return false, err
	}
	opts, err := o.options(app)
	if err != nil {
		return false, err
	}
	planner, err := conn.Planner(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	plan, err := planner.Plan(ctx, app, opts)
	if err != nil {
		return false, fmt.Errorf("preview sync of application %s: %w", key, err)
	}
	return c.printPlan(ctx, plan, o.output)
}

// printPlan prints the differences and reports whether there are any. A count goes to standard error.
func (c *cli) printPlan(ctx context.Context, plan *Plan, format string) (bool, error) {
	c.warn(plan.Warnings)
	changed := plan.changed()
	if format == "json" || format == "yaml" {
		return len(changed) > 0, printAs(c.Out, format, planDocument(plan, changed))
	}
	external, err := c.externalDiff()
	if err != nil {
		return false, err
	}
	for _, p := range changed {
		before, after := mask.Pair(insight.WithoutBookkeeping(p.Live), insight.WithoutBookkeeping(p.Predicted), plan.Masked...)
		fmt.Fprintf(c.Out, "\n===== %s/%s %s/%s ======\n", clean(p.Ref.Group), clean(p.Ref.Kind), clean(p.Ref.Namespace), clean(p.Ref.Name))
		switch {
		case p.Action == PlanNone: // refused: there is nothing to show but the reason
		case external != nil:
			err = external.show(ctx, c.Out, p.Ref, before, after)
		default:
			err = c.unified(c.Out, before, after)
		}
		if err != nil {
			return false, err
		}
		if err := printChanges(c.Out, p, plan.Masked); err != nil {
			return false, err
		}
	}
	fmt.Fprintln(c.Err, planSummary(changed))
	return len(changed) > 0, nil
}

// changed are the objects that a sync would change, by reference. Hooks run and are no difference.
func (p *Plan) changed() []PlannedObject {
	var out []PlannedObject
	for _, o := range p.Objects {
		if o.Action != PlanNone && o.Action != "" && !o.Hook || o.Refused != "" {
			out = append(out, o)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Ref.Less(out[j].Ref) })
	return out
}

// planSummary counts the actions.
func planSummary(changed []PlannedObject) string {
	if len(changed) == 0 {
		return "no difference"
	}
	counts := map[PlanAction]int{}
	for _, p := range changed {
		counts[p.Action]++
	}
	var words []string
	for _, a := range []PlanAction{PlanCreate, PlanUpdate, PlanReplace, PlanDelete, PlanNone} {
		if counts[a] > 0 {
			words = append(words, fmt.Sprintf("%d to %s", counts[a], a))
		}
	}
	return fmt.Sprintf("%d objects differ: %s", len(changed), strings.ReplaceAll(joinWords(words), "to none", "refused"))
}

// planDocument is the JSON form of a plan.
func planDocument(plan *Plan, changed []PlannedObject) map[string]any {
	type field struct {
		Path    string `json:"path"`
		Live    any    `json:"live"`
		Desired any    `json:"desired"`
		Manager string `json:"manager,omitempty"`
	}
	objects := make([]map[string]any, 0, len(changed))
	for _, p := range changed {
		fields := []field{}
		for _, c := range mask.Changes(p.Ref, p.Changes, plan.Masked...) {
			fields = append(fields, field(c))
		}
		doc := map[string]any{"group": p.Ref.Group, "kind": p.Ref.Kind, "namespace": p.Ref.Namespace, "name": p.Ref.Name,
			"action": p.Action, "reason": p.Reason, "changes": fields}
		if p.Refused != "" {
			doc["refused"] = p.Refused
		}
		objects = append(objects, doc)
	}
	return map[string]any{"revisions": plan.Revisions, "warnings": plan.Warnings, "objects": objects}
}

// unified prints a unified diff of two states as YAML.
func (c *cli) unified(out io.Writer, before, after *unstructured.Unstructured) error {
	a, err := yamlText(before)
	if err != nil {
		return err
	}
	b, err := yamlText(after)
	if err != nil {
		return err
	}
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: linesOf(a), B: linesOf(b), FromFile: "live", ToFile: "desired", Context: 3})
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	for _, line := range linesOf(text) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Fprintln(out, c.paint(out, cleanText(line))); err != nil {
			return err
		}
	}
	return nil
}

// linesOf splits a text after each line end.
func linesOf(text string) []string {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// paint colours a line of a diff on a terminal.
func (c *cli) paint(out io.Writer, line string) string {
	if !c.colour(out) {
		return line
	}
	switch {
	case strings.HasPrefix(line, "+"):
		return "\x1b[32m" + line + "\x1b[0m"
	case strings.HasPrefix(line, "-"):
		return "\x1b[31m" + line + "\x1b[0m"
	case strings.HasPrefix(line, "@@"):
		return "\x1b[36m" + line + "\x1b[0m"
	}
	return line
}

func yamlText(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	data, err := yaml.Marshal(u.Object)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", object.RefOf(u), err)
	}
	return string(data), nil
}

// printChanges prints why, and each field with both values and its owner. The lines are comments, so that the whole stays
// readable for programs that read diffs.
func printChanges(out io.Writer, p PlannedObject, annotations []string) error {
	var lines []string
	if p.Action != PlanNone {
		lines = append(lines, fmt.Sprintf("# %s: %s", p.Action, p.Reason))
	}
	if p.Refused != "" {
		lines = append(lines, "# refused: "+mask.Text(p.Refused))
	}
	for _, c := range mask.Changes(p.Ref, p.Changes, annotations...) {
		line := fmt.Sprintf("# %s: %s -> %s", c.Path, valueWord(c.Live), valueWord(c.Desired))
		if c.Manager != "" {
			line += ", last written by " + c.Manager
		}
		lines = append(lines, line)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, clean(line)); err != nil {
			return err
		}
	}
	return nil
}

// maxValue bounds a value on one line.
const maxValue = 200

// valueWord writes a value as JSON, shortened; an absent one has a word of its own.
func valueWord(v any) string {
	if v == nil {
		return "(absent)"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	return cut(string(data), maxValue)
}
