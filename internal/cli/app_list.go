package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// listPage bounds the memory of one answer; thousands of Applications arrive in pages.
const listPage = 500

type listOptions struct {
	appFlags
	output        string
	selector      string
	projects      []string
	repo          string
	path          string
	cluster       string
	allNamespaces bool
}

func (c *cli) appList() *cobra.Command {
	o := &listOptions{}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List applications",
		Example: `  belay app list
  # names only, one a line, for scripts
  belay app list -o name
  # the applications of a team
  belay app list -l team=voice -p callcenter-ai
  # out of sync
  belay app list -o json | jq -r '.[] | select(.status.sync.status=="OutOfSync") | .metadata.name'`,
		Args: argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			return c.list(cmd.Context(), conn, *o)
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "name", "json", "yaml")
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "label selector: =, ==, !=, in, notin, exists")
	cmd.Flags().StringArrayVarP(&o.projects, "project", "p", nil, "only these projects (may be repeated)")
	cmd.Flags().StringVarP(&o.repo, "repo", "r", "", "only this repository URL")
	cmd.Flags().StringVarP(&o.path, "path", "P", "", "only this path in the repository")
	cmd.Flags().StringVarP(&o.cluster, "cluster", "c", "", "only this destination cluster, by name or URL")
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "applications of all namespaces")
	return cmd
}

// list prints the applications that o selects.
func (c *cli) list(ctx context.Context, conn ControlPlane, o listOptions) error {
	raw, err := listRaw(ctx, conn, o)
	if err != nil {
		return err
	}
	var apps []v1alpha1.Application
	var kept []map[string]any
	for i := range raw {
		var app v1alpha1.Application
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw[i].Object, &app); err != nil {
			return fmt.Errorf("read application %s/%s: %w", raw[i].GetNamespace(), raw[i].GetName(), err)
		}
		if o.matches(&app) {
			apps = append(apps, app)
			kept = append(kept, plainObject(&raw[i]))
		}
	}
	if o.output == "json" || o.output == "yaml" {
		if kept == nil {
			kept = []map[string]any{}
		}
		return printAs(c.Out, o.output, kept)
	}
	if len(apps) == 0 {
		fmt.Fprintf(c.Err, "no application matches in %s; -A looks in all namespaces\n", firstOf(o.appNamespace, conn.Home()))
	}
	return printApps(c.Out, apps, o.output == "name")
}

func (o *listOptions) matches(app *v1alpha1.Application) bool {
	if len(o.projects) > 0 && !slices.Contains(o.projects, app.Spec.ProjectName()) {
		return false
	}
	dest := app.Spec.Destination
	if o.cluster != "" && o.cluster != dest.Server && o.cluster != dest.Name {
		return false
	}
	if o.repo == "" && o.path == "" {
		return true
	}
	for _, s := range app.Spec.GetSources() {
		if (o.repo == "" || sameRepo(o.repo, s.RepoURL)) && (o.path == "" || o.path == s.Path) {
			return true
		}
	}
	return false
}

// sameRepo compares URLs as people write them, with or without .git and a last slash.
func sameRepo(a, b string) bool {
	trim := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git") }
	return trim(a) == trim(b)
}

// printApps prints the table of `app list`, or the qualified names alone.
func printApps(out io.Writer, apps []v1alpha1.Application, namesOnly bool) error {
	if namesOnly {
		for i := range apps {
			if _, err := fmt.Fprintln(out, clean(qualified(&apps[i]))); err != nil {
				return err
			}
		}
		return nil
	}
	header := []string{"NAME", "CLUSTER", "NAMESPACE", "PROJECT", "STATUS", "HEALTH", "SYNCPOLICY", "CONDITIONS", "REPO", "PATH", "TARGET"}
	rows := make([][]string, len(apps))
	for i := range apps {
		app := &apps[i]
		s := mainSource(app)
		path := s.Path
		if path == "" {
			path = s.Chart
		}
		rows[i] = []string{qualified(app), serverOf(app), app.Spec.Destination.Namespace, app.Spec.ProjectName(),
			string(app.Status.Sync.Status), string(app.Status.Health.Status), syncPolicyWord(app),
			conditionsWord(app.Status.Conditions), mask.Text(s.RepoURL), path, s.TargetRevision}
	}
	return table(out, header, rows)
}

func syncPolicyWord(app *v1alpha1.Application) string {
	if !app.Spec.SyncPolicy.IsAutomated() {
		return "Manual"
	}
	if app.Spec.SyncPolicy.Automated.Prune {
		return "Auto-Prune"
	}
	return "Auto"
}

// conditionsWord names the condition types, with a count where there are several of one.
func conditionsWord(conditions []v1alpha1.ApplicationCondition) string {
	counts := map[string]int{}
	for _, c := range conditions {
		counts[string(c.Type)]++
	}
	words := make([]string, 0, len(counts))
	for t, n := range counts {
		if n > 1 {
			t = fmt.Sprintf("%s(%d)", t, n)
		}
		words = append(words, t)
	}
	sort.Strings(words)
	return orNone(strings.Join(words, ","))
}

// listRaw reads the applications that o selects by namespace and labels, sorted by namespace and name.
func listRaw(ctx context.Context, cp ControlPlane, o listOptions) ([]unstructured.Unstructured, error) {
	selector, err := labels.Parse(o.selector)
	if err != nil {
		return nil, usageError("parse selector %q: %w", o.selector, err)
	}
	namespace := ""
	if !o.allNamespaces {
		namespace = firstOf(o.appNamespace, cp.Home())
	}
	items, err := cp.ListApplications(ctx, namespace, selector)
	if err != nil {
		return nil, err
	}
	sort.SliceStable(items, func(i, j int) bool {
		if items[i].GetNamespace() != items[j].GetNamespace() {
			return items[i].GetNamespace() < items[j].GetNamespace()
		}
		return items[i].GetName() < items[j].GetName()
	})
	return items, nil
}

// selectApps returns the keys of the applications that a selector and projects choose.
func selectApps(ctx context.Context, cp ControlPlane, o listOptions) ([]appKey, error) {
	raw, err := listRaw(ctx, cp, o)
	if err != nil {
		return nil, err
	}
	var keys []appKey
	for _, u := range raw {
		project, _, _ := unstructured.NestedString(u.Object, "spec", "project")
		if len(o.projects) == 0 || slices.Contains(o.projects, project) {
			keys = append(keys, appKey{Namespace: u.GetNamespace(), Name: u.GetName()})
		}
	}
	return keys, nil
}
