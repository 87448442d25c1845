package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/project"
)

func (c *cli) projWindows() *cobra.Command {
	cmd := c.group("windows", "Look at the sync windows of a project and change them",
		`  belay proj windows list callcenter-ai
  belay proj windows add callcenter-ai --kind deny --schedule "0 18 * * 5" --duration 62h --applications "*-prod"
  belay proj windows delete callcenter-ai 0`,
		c.projWindowsList(), c.projWindowsAdd(), c.projWindowsUpdate(), c.projWindowsDelete())
	for _, s := range []struct {
		name, what string
		set        func(*v1alpha1.SyncWindow, bool)
	}{
		{"manual-sync", "syncs by hand in spite of a window", func(w *v1alpha1.SyncWindow, on bool) { w.ManualSync = on }},
		{"sync-overrun", "syncs that have begun to go on when a window ends them", func(w *v1alpha1.SyncWindow, on bool) { w.SyncOverrun = on }},
	} {
		cmd.AddCommand(
			c.projWindowsSwitch("enable-"+s.name, "Allow "+s.what, func(w *v1alpha1.SyncWindow) { s.set(w, true) }),
			c.projWindowsSwitch("disable-"+s.name, "Do not allow "+s.what, func(w *v1alpha1.SyncWindow) { s.set(w, false) }))
	}
	cmd.Aliases = []string{"window"}
	return cmd
}

func (c *cli) projWindowsList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the sync windows of a project",
		Example:           "  belay proj windows list callcenter-ai\n  belay proj windows list callcenter-ai -o json",
		Args:              argCount(1, 1, "the name of a project"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := readProject(cmd.Context(), conn, args[0])
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				windows := p.Spec.SyncWindows
				if windows == nil {
					windows = v1alpha1.SyncWindows{}
				}
				return printAs(c.Out, output, windows)
			}
			return printWindows(c.Out, p, c.Now())
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

// windowFlags describe a window. Only flags that were given count.
type windowFlags struct {
	fs                         *pflag.FlagSet
	kind, schedule, duration   string
	zone, description          string
	apps, namespaces, clusters []string
	manual, overrun, and       bool
}

func (f *windowFlags) bind(fs *pflag.FlagSet) {
	f.fs = fs
	fs.StringVarP(&f.kind, "kind", "k", "", "allow or deny")
	fs.StringVar(&f.schedule, "schedule", "", "when the window opens, as five fields of cron")
	fs.StringVar(&f.duration, "duration", "", "how long it stays open, such as 90m or 8h")
	fs.StringSliceVar(&f.apps, "applications", nil, "applications that it concerns: names or globs, separated by commas")
	fs.StringSliceVar(&f.namespaces, "namespaces", nil, "destination namespaces that it concerns: names or globs")
	fs.StringSliceVar(&f.clusters, "clusters", nil, "destination clusters that it concerns: names, addresses or globs")
	fs.StringVar(&f.zone, "time-zone", "UTC", "time zone of the schedule, such as Europe/Berlin")
	fs.StringVar(&f.description, "description", "", "what the window is for")
	fs.BoolVar(&f.manual, "manual-sync", false, "allow syncs by hand in spite of the window")
	fs.BoolVar(&f.overrun, "sync-overrun", false, "allow syncs that have begun to go on when the window ends them")
	fs.BoolVar(&f.and, "use-and-operator", false, "concern what all lists select, not what one of them does")
}

// apply lays the flags that were given over a window.
func (f *windowFlags) apply(w *v1alpha1.SyncWindow) error {
	for flag, set := range map[string]func(){
		"kind":             func() { w.Kind = f.kind },
		"schedule":         func() { w.Schedule = f.schedule },
		"duration":         func() { w.Duration = f.duration },
		"applications":     func() { w.Applications = f.apps },
		"namespaces":       func() { w.Namespaces = f.namespaces },
		"clusters":         func() { w.Clusters = f.clusters },
		"time-zone":        func() { w.TimeZone = f.zone },
		"description":      func() { w.Description = f.description },
		"manual-sync":      func() { w.ManualSync = f.manual },
		"sync-overrun":     func() { w.SyncOverrun = f.overrun },
		"use-and-operator": func() { w.UseAndOperator = f.and },
	} {
		if f.fs.Changed(flag) {
			set()
		}
	}
	if err := project.CheckWindow(w); err != nil {
		return usageError("the window cannot be used: %w", err)
	}
	if len(w.Applications)+len(w.Namespaces)+len(w.Clusters) == 0 {
		return usageError("the window concerns nothing: give --applications, --namespaces or --clusters")
	}
	return nil
}

func (c *cli) projWindowsAdd() *cobra.Command {
	f := &windowFlags{}
	cmd := &cobra.Command{
		Use: "add PROJECT", Short: "Add a sync window to a project",
		Example: `  # no syncs of production from Friday evening to Monday morning
  belay proj windows add callcenter-ai --kind deny --schedule "0 18 * * 5" --duration 62h --applications "*-prod" --time-zone Europe/Berlin
  # production syncs by itself at night only, people may sync at any time
  belay proj windows add callcenter-ai --kind allow --schedule "0 22 * * *" --duration 6h --applications "*-prod" --manual-sync`,
		Args:              argCount(1, 1, "the name of a project"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeProject(cmd.Context(), args[0], func(p *v1alpha1.AppProject) (string, error) {
				w := &v1alpha1.SyncWindow{TimeZone: f.zone}
				if err := f.apply(w); err != nil {
					return "", err
				}
				p.Spec.SyncWindows = append(p.Spec.SyncWindows, w)
				return fmt.Sprintf("window %d added", len(p.Spec.SyncWindows)-1), nil
			})
		},
	}
	f.bind(cmd.Flags())
	return cmd
}

func (c *cli) projWindowsUpdate() *cobra.Command {
	f := &windowFlags{}
	cmd := &cobra.Command{
		Use: "update PROJECT ID", Short: "Change a sync window of a project",
		Long: "Change a sync window. What is not given stays as it is; a list is replaced as a whole. The ID is that of\n" +
			"belay proj windows list.",
		Example: `  belay proj windows update callcenter-ai 0 --schedule "0 20 * * *" --duration 8h`,
		Args:    argCount(2, 2, "the name of a project and the ID of a window"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !anyChanged(cmd.LocalNonPersistentFlags()) {
				return usageError("nothing to change: give --schedule, --duration or another flag")
			}
			return c.changeWindow(cmd.Context(), args, func(w *v1alpha1.SyncWindow) error { return f.apply(w) })
		},
	}
	f.bind(cmd.Flags())
	return cmd
}

// anyChanged reports whether one of the flags was given.
func anyChanged(fs *pflag.FlagSet) bool {
	found := false
	fs.VisitAll(func(f *pflag.Flag) { found = found || f.Changed })
	return found
}

func (c *cli) projWindowsDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete PROJECT ID", Aliases: []string{"rm"}, Short: "Delete a sync window of a project",
		Long:              "Delete a sync window. The ID is that of belay proj windows list; those of the windows after it go down by one.",
		Example:           "  belay proj windows delete callcenter-ai 0",
		Args:              argCount(2, 2, "the name of a project and the ID of a window"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeProject(cmd.Context(), args[0], func(p *v1alpha1.AppProject) (string, error) {
				id, err := windowID(p, args[1])
				if err != nil {
					return "", err
				}
				gone := ""
				if w := p.Spec.SyncWindows[id]; w != nil {
					gone = " " + project.Describe(w)
				}
				p.Spec.SyncWindows = append(p.Spec.SyncWindows[:id], p.Spec.SyncWindows[id+1:]...)
				return fmt.Sprintf("window %d%s deleted", id, gone), nil
			})
		},
	}
}

func (c *cli) projWindowsSwitch(name, short string, set func(*v1alpha1.SyncWindow)) *cobra.Command {
	return &cobra.Command{
		Use: name + " PROJECT ID", Short: short,
		Long:              short + ". The ID is that of belay proj windows list.",
		Example:           "  belay proj windows " + name + " callcenter-ai 0",
		Args:              argCount(2, 2, "the name of a project and the ID of a window"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeWindow(cmd.Context(), args, func(w *v1alpha1.SyncWindow) error { set(w); return nil })
		},
	}
}

// changeWindow changes one window of a project: args are the project and the ID.
func (c *cli) changeWindow(ctx context.Context, args []string, change func(*v1alpha1.SyncWindow) error) error {
	return c.changeProject(ctx, args[0], func(p *v1alpha1.AppProject) (string, error) {
		id, err := windowID(p, args[1])
		if err != nil {
			return "", err
		}
		if p.Spec.SyncWindows[id] == nil {
			p.Spec.SyncWindows[id] = &v1alpha1.SyncWindow{}
		}
		return fmt.Sprintf("window %d changed", id), change(p.Spec.SyncWindows[id])
	})
}

// changeProject changes a project and says what was done.
func (c *cli) changeProject(ctx context.Context, name string, change func(*v1alpha1.AppProject) (done string, err error)) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	var done string
	changed, err := changeProject(ctx, conn, name, func(p *v1alpha1.AppProject) (err error) {
		done, err = change(p)
		return err
	})
	if err != nil {
		return err
	}
	if !changed {
		done = "nothing to change"
	}
	_, err = fmt.Fprintf(c.Err, "project '%s': %s\n", name, done)
	return err
}

func windowID(p *v1alpha1.AppProject, text string) (int, error) {
	id, err := strconv.Atoi(text)
	if n := len(p.Spec.SyncWindows); err != nil || id < 0 || id >= n {
		f := usageError("project %s has no window with ID %q; it has %d", p.Name, text, n)
		f.Hint = "belay proj windows list " + p.Name
		return 0, f
	}
	return id, nil
}

// printWindows prints the windows and whether each is active at that time.
func printWindows(out io.Writer, p *v1alpha1.AppProject, now time.Time) error {
	list := func(values []string) string {
		if len(values) == 0 {
			return "-"
		}
		return strings.Join(values, ",")
	}
	enabled := func(on bool) string {
		if on {
			return "Enabled"
		}
		return "Disabled"
	}
	var rows [][]string
	for i, w := range p.Spec.SyncWindows {
		if w == nil {
			continue
		}
		rows = append(rows, []string{strconv.Itoa(i), windowStatus(w, now), w.Kind, w.Schedule, w.Duration, list(w.Applications),
			list(w.Namespaces), list(w.Clusters), enabled(w.ManualSync), enabled(w.SyncOverrun), firstOf(w.TimeZone, "UTC"), enabled(w.UseAndOperator)})
	}
	header := []string{"ID", "STATUS", "KIND", "SCHEDULE", "DURATION", "APPLICATIONS", "NAMESPACES", "CLUSTERS", "MANUALSYNC", "SYNCOVERRUN", "TIMEZONE", "USEANDOPERATOR"}
	return table(out, header, rows)
}
