package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/operation"
)

type getOptions struct {
	appFlags
	output        string
	refresh       bool
	hardRefresh   bool
	showOperation bool
	showParams    bool
	timeout       seconds
}

// getRefreshTimeout bounds the wait for a refresh: without a controller it would never end.
const getRefreshTimeout = 2 * time.Minute

func (c *cli) appGet() *cobra.Command {
	o := &getOptions{timeout: seconds(getRefreshTimeout)}
	cmd := &cobra.Command{
		Use: "get APPNAME", Short: "Show an application and its objects",
		Example: `  belay app get callcenter-ai-prod
  # look at Git again before answering
  belay app get callcenter-ai-prod --refresh
  # with pods and everything else that its objects own
  belay app get callcenter-ai-prod -o tree
  # for scripts
  belay app get callcenter-ai-prod -o json | jq -r .status.health.status`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Home())
			if err != nil {
				return err
			}
			return c.get(cmd.Context(), conn, key, *o)
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml", "name", "tree", "tree=detailed")
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "compare with Git again first")
	cmd.Flags().BoolVar(&o.hardRefresh, "hard-refresh", false, "render and compare again first, without any cache")
	cmd.Flags().BoolVar(&o.showOperation, "show-operation", false, "show the running or last operation")
	cmd.Flags().BoolVar(&o.showParams, "show-params", false, "show parameters and overrides of the sources")
	cmd.Flags().Var(&o.timeout, "timeout", "give up waiting for a refresh after this time (0: never)")
	return cmd
}

func (c *cli) get(ctx context.Context, conn ControlPlane, key appKey, o getOptions) error {
	if o.refresh || o.hardRefresh {
		if err := c.refresh(ctx, conn, key, o.hardRefresh, o.timeout.duration()); err != nil {
			return err
		}
	}
	if o.output == "json" || o.output == "yaml" {
		raw, err := getRaw(ctx, conn, key)
		if err != nil {
			return err
		}
		return printAs(c.Out, o.output, plainObject(raw))
	}
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	if o.output == "name" {
		_, err := fmt.Fprintln(c.Out, qualified(app))
		return err
	}
	view := appView{app: app, url: appURL(ctx, conn, app), windows: windowsOf(ctx, conn, app, c.Now()), zone: c.Now().Location(),
		operation: o.showOperation, params: o.showParams}
	if err := view.print(c.Out); err != nil {
		return err
	}
	if strings.HasPrefix(o.output, "tree") {
		fmt.Fprintln(c.Out)
		return c.printTree(ctx, conn, app, o.output == "tree=detailed")
	}
	states := statesOf(app)
	if len(states) == 0 {
		return nil
	}
	fmt.Fprintln(c.Out)
	return table(c.Out, stateHeader(), rowsOf(states))
}

// refresh asks the controller to compare again and waits until it has.
func (c *cli) refresh(ctx context.Context, conn ControlPlane, key appKey, hard bool, timeout time.Duration) error {
	wait, cancel := withTimeout(ctx, timeout)
	defer cancel()
	err := conn.Refresh(wait, key, hard)
	if timedOut(ctx, err) {
		f := &Failure{Exit: ExitAPI, Code: "Timeout", Err: fmt.Errorf("refresh application %s: no answer after %s", key, timeout)}
		f.Hint = "is a controller running for this namespace? Look at its logs"
		return f
	}
	return explained(ctx, conn, key, err)
}

// appView prints what `app get` shows of an application, except its objects.
type appView struct {
	app       *v1alpha1.Application
	url       string
	windows   windowSummary
	zone      *time.Location
	operation bool
	params    bool
}

func (v appView) print(out io.Writer) error {
	app := v.app
	pairs := [][2]string{
		{"Name:", qualified(app)}, {"Project:", app.Spec.ProjectName()}, {"Server:", serverOf(app)},
		{"Namespace:", app.Spec.Destination.Namespace}, {"URL:", orNone(v.url)},
	}
	sources := app.Spec.GetSources()
	if len(app.Spec.Sources) > 0 {
		pairs = append(pairs, [2]string{"Sources:"})
	} else {
		pairs = append(pairs, [2]string{"Source:"})
	}
	for i := range sources {
		pairs = append(pairs, sourceLines(&sources[i])...)
	}
	pairs = append(pairs, v.windows.lines()...)
	pairs = append(pairs, [2]string{"Sync Policy:", syncPolicyLine(app)},
		[2]string{"Sync Status:", syncStatusLine(app)}, [2]string{"Health Status:", healthLine(app)})
	if err := fields(out, pairs); err != nil {
		return err
	}
	if op := app.Status.OperationState; op != nil && v.operation {
		fmt.Fprintln(out)
		if err := fields(out, operationLines(op, v.zone)); err != nil {
			return err
		}
	}
	if err := printConditions(out, app.Status.Conditions, v.zone); err != nil {
		return err
	}
	if v.params {
		return printParams(out, sources)
	}
	return nil
}

func sourceLines(s *v1alpha1.ApplicationSource) [][2]string {
	lines := [][2]string{{"- Repo:", mask.Text(s.RepoURL)}, {"  Target:", s.TargetRevision}}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, [2]string{name, value})
		}
	}
	add("  Path:", s.Path)
	add("  Chart:", s.Chart)
	add("  Ref:", s.Ref)
	if s.Helm != nil {
		add("  Helm Values:", strings.Join(s.Helm.ValueFiles, ","))
	}
	if s.Kustomize != nil {
		add("  Name Prefix:", s.Kustomize.NamePrefix)
		images := make([]string, len(s.Kustomize.Images))
		for i, image := range s.Kustomize.Images {
			images[i] = string(image)
		}
		add("  Images:", strings.Join(images, ","))
	}
	return lines
}

func syncPolicyLine(app *v1alpha1.Application) string {
	if !app.Spec.SyncPolicy.IsAutomated() {
		return "Manual"
	}
	if app.Spec.SyncPolicy.Automated.Prune {
		return "Automated (Prune)"
	}
	return "Automated"
}

// syncStatusLine tells what the application is compared with; of several sources, with each of them.
func syncStatusLine(app *v1alpha1.Application) string {
	st := app.Status.Sync
	revisions, word, between := st.Revisions, "", ", "
	if len(app.Spec.Sources) == 0 {
		revisions = []string{st.Revision}
	}
	switch st.Status {
	case v1alpha1.SyncStatusSynced:
		word = " to "
	case v1alpha1.SyncStatusOutOfSync:
		word = " from "
	default:
		between = "," // the revisions alone, each with its space
	}
	var compared []string
	for i, s := range app.Spec.GetSources() {
		text := ""
		if word != "" {
			text = s.TargetRevision
		}
		if i < len(revisions) && revisions[i] != "" && revisions[i] != s.TargetRevision {
			text += fmt.Sprintf(" (%s)", shortRevision(revisions[i]))
		}
		if text != "" || word != "" {
			compared = append(compared, text)
		}
	}
	return string(st.Status) + word + strings.Join(compared, between)
}

func healthLine(app *v1alpha1.Application) string {
	h := app.Status.Health
	if h.Message == "" {
		return string(h.Status)
	}
	return fmt.Sprintf("%s (%s)", h.Status, h.Message)
}

func operationLines(op *v1alpha1.OperationState, zone *time.Location) [][2]string {
	lines := [][2]string{{"Operation:", "Sync"}}
	if r := op.SyncResult; r != nil {
		revision := r.Revision
		if len(r.Revisions) > 0 {
			revision = strings.Join(r.Revisions, ",")
		}
		lines = append(lines, [2]string{"Sync Revision:", revision})
	}
	if by := operation.Initiator(op.Operation.InitiatedBy); by != "" {
		lines = append(lines, [2]string{"Initiated By:", by})
	}
	lines = append(lines, [2]string{"Phase:", string(op.Phase)}, [2]string{"Start:", op.StartedAt.In(zone).String()})
	if op.FinishedAt != nil {
		took := op.FinishedAt.Sub(op.StartedAt.Time).Round(time.Second)
		lines = append(lines, [2]string{"Finished:", op.FinishedAt.In(zone).String()}, [2]string{"Duration:", took.String()})
	}
	if op.RetryCount > 0 {
		lines = append(lines, [2]string{"Retries:", strconv.FormatInt(op.RetryCount, 10)})
	}
	if op.Message != "" {
		lines = append(lines, [2]string{"Message:", op.Message})
	}
	return lines
}

func printConditions(out io.Writer, conditions []v1alpha1.ApplicationCondition, zone *time.Location) error {
	if len(conditions) == 0 {
		return nil
	}
	rows := make([][]string, len(conditions))
	for i, c := range conditions {
		when := "<nil>"
		if c.LastTransitionTime != nil {
			when = c.LastTransitionTime.In(zone).String()
		}
		rows[i] = []string{string(c.Type), mask.Text(c.Message), when}
	}
	fmt.Fprintln(out)
	return table(out, []string{"CONDITION", "MESSAGE", "LAST TRANSITION"}, rows)
}

func printParams(out io.Writer, sources v1alpha1.ApplicationSources) error {
	var rows [][]string
	for _, s := range sources {
		if s.Helm != nil {
			for _, p := range s.Helm.Parameters {
				rows = append(rows, []string{p.Name, p.Value})
			}
			for _, p := range s.Helm.FileParameters {
				rows = append(rows, []string{p.Name, "@" + p.Path})
			}
		}
		if s.Kustomize != nil {
			for _, image := range s.Kustomize.Images {
				rows = append(rows, []string{"image", string(image)})
			}
			for _, r := range s.Kustomize.Replicas {
				rows = append(rows, []string{"replicas " + r.Name, r.Count.String()})
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return table(out, []string{"NAME", "VALUE"}, rows)
}
