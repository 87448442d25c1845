package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
			conn, err := c.connect()
			if err != nil {
				return err
			}
			key, err := o.key(args[0], conn.Namespace)
			if err != nil {
				return err
			}
			return c.logs(cmd.Context(), conn, key, o)
		},
	}
	o.bind(cmd.Flags())
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

func (c *cli) logs(ctx context.Context, conn *Connection, key appKey, o *logOptions) error {
	filter, err := o.lineFilter()
	if err != nil {
		return err
	}
	app, err := conn.getApp(ctx, key)
	if err != nil {
		return err
	}
	owners := newOwners(conn, app, o)
	pods, err := owners.pods(ctx)
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
	core, err := kubernetes.NewForConfig(conn.Config)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", conn.Config.Host, err)
	}
	r := &logReader{pods: core.CoreV1(), options: o, filter: filter, out: c.Out, note: c.noteTo, prefix: o.prefix || len(targets) > 1}
	if !o.follow {
		return r.merge(ctx, targets)
	}
	r.prefix = true
	return r.follow(ctx, owners, targets)
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

// owners finds the pods of an application by climbing their owner references, so that it works for every kind that makes
// pods, through any number of levels.
type owners struct {
	conn       *Connection
	selected   map[object.Ref]bool
	namespaces []string
	remote     error
	known      map[types.UID]bool // whether an object belongs to the selection
}

func newOwners(conn *Connection, app *v1alpha1.Application, o *logOptions) *owners {
	w := &owners{conn: conn, selected: map[object.Ref]bool{}, known: map[types.UID]bool{}, remote: refuseRemote(app)}
	for i := range app.Status.Resources {
		ref := refOf(&app.Status.Resources[i])
		if ref.Namespace == "" || !o.selects(ref) {
			continue
		}
		w.selected[ref] = true
		if !slices.Contains(w.namespaces, ref.Namespace) {
			w.namespaces = append(w.namespaces, ref.Namespace)
		}
	}
	return w
}

// selects applies --group, --kind, --name and --namespace to an object of the application.
func (o *logOptions) selects(r object.Ref) bool {
	if o.namespace != "" && o.namespace != r.Namespace {
		return false
	}
	return (o.group == "" || o.group == r.Group) && (o.kind == "" || strings.EqualFold(o.kind, r.Kind)) &&
		o.names.Match(r.Name)
}

// pods are the pods of the selection, by namespace and name.
func (w *owners) pods(ctx context.Context) ([]corev1.Pod, error) {
	if w.remote != nil {
		return nil, w.remote
	}
	var mine []corev1.Pod
	for _, namespace := range w.namespaces {
		var list corev1.PodList
		rctx, cancel := w.conn.request(ctx)
		err := w.conn.Client.List(rctx, &list, client.InNamespace(namespace))
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list pods in namespace %s: %w", namespace, err)
		}
		if err := w.learn(ctx, list.Items); err != nil {
			return nil, err
		}
		for _, p := range list.Items {
			if w.owns(&p) {
				mine = append(mine, p)
			}
		}
	}
	slices.SortFunc(mine, func(a, b corev1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return mine, nil
}

// owns decides about a pod whose owners have been learned.
func (w *owners) owns(p *corev1.Pod) bool {
	if w.selected[object.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}] {
		return true
	}
	for _, o := range p.OwnerReferences {
		if w.known[o.UID] {
			return true
		}
	}
	return false
}

// learn climbs from the pods to owners that are not known yet.
func (w *owners) learn(ctx context.Context, pods []corev1.Pod) error {
	type step struct {
		ref       metav1.OwnerReference
		namespace string
	}
	fresh := map[types.UID]step{}
	for _, p := range pods {
		for _, o := range p.OwnerReferences {
			if _, ok := w.known[o.UID]; !ok {
				fresh[o.UID] = step{o, p.Namespace}
			}
		}
	}
	steps := make([]step, 0, len(fresh))
	for _, s := range fresh {
		steps = append(steps, s)
	}
	verdicts := make([]bool, len(steps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, s := range steps {
		g.Go(func() error {
			var err error
			verdicts[i], err = w.climb(ctx, s.ref, s.namespace, 0)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, s := range steps {
		w.known[s.ref.UID] = verdicts[i]
	}
	return nil
}

// climb reports whether an owner or one of its own owners is selected. Owners that are gone or may not be read end the way.
func (w *owners) climb(ctx context.Context, o metav1.OwnerReference, namespace string, depth int) (bool, error) {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	if w.selected[object.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: namespace, Name: o.Name}] {
		return true, nil
	}
	if depth >= maxDepth || gvk.Kind == "Node" {
		return false, nil
	}
	var m metav1.PartialObjectMetadata
	m.SetGroupVersionKind(gvk)
	rctx, cancel := w.conn.request(ctx)
	defer cancel()
	err := w.conn.Client.Get(rctx, appKey{Namespace: namespace, Name: o.Name}, &m)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get owner %s/%s/%s: %w", gvk.GroupKind(), namespace, o.Name, err)
	}
	if m.UID != o.UID {
		return false, nil
	}
	for _, up := range m.OwnerReferences {
		if mine, err := w.climb(ctx, up, namespace, depth+1); mine || err != nil {
			return mine, err
		}
	}
	return false, nil
}
