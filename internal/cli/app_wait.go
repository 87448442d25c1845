package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

type waitOptions struct {
	appFlags
	goal      goal
	resources []string
	until     []string
	selector  string
	timeout   seconds
	output    string
}

// goal is the state that `app wait` waits for.
type goal struct {
	sync, health, operation, suspended, degraded, delete, hydrated bool
	resources                                                      resourceFilter
	until                                                          []expression
}

func (c *cli) appWait() *cobra.Command {
	o := &waitOptions{}
	cmd := &cobra.Command{
		Use: "wait [APPNAME... | -l SELECTOR]", Short: "Wait until applications are synced and healthy",
		Example: `  # synced, healthy and without an operation
  belay app wait callcenter-ai-prod
  # healthy within five minutes, else exit code 20
  belay app wait callcenter-ai-prod --health --timeout 5m
  # one Deployment of it
  belay app wait callcenter-ai-prod --resource apps:Deployment:agent-service
  # whatever a jq or JSONPath expression says
  belay app wait callcenter-ai-prod --for '.status.history[-1].id >= 42'
  belay app wait callcenter-ai-prod --for jsonpath='{.status.sync.status}'=Synced
  # until it is gone
  belay app wait callcenter-ai-prod --delete`,
		Args:              argCount(0, -1, "names of applications"),
		ValidArgsFunction: c.completeApps(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.wait(cmd.Context(), args, *o)
		},
	}
	o.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml", "jsonl")
	fs := cmd.Flags()
	fs.BoolVar(&o.goal.sync, "sync", false, "wait until synced")
	fs.BoolVar(&o.goal.health, "health", false, "wait until healthy")
	fs.BoolVar(&o.goal.operation, "operation", false, "wait until no operation is pending")
	fs.BoolVar(&o.goal.suspended, "suspended", false, "wait until suspended")
	fs.BoolVar(&o.goal.degraded, "degraded", false, "wait until degraded")
	fs.BoolVar(&o.goal.delete, "delete", false, "wait until deleted")
	fs.BoolVar(&o.goal.hydrated, "hydrated", false, "wait until hydration has finished")
	fs.StringArrayVar(&o.resources, "resource", nil, "only these objects: GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME, ! excludes, * matches")
	fs.StringArrayVar(&o.until, "for", nil, "wait until a jq expression is true of the application, or jsonpath={PATH}=VALUE (may be repeated)")
	fs.StringVarP(&o.selector, "selector", "l", "", "all applications with these labels")
	fs.Var(&o.timeout, "timeout", "give up after this time (0: never)")
	return cmd
}

func (c *cli) wait(ctx context.Context, args []string, o waitOptions) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	filter, err := parseResources(o.resources)
	if err != nil {
		return err
	}
	for _, text := range o.until {
		e, err := parseExpression(text)
		if err != nil {
			return err
		}
		o.goal.until = append(o.goal.until, e)
	}
	keys, err := c.chooseApps(ctx, conn, args, listOptions{appFlags: o.appFlags, selector: o.selector})
	if err != nil {
		return err
	}
	g := o.goal.orDefault()
	g.resources = filter
	bounded, cancel := withTimeout(ctx, o.timeout.duration())
	defer cancel()
	for _, key := range keys {
		if err := c.waitOne(bounded, conn, key, g, o); err != nil {
			if timedOut(ctx, err) {
				return &Failure{Exit: ExitAPI, Code: "Timeout",
					Err:  fmt.Errorf("application %s is not in the wanted state (%s) after %s", key, g, o.timeout.duration()),
					Hint: "belay app get " + key.String() + " shows what it waits for"}
			}
			return err
		}
	}
	return nil
}

// chooseApps reads names, or lists what a selector and projects choose.
func (c *cli) chooseApps(ctx context.Context, conn ControlPlane, args []string, o listOptions) ([]appKey, error) {
	selected := o.selector != "" || len(o.projects) > 0
	switch {
	case len(args) > 0 && selected:
		return nil, usageError("give names or a selection by -l and --project, not both")
	case len(args) == 0 && !selected:
		return nil, usageError("give the name of an application, or a selection by -l")
	case selected:
		keys, err := selectApps(ctx, conn, o)
		if err == nil && len(keys) == 0 {
			return nil, &Failure{Exit: ExitAPI, Code: "AppNotFound", Err: fmt.Errorf("no application matches the selection"), Hint: "see belay app list"}
		}
		return keys, err
	}
	keys := make([]appKey, len(args))
	for i, arg := range args {
		key, err := o.key(arg, conn.Home())
		if err != nil {
			return nil, err
		}
		keys[i] = key
	}
	return keys, nil
}

func (c *cli) waitOne(ctx context.Context, conn ControlPlane, key appKey, g goal, o waitOptions) error {
	p := c.newProgress("wait for " + key.String())
	var last *v1alpha1.Application
	var judge judgement
	err := conn.WatchApplication(ctx, key, func(app *v1alpha1.Application) (bool, error) {
		if app == nil {
			if g.delete {
				last = nil
				return true, nil
			}
			if last == nil {
				return true, appNotFound(ctx, conn, key)
			}
			return true, gone(key)
		}
		last = app
		p.show(app)
		return judge.see(app, g)
	})
	p.close()
	if last == nil {
		return err
	}
	// The final state is of use also after a failure or a timeout.
	if perr := c.printFinal(context.WithoutCancel(ctx), conn, last, o.output, g.resources); perr != nil && err == nil {
		return perr
	}
	return err
}

// printFinal prints the state that a command ended with.
func (c *cli) printFinal(ctx context.Context, conn ControlPlane, app *v1alpha1.Application, format string, only resourceFilter) error {
	switch format {
	case "json", "yaml":
		raw, err := getRaw(ctx, conn, appKey{Namespace: app.Namespace, Name: app.Name})
		if err != nil {
			return err
		}
		return printAs(c.Out, format, plainObject(raw))
	case "jsonl":
		return nil
	}
	view := appView{app: app, url: appURL(ctx, conn, app), windows: windowsOf(ctx, conn, app, c.Now()), zone: c.Now().Location(), operation: true}
	if err := view.print(c.Out); err != nil {
		return err
	}
	states := statesOf(app)
	if !only.empty() {
		states = only.states(states)
	}
	if len(states) == 0 {
		return nil
	}
	fmt.Fprintln(c.Out)
	return table(c.Out, stateHeader(), rowsOf(states))
}

// orDefault is what argocd waits for when no flag names anything.
func (g goal) orDefault() goal {
	if g.sync || g.health || g.operation || g.suspended || g.degraded || g.delete || g.hydrated || len(g.until) > 0 {
		return g
	}
	g.sync, g.health, g.operation = true, true, true
	return g
}

// String names the goal for messages.
func (g goal) String() string {
	var words []string
	for _, w := range []struct {
		on   bool
		name string
	}{{g.sync, "synced"}, {g.health, "healthy"}, {g.operation, "no operation"}, {g.suspended, "suspended"},
		{g.degraded, "degraded"}, {g.delete, "deleted"}, {g.hydrated, "hydrated"}} {
		if w.on {
			words = append(words, w.name)
		}
	}
	for _, e := range g.until {
		words = append(words, e.text)
	}
	return joinWords(words)
}

// judgement remembers the states seen so far.
type judgement struct {
	wasHealthy bool
}

// see decides about one state: reached, failed, or wait on. An application that was healthy and becomes degraded while
// health is waited for has failed.
func (j *judgement) see(app *v1alpha1.Application, g goal) (bool, error) {
	if g.delete {
		return false, nil
	}
	health := app.Status.Health.Status
	if g.health && !g.degraded && g.resources.empty() {
		if j.wasHealthy && health == v1alpha1.HealthDegraded {
			return true, &Failure{Exit: ExitDifferent, Code: "Degraded",
				Err:  fmt.Errorf("application %s went from Healthy to Degraded while waited for", qualified(app)),
				Hint: degradedHint(app)}
		}
		j.wasHealthy = j.wasHealthy || health == v1alpha1.HealthHealthy
	}
	if g.operation && app.Operation != nil {
		return false, nil
	}
	if g.hydrated {
		if h := app.Status.SourceHydrator.CurrentOperation; h != nil && h.FinishedAt == nil {
			return false, nil
		}
	}
	if ok, err := holds(g.until, app); !ok || err != nil {
		return err != nil, err
	}
	if g.resources.empty() {
		return g.reached(app.Status.Sync.Status, health), nil
	}
	selected := g.resources.resources(app.Status.Resources)
	if len(selected) == 0 {
		return false, nil
	}
	for _, r := range selected {
		health := v1alpha1.HealthHealthy // a kind without health has nothing to wait for
		if r.Health != nil && r.Health.Status != "" {
			health = r.Health.Status
		}
		if !g.reached(r.Status, health) {
			return false, nil
		}
	}
	return true, nil
}

// reached compares one sync and health status with the goal; several wanted healths are alternatives.
func (g goal) reached(sync v1alpha1.SyncStatusCode, health v1alpha1.HealthStatusCode) bool {
	if g.sync && sync != v1alpha1.SyncStatusSynced {
		return false
	}
	if !g.health && !g.suspended && !g.degraded {
		return true
	}
	return g.health && health == v1alpha1.HealthHealthy ||
		g.suspended && health == v1alpha1.HealthSuspended ||
		g.degraded && health == v1alpha1.HealthDegraded
}

// degradedHint points at the first degraded object.
func degradedHint(app *v1alpha1.Application) string {
	for i := range app.Status.Resources {
		r := &app.Status.Resources[i]
		if r.Health != nil && r.Health.Status == v1alpha1.HealthDegraded {
			return fmt.Sprintf("%s: %s", refOf(r), mask.Text(r.Health.Message))
		}
	}
	return "belay app get " + qualified(app)
}

// settleAfter waits a little for the comparison that follows an operation, so that the state shown is the new one. A
// controller that has nothing new to write is no error.
func settleAfter(ctx context.Context, cp ControlPlane, app *v1alpha1.Application) *v1alpha1.Application {
	fresh := func(a *v1alpha1.Application) bool {
		op := a.Status.OperationState
		return op == nil || op.FinishedAt == nil || (a.Status.ReconciledAt != nil && !a.Status.ReconciledAt.Before(op.FinishedAt))
	}
	if fresh(app) {
		return app
	}
	last := app
	bounded, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	// Every outcome but a fresher state leaves the one that is known.
	_ = cp.WatchApplication(bounded, appKey{Namespace: app.Namespace, Name: app.Name}, func(a *v1alpha1.Application) (bool, error) {
		if a == nil {
			return true, nil
		}
		last = a
		return fresh(a), nil
	})
	return last
}

const settleTime = 3 * time.Second
