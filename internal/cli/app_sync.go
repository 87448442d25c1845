package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/operation"
)

type syncOptions struct {
	appFlags
	planFlags
	output    string
	selector  string
	projects  []string
	resources []string
	labels    []string
	info      []string
	added     []string // sync options
	strategy  string
	timeout   seconds
	retry     retryFlags

	prune, dryRun, force, replace, serverSide, async bool
	outOfSyncOnly, preview, previewChanges, yes      bool
}

func (c *cli) appSync() *cobra.Command {
	o := &syncOptions{}
	cmd := &cobra.Command{
		Use: "sync [APPNAME... | -l SELECTOR | --project PROJECT]", Short: "Bring the cluster in step with Git",
		Example: `  belay app sync callcenter-ai-prod
  # see what it would do first, and decide
  belay app sync callcenter-ai-prod --preview-changes
  # also delete what is no longer in Git
  belay app sync callcenter-ai-prod --prune
  # another revision than the application follows, if it is synced by hand
  belay app sync callcenter-ai-prod --revision 6f3c2a1
  # one Deployment only; everything but Jobs
  belay app sync callcenter-ai-prod --resource apps:Deployment:agent-service
  belay app sync callcenter-ai-prod --resource '!batch:Job:*'
  # all applications of a team
  belay app sync -l team=voice`,
		Args:              argCount(0, -1, "names of applications"),
		ValidArgsFunction: c.completeApps(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			return c.sync(cmd.Context(), conn, args, o)
		},
	}
	o.appFlags.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml", "jsonl", "tree", "tree=detailed")
	o.bindSync(cmd)
	return cmd
}

func (o *syncOptions) bindSync(cmd *cobra.Command) {
	fs := cmd.Flags()
	o.planFlags.bind(fs)
	fs.StringVarP(&o.selector, "selector", "l", "", "all applications with these labels")
	fs.StringArrayVar(&o.projects, "project", nil, "all applications of this project (may be repeated)")
	fs.BoolVar(&o.prune, "prune", false, "delete objects that are no longer in Git")
	fs.BoolVar(&o.dryRun, "dry-run", false, "let the controller try the sync without effect")
	fs.BoolVar(&o.preview, "preview", false, "print what a sync would change and stop")
	fs.BoolVar(&o.previewChanges, "preview-changes", false, "print what a sync would change and ask before going on")
	fs.BoolVar(&o.yes, "assumeYes", false, "with --preview-changes: go on without asking")
	fs.BoolVar(&o.force, "force", false, "delete and recreate objects that cannot be changed in place")
	fs.BoolVar(&o.replace, "replace", false, "replace objects in place of applying them")
	fs.BoolVar(&o.serverSide, "server-side", false, "apply on the server side")
	fs.BoolVar(&o.async, "async", false, "start the sync and do not wait for it")
	fs.Var(&o.timeout, "timeout", "give up waiting after this time; the sync goes on (0: never)")
	fs.StringArrayVar(&o.resources, "resource", nil, "only these objects: GROUP:KIND:NAME or GROUP:KIND:NAMESPACE/NAME, ! excludes, * matches")
	fs.StringArrayVar(&o.labels, "label", nil, "only objects with this label: key=value (may be repeated)")
	fs.StringArrayVar(&o.info, "info", nil, "key=value to keep with the operation (may be repeated)")
	fs.StringVar(&o.strategy, "strategy", "", "apply or hook (default: hook)")
	fs.StringArrayVar(&o.added, "sync-option", nil, "sync option Name=value in addition to those of the application; !Name=value leaves one of them out (may be repeated)")
	fs.BoolVar(&o.outOfSyncOnly, "apply-out-of-sync-only", false, "apply only objects that are out of sync")
	o.retry.bind(fs)
}

func (o *syncOptions) check() error {
	if o.strategy != "" && o.strategy != "apply" && o.strategy != "hook" {
		return usageError("unknown strategy %q: it is apply or hook", o.strategy)
	}
	if o.preview && o.async || o.preview && o.previewChanges {
		return usageError("--preview stops before a sync: it goes with neither --async nor --preview-changes")
	}
	if err := o.planFlags.check(); err != nil {
		return err
	}
	for _, kv := range slices.Concat(o.info, o.labels, o.added) {
		if key, _, ok := strings.Cut(kv, "="); !ok || key == "" {
			return usageError("%q is not of the form key=value", kv)
		}
	}
	return o.retry.check()
}

func (c *cli) sync(ctx context.Context, conn ControlPlane, args []string, o *syncOptions) error {
	filter, err := parseResources(o.resources)
	if err != nil {
		return err
	}
	keys, err := c.chooseApps(ctx, conn, args, listOptions{appFlags: o.appFlags, selector: o.selector, projects: o.projects})
	if err != nil {
		return err
	}
	var failures []error
	for _, key := range keys {
		if err := c.syncOne(ctx, conn, key, syncRequest{o: o, filter: filter}); err != nil {
			if len(keys) == 1 || ctx.Err() != nil {
				return err
			}
			fmt.Fprint(c.Err, failureText(classify(err)))
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		return nil
	}
	f := classify(failures[0])
	return &Failure{Exit: f.Exit, Code: f.Code, Err: fmt.Errorf("%d of %d applications did not sync", len(failures), len(keys))}
}

// confirm asks whether to go on after a preview. Without a terminal there is nobody to ask.
func (c *cli) confirm(found, yes bool) (bool, error) {
	if !found || yes {
		return true, nil
	}
	a := newAsker(c)
	if !a.terminal {
		return false, usageError("--preview-changes cannot ask without a terminal: add --assumeYes")
	}
	ok, err := a.ask("Do you want to continue?")
	if err == nil && !ok {
		fmt.Fprintln(c.Err, "nothing was changed")
	}
	return ok, err
}

// syncRequest is what one application is asked for.
type syncRequest struct {
	o         *syncOptions
	filter    resourceFilter
	manifests []string
	labelled  []v1alpha1.SyncOperationResource
}

func (c *cli) syncOne(ctx context.Context, conn ControlPlane, key appKey, r syncRequest) error {
	o := r.o
	if o.preview || o.previewChanges {
		found, err := c.previewSync(ctx, conn, key, o)
		if err != nil {
			return err
		}
		if o.preview {
			if found {
				return different()
			}
			return nil
		}
		if ok, err := c.confirm(found, o.yes); !ok || err != nil {
			return err
		}
	}
	if err := c.fromPlanner(ctx, conn, key, &r); err != nil {
		return err
	}
	bounded, cancel := withTimeout(ctx, o.timeout.duration())
	defer cancel()
	app, err := conn.Start(bounded, key, func(app *v1alpha1.Application) (Start, error) {
		if err := refuseWindow(bounded, conn, app, c.Now()); err != nil && !o.dryRun {
			return Start{}, err
		}
		op, err := r.operation(app)
		return Start{Operation: op}, err
	}, c.Now())
	if err != nil {
		return fmt.Errorf("sync application %s: %w", key, explained(ctx, conn, key, err))
	}
	if o.async {
		return c.printAsync(app, o.output)
	}
	return c.finish(ctx, bounded, conn, app, finishOptions{
		what: "sync", output: o.output, timeout: o.timeout.duration(), filter: r.filter,
		pruneMatters: !o.dryRun && r.filter.empty() && len(r.labelled) == 0,
	})
}

// fromPlanner renders what an operation on local manifests or by labels needs.
func (c *cli) fromPlanner(ctx context.Context, conn ControlPlane, key appKey, r *syncRequest) (err error) {
	if r.o.local == "" && len(r.o.labels) == 0 {
		return nil
	}
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	opts, err := r.o.options(app)
	if err != nil {
		return err
	}
	planner, err := conn.Planner(ctx)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	manifests, err := planner.Manifests(ctx, app, opts)
	if err != nil {
		return fmt.Errorf("render application %s: %w", key, err)
	}
	c.warn(manifests.Warnings)
	for _, u := range manifests.Objects {
		if r.o.local != "" {
			data, err := u.MarshalJSON()
			if err != nil {
				return fmt.Errorf("encode %s: %w", object.RefOf(u), err)
			}
			r.manifests = append(r.manifests, string(data))
		}
		if len(r.o.labels) > 0 && hasLabels(u.GetLabels(), r.o.labels) {
			ref := object.RefOf(u)
			r.labelled = append(r.labelled, v1alpha1.SyncOperationResource{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name})
		}
	}
	if len(r.o.labels) > 0 && len(r.labelled) == 0 {
		return &Failure{Exit: ExitUsage, Code: "ResourceNotFound", Err: fmt.Errorf("application %s has no object with the labels %s", key, strings.Join(r.o.labels, ","))}
	}
	return nil
}

func hasLabels(have map[string]string, pairs []string) bool {
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// operation decides whether the application may be synced as asked, and by which operation.
func (r syncRequest) operation(app *v1alpha1.Application) (*v1alpha1.Operation, error) {
	o := r.o
	resources, err := r.filter.operationResources(app)
	if err != nil {
		return nil, err
	}
	if len(r.labelled) > 0 {
		resources = append(resources, r.labelled...)
	}
	s := &v1alpha1.SyncOperation{
		Revision: o.revision, Prune: o.prune, DryRun: o.dryRun, Resources: resources, Manifests: r.manifests,
		SyncOptions: o.syncOptions(app), SyncStrategy: o.syncStrategy(),
	}
	if len(app.Spec.Sources) > 0 {
		s.Sources = app.Spec.Sources
		if s.Revisions, err = o.revisionsFor(app); err != nil {
			return nil, err
		}
	} else {
		s.Source = app.Spec.Source
	}
	if err := operation.Automated(app, s); err != nil {
		return nil, err
	}
	op := &v1alpha1.Operation{Sync: s, Retry: o.retry.strategy(app)}
	for _, kv := range o.info {
		key, value, _ := strings.Cut(kv, "=")
		op.Info = append(op.Info, &v1alpha1.Info{Name: key, Value: value})
	}
	return op, nil
}

// syncOptions are those of the application, with what the flags add.
func (o *syncOptions) syncOptions(app *v1alpha1.Application) v1alpha1.SyncOptions {
	var options v1alpha1.SyncOptions
	if app.Spec.SyncPolicy != nil {
		options = append(options, app.Spec.SyncPolicy.SyncOptions...)
	}
	for option, on := range map[string]bool{"Replace=true": o.replace, "ServerSideApply=true": o.serverSide, "ApplyOutOfSyncOnly=true": o.outOfSyncOnly} {
		if on && !options.Has(option) {
			options = append(options, option)
		}
	}
	for _, option := range o.added {
		if removed, ok := strings.CutPrefix(option, "!"); ok {
			options = slices.DeleteFunc(options, func(have string) bool { return have == removed })
		} else if !options.Has(option) {
			options = append(options, option)
		}
	}
	slices.Sort(options)
	return options
}

func (o *syncOptions) syncStrategy() *v1alpha1.SyncStrategy {
	if o.strategy == "apply" {
		return &v1alpha1.SyncStrategy{Apply: &v1alpha1.SyncStrategyApply{Force: o.force}}
	}
	return &v1alpha1.SyncStrategy{Hook: &v1alpha1.SyncStrategyHook{SyncStrategyApply: v1alpha1.SyncStrategyApply{Force: o.force}}}
}

func (c *cli) printAsync(app *v1alpha1.Application, format string) error {
	if format == "json" || format == "yaml" {
		return printAs(c.Out, format, app)
	}
	fmt.Fprintf(c.Err, "started; follow it with: belay app wait %s --operation\n", qualified(app))
	return nil
}

// finishOptions say how the end of an operation is reported.
type finishOptions struct {
	what, output string
	timeout      time.Duration
	filter       resourceFilter
	pruneMatters bool
}

// finish waits for the end of a started operation, prints the final state and gives the outcome.
func (c *cli) finish(outer, ctx context.Context, conn ControlPlane, app *v1alpha1.Application, o finishOptions) error {
	p := c.newProgress(o.what + " " + qualified(app))
	app, err := c.watchOperation(ctx, conn, app, p)
	if err == nil {
		app = settleAfter(ctx, conn, app)
		p.show(app)
	}
	p.close()
	if err != nil {
		if outer.Err() != nil {
			return &Failure{Exit: ExitInterrupted, Code: "Interrupted",
				Err:  fmt.Errorf("interrupted: the %s of application %s goes on", o.what, qualified(app)),
				Hint: "end it with: belay app terminate-op " + qualified(app)}
		}
		if timedOut(outer, err) {
			err = &Failure{Exit: ExitAPI, Code: "Timeout",
				Err:  fmt.Errorf("%s of application %s has not ended after %s and goes on", o.what, qualified(app), o.timeout),
				Hint: "belay app wait " + qualified(app) + " --operation"}
		}
		return fmt.Errorf("%s application %s: %w", o.what, qualified(app), err)
	}
	if strings.HasPrefix(o.output, "tree") {
		err = c.printTree(outer, conn, app, o.output == "tree=detailed")
	} else {
		err = c.printFinal(outer, conn, app, o.output, o.filter)
	}
	if err != nil {
		return err
	}
	if err := operationResult(app, o.what); err != nil {
		return err
	}
	if n := pruneSkipped(app); o.pruneMatters && n > 0 {
		return &Failure{Exit: ExitDifferent, Code: "PruneRequired", Err: fmt.Errorf("%d resources require pruning", n),
			Hint: "they are no longer in Git; delete them with: belay app sync " + qualified(app) + " --prune"}
	}
	return nil
}

// pruneSkipped counts the objects that the last operation left although they are no longer in Git.
func pruneSkipped(app *v1alpha1.Application) int {
	op := app.Status.OperationState
	if op == nil || op.SyncResult == nil || app.Status.Sync.Status == v1alpha1.SyncStatusSynced {
		return 0
	}
	n := 0
	for _, r := range op.SyncResult.Resources {
		if r != nil && r.Status == v1alpha1.ResultPruneSkipped {
			n++
		}
	}
	return n
}
