package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

type deleteOptions struct {
	appFlags
	cascade     bool
	propagation string
	yes, wait   bool
	selector    string
	timeout     seconds
}

func (c *cli) appDelete() *cobra.Command {
	o := &deleteOptions{}
	cmd := &cobra.Command{
		Use: "delete [APPNAME... | -l SELECTOR]", Short: "Delete applications, with or without their objects",
		Example: `  # the application and all its objects, after a question
  belay app delete callcenter-ai-dev
  # leave the objects in the cluster
  belay app delete callcenter-ai-dev --cascade=false
  # without a question, and wait until it is gone
  belay app delete callcenter-ai-dev -y --wait`,
		Args:              argCount(0, -1, "names of applications"),
		ValidArgsFunction: c.completeApps(-1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"foreground", "background", "orphan"}, o.propagation) {
				return usageError("unknown propagation policy %q: it is foreground or background", o.propagation)
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			keys, err := c.chooseApps(cmd.Context(), conn, args, listOptions{appFlags: o.appFlags, selector: o.selector})
			if err != nil {
				return err
			}
			return c.delete(cmd.Context(), conn, keys, o)
		},
	}
	o.bind(cmd.Flags())
	fs := cmd.Flags()
	fs.BoolVar(&o.cascade, "cascade", true, "delete the objects of the application as well")
	fs.StringVarP(&o.propagation, "propagation-policy", "p", "foreground", "foreground or background")
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	fs.BoolVar(&o.wait, "wait", false, "wait until the applications are gone")
	fs.StringVarP(&o.selector, "selector", "l", "", "all applications with these labels")
	fs.Var(&o.timeout, "timeout", "with --wait: give up after this time (0: never)")
	return cmd
}

func (c *cli) delete(ctx context.Context, conn ControlPlane, keys []appKey, o *deleteOptions) error {
	asker := newAsker(c)
	for _, key := range keys {
		// Look first: nobody wants to confirm the deletion of what does not exist.
		if _, err := getApp(ctx, conn, key); err != nil {
			return err
		}
		what := "and all its resources"
		if !o.cascade {
			what = "and leave its resources in the cluster"
		}
		// As with argocd and kubectl, a script is not asked.
		if !o.yes && asker.terminal {
			ok, err := asker.ask(fmt.Sprintf("Are you sure you want to delete '%s' %s?", key, what))
			if err != nil {
				return err
			}
			if !ok {
				fmt.Fprintf(c.Err, "application '%s' is kept\n", key.Name)
				continue
			}
		}
		if err := conn.DeleteApplication(ctx, key, o.cascade, o.propagation); err != nil {
			return fmt.Errorf("delete application %s: %w", key, err)
		}
		if o.wait {
			if err := c.waitGone(ctx, conn, key, o.timeout.duration()); err != nil {
				return err
			}
		}
		fmt.Fprintf(c.Out, "application '%s' deleted\n", key.Name)
	}
	return nil
}

func (c *cli) waitGone(ctx context.Context, conn ControlPlane, key appKey, timeout time.Duration) error {
	bounded, cancel := withTimeout(ctx, timeout)
	defer cancel()
	p := c.newProgress("delete " + key.String())
	defer p.close()
	p.note("waiting until application %s and what it takes with it are gone", key)
	var told string
	err := conn.WatchApplication(bounded, key, func(app *v1alpha1.Application) (bool, error) {
		// What holds a deletion up stands in a condition.
		if app != nil {
			for _, cond := range app.Status.Conditions {
				if cond.Type == v1alpha1.ConditionDeletionError && cond.Message != told {
					told = cond.Message
					p.note("%s: %s", cond.Type, mask.Text(told))
				}
			}
		}
		return app == nil, nil
	})
	if timedOut(ctx, err) {
		return &Failure{Exit: ExitAPI, Code: "Timeout", Err: fmt.Errorf("application %s is not gone after %s", key, timeout),
			Hint: "belay app get " + key.String() + " shows what it waits for"}
	}
	return err
}

// asker asks yes-or-no questions on the terminal.
type asker struct {
	in       *bufio.Reader
	err      io.Writer
	terminal bool
}

func newAsker(c *cli) *asker {
	f, ok := c.In.(*os.File)
	return &asker{in: bufio.NewReader(c.In), err: c.Err, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

// ask waits for an answer; anything but yes is no.
func (a *asker) ask(question string) (bool, error) {
	fmt.Fprintf(a.err, "%s [y/n] ", question)
	line, err := a.in.ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

type patchOptions struct {
	appFlags
	patch, kind string
}

func (c *cli) appPatch() *cobra.Command {
	o := &patchOptions{}
	cmd := &cobra.Command{
		Use: "patch APPNAME", Short: "Patch an application",
		Example: `  belay app patch shop-dev --patch '[{"op": "replace", "path": "/spec/source/path", "value": "overlays/dev"}]'
  belay app patch shop-dev --type merge --patch '{"spec": {"source": {"targetRevision": "main"}}}'`,
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
			kinds := map[string]types.PatchType{"json": types.JSONPatchType, "merge": types.MergePatchType}
			kind, ok := kinds[o.kind]
			if !ok || o.patch == "" {
				return usageError("--patch is needed, and --type is json or merge")
			}
			raw, err := conn.PatchApplication(cmd.Context(), key, kind, []byte(o.patch))
			if err != nil {
				return explained(cmd.Context(), conn, key, err)
			}
			return printYAML(c.Out, plainObject(raw))
		},
	}
	o.bind(cmd.Flags())
	cmd.Flags().StringVar(&o.patch, "patch", "", "the patch, in JSON")
	cmd.Flags().StringVar(&o.kind, "type", "json", "json (RFC 6902) or merge (RFC 7386)")
	return cmd
}

func (c *cli) appConfirmDeletion() *cobra.Command {
	o := &appFlags{}
	cmd := &cobra.Command{
		Use: "confirm-deletion APPNAME", Short: "Confirm deletions that wait for it (Prune=confirm, Delete=confirm)",
		Example:           "  belay app confirm-deletion callcenter-ai-prod",
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
			now := c.Now().UTC().Format(time.RFC3339)
			annotations := map[string]any{v1alpha1.AnnotationDeletionApproved: now}
			patch := map[string]any{"metadata": map[string]any{"annotations": annotations}}
			_, err = changeApp(cmd.Context(), conn, key, func(*v1alpha1.Application) (map[string]any, error) { return patch, nil })
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Application '%s' updated successfully\n", key.Name)
			return err
		},
	}
	o.bind(cmd.Flags())
	return cmd
}
