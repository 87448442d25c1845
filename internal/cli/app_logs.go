package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

type logOptions struct {
	appFlags
	follow, previous, matchCase  bool
	tail                         int64
	since                        seconds
	sinceSeconds                 int64
	until                        string
	container                    string
	group, kind, namespace, name string
	filter                       string
	timestamps, prefix           bool
	names                        glob.Pattern // of name
}

func (c *cli) appLogs() *cobra.Command {
	o := &logOptions{}
	cmd := &cobra.Command{
		Use: "logs APPNAME", Short: "Print the logs of the pods of an application",
		Example: `  belay app logs callcenter-ai-prod
  belay app logs callcenter-ai-prod -f --tail 20
  # one Deployment, the last five minutes, lines with an error
  belay app logs callcenter-ai-prod --kind Deployment --name agent-service --since 5m --filter error`,
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
			return c.logs(cmd.Context(), conn, key, o)
		},
	}
	o.bind(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	fs := cmd.Flags()
	fs.BoolVarP(&o.follow, "follow", "f", false, "go on with new lines and new pods")
	fs.BoolVarP(&o.previous, "previous", "p", false, "the containers before the last restart")
	fs.BoolVarP(&o.matchCase, "match-case", "m", false, "--filter tells capital from small letters")
	fs.Int64Var(&o.tail, "tail", 0, "only the last lines of each container (0: all)")
	fs.Var(&o.since, "since", "only lines younger than this")
	fs.Int64Var(&o.sinceSeconds, "since-seconds", 0, "only lines younger than this many seconds")
	fs.StringVar(&o.until, "until-time", "", "only lines up to this time (RFC 3339)")
	fs.StringVarP(&o.container, "container", "c", "", "only this container")
	fs.StringVar(&o.group, "group", "", "only pods of objects of this API group")
	fs.StringVar(&o.kind, "kind", "", "only pods of objects of this kind")
	fs.StringVar(&o.namespace, "namespace", "", "only pods in this namespace (-N is the application's)")
	fs.StringVar(&o.name, "name", "", "only pods of objects of this name (glob)")
	fs.StringVar(&o.filter, "filter", "", "only lines that contain this text; a leading ! means: that do not")
	fs.BoolVar(&o.timestamps, "timestamps", false, "with the time of each line")
	fs.BoolVar(&o.prefix, "prefix", false, "with pod and container, also when there is only one")
	return cmd
}

// target is one container whose log is read.
type target struct {
	namespace, pod, container string
	run                       int32 // restarts of the container; each run has a log of its own
}

func (t target) String() string { return t.pod + "/" + t.container }

func (c *cli) logs(ctx context.Context, conn ControlPlane, key appKey, o *logOptions) error {
	filter, err := o.lineFilter()
	if err != nil {
		return err
	}
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return err
	}
	var selected []object.Ref
	for i := range app.Status.Resources {
		if ref := refOf(&app.Status.Resources[i]); ref.Namespace != "" && o.selects(ref) {
			selected = append(selected, ref)
		}
	}
	finder := conn.PodFinder(app, selected)
	pods, err := finder.Pods(ctx)
	if err != nil {
		return err
	}
	targets, err := o.targets(pods)
	if err != nil {
		return err
	}
	if len(targets) == 0 && !o.follow {
		return &Failure{Exit: ExitAPI, Code: "NoPods", Err: fmt.Errorf("application %s has no pod that the flags select", key),
			Hint: "belay app get " + key.String() + " -o tree shows its pods"}
	}
	r := &logReader{open: openPodLog(conn, app), options: o, filter: filter, out: c.Out, note: c.noteTo, prefix: o.prefix || len(targets) > 1}
	if !o.follow {
		return r.merge(ctx, targets)
	}
	r.prefix = true
	return r.follow(ctx, finder, targets)
}

// openPodLog opens the logs of containers of an application.
func openPodLog(conn ControlPlane, app *v1alpha1.Application) func(context.Context, target, *corev1.PodLogOptions) (io.ReadCloser, error) {
	return func(ctx context.Context, t target, o *corev1.PodLogOptions) (io.ReadCloser, error) {
		return conn.PodLog(ctx, app, object.Ref{Kind: "Pod", Namespace: t.namespace, Name: t.pod}, o)
	}
}

// noteTo prints a remark about one container.
func (c *cli) noteTo(t target, format string, args ...any) {
	fmt.Fprintf(c.Err, "%s: %s\n", clean(t.String()), clean(mask.Text(fmt.Sprintf(format, args...))))
}

// lineFilter checks the selecting flags and returns the predicate of --filter.
func (o *logOptions) lineFilter() (func(string) bool, error) {
	if o.sinceSeconds < 0 || o.tail < 0 {
		return nil, usageError("--tail and --since-seconds are not negative")
	}
	if o.until != "" {
		if _, err := time.Parse(time.RFC3339, o.until); err != nil {
			return nil, usageError("--until-time: %w", err)
		}
	}
	var err error
	if o.names, err = glob.Compile(firstOf(o.name, "*")); err != nil {
		return nil, usageError("--name: %w", err)
	}
	text, negated := strings.CutPrefix(o.filter, "!")
	if text == "" {
		return func(string) bool { return true }, nil
	}
	if !o.matchCase {
		text = strings.ToLower(text)
	}
	return func(line string) bool {
		if !o.matchCase {
			line = strings.ToLower(line)
		}
		return strings.Contains(line, text) != negated
	}, nil
}

// targets are the containers of the pods, init containers first.
func (o *logOptions) targets(pods []corev1.Pod) ([]target, error) {
	var targets []target
	names := map[string]bool{}
	for i := range pods {
		p := &pods[i]
		for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
			for _, container := range list {
				names[container.Name] = true
				if o.container == "" || o.container == container.Name {
					targets = append(targets, target{p.Namespace, p.Name, container.Name, restarts(p, container.Name)})
				}
			}
		}
	}
	if len(targets) == 0 && len(names) > 0 {
		var have []string
		for n := range names {
			have = append(have, n)
		}
		slices.Sort(have)
		return nil, &Failure{Exit: ExitAPI, Code: "NoContainer", Err: fmt.Errorf("no pod has a container %q", o.container),
			Hint: "there are " + joinWords(have)}
	}
	return targets, nil
}

func restarts(p *corev1.Pod, container string) int32 {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, s := range list {
			if s.Name == container {
				return s.RestartCount
			}
		}
	}
	return 0
}

// podLogOptions are the options of one request. A run that began while its log was waited for is read from its start.
func (o *logOptions) podLogOptions(t target, fresh bool) *corev1.PodLogOptions {
	opts := &corev1.PodLogOptions{Container: t.container, Follow: o.follow, Previous: o.previous, Timestamps: true}
	if fresh {
		return opts
	}
	if o.tail > 0 {
		opts.TailLines = &o.tail
	}
	since := o.sinceSeconds
	if o.since > 0 {
		since = int64(o.since.duration().Seconds())
	}
	if since > 0 {
		opts.SinceSeconds = &since
	}
	return opts
}

// selects applies --group, --kind, --name and --namespace to an object of the application.
func (o *logOptions) selects(r object.Ref) bool {
	if o.namespace != "" && o.namespace != r.Namespace {
		return false
	}
	return (o.group == "" || o.group == r.Group) && (o.kind == "" || strings.EqualFold(o.kind, r.Kind)) &&
		o.names.Match(r.Name)
}
