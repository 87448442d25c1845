package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/insight"
)

func (c *cli) appWhy() *cobra.Command {
	var flags appFlags
	var output string
	cmd := &cobra.Command{
		Use: "why APPNAME", Short: "Say why an application is not as it should be, and what to do",
		Long: `Say why an application is not Synced and Healthy: the first cause, down to the pod or the field, where that was seen, and
what to do next.`,
		Example: `  belay app why callcenter-ai-prod
  # the sentence alone
  belay app why callcenter-ai-prod -o json | jq -r .sentence`,
		Args:              argCount(1, 1, "the name of an application"),
		ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			key, err := flags.key(args[0], conn.Namespace)
			if err != nil {
				return err
			}
			why, err := c.why(cmd.Context(), conn, key)
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, why)
			}
			return writeWhy(c.Out, why, c.Now().Location())
		},
	}
	flags.bind(cmd.Flags())
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

// why explains an application. What cannot be read is left out of the explanation, and said on standard error.
func (c *cli) why(ctx context.Context, conn *Connection, key appKey) (*insight.Why, error) {
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return nil, err
	}
	in := insight.WhyInput{App: app, Now: c.Now(), ControlPlane: conn.Namespace}
	if in.Windows, err = windowsFor(ctx, conn, app); err != nil {
		c.warn([]string{"explained without sync windows: " + err.Error()})
	}
	if app.Status.Sync.Status == v1alpha1.SyncStatusOutOfSync && c.Planner != nil {
		found, err := c.compare(ctx, conn, app, PlanOptions{})
		if err != nil {
			c.warn([]string{"explained without the fields that differ: " + err.Error()})
		} else {
			in.Plan, in.Masked = found.Plan, found.Masked
		}
	}
	roots, _, err := treeOf(ctx, conn, app)
	if err != nil {
		c.warn([]string{"explained without what the objects own: " + err.Error()})
		return insight.Explain(ctx, in, nil), nil
	}
	in.Nodes = insightNodes(roots, "", nil)
	pods, err := kubernetes.NewForConfig(conn.Config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", conn.Config.Host, err)
	}
	return insight.Explain(ctx, in, &evidence{conn: conn, pods: pods}), nil
}

// insightNodes flattens a tree.
func insightNodes(nodes []*node, parent string, out []insight.Node) []insight.Node {
	for _, n := range nodes {
		flat := insight.Node{Ref: n.ref, Version: n.version, UID: string(n.uid), Created: n.created,
			Health: v1alpha1.HealthStatus{Status: v1alpha1.HealthStatusCode(n.health), Message: n.message}}
		if parent != "" {
			flat.Parents = []string{parent}
		}
		out = insightNodes(n.children, flat.UID, append(out, flat))
	}
	return out
}

// evidence implements insight.Cluster on the cluster of the kubeconfig.
type evidence struct {
	conn *Connection
	pods kubernetes.Interface
}

// Read implements insight.Cluster.
func (e *evidence) Read(ctx context.Context, n insight.Node) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(n.Ref.GroupKind().WithVersion(n.Version))
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	if err := e.conn.Client.Get(rctx, appKey{Namespace: n.Ref.Namespace, Name: n.Ref.Name}, u); err != nil {
		return nil, err
	}
	return u, nil
}

// Events implements insight.Cluster.
func (e *evidence) Events(ctx context.Context, n insight.Node) ([]insight.Event, error) {
	by := client.MatchingFields{"involvedObject.name": n.Ref.Name, "involvedObject.kind": n.Ref.Kind}
	if n.UID != "" {
		by = client.MatchingFields{"involvedObject.uid": n.UID}
	}
	var list corev1.EventList
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	if err := e.conn.Client.List(rctx, &list, client.InNamespace(n.Ref.Namespace), by); err != nil {
		return nil, err
	}
	return insight.EventsOf(list.Items), nil
}

// longestLog bounds what is read of a log to find its last line.
const longestLog = 64 << 10

// LastLine implements insight.Cluster.
func (e *evidence) LastLine(ctx context.Context, pod insight.Node, container string, previous bool) (string, error) {
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	tail, limit := int64(5), int64(longestLog)
	stream, err := e.pods.CoreV1().Pods(pod.Ref.Namespace).GetLogs(pod.Ref.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &tail, LimitBytes: &limit}).Stream(rctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	var last string
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, longestLog)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			last = text
		}
	}
	return last, lines.Err()
}

// writeWhy prints an explanation.
func writeWhy(out io.Writer, w *insight.Why, zone *time.Location) error {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if w.Status != "" {
		add("%s: %s", w.Status, w.Sentence)
	} else {
		add("%s", w.Sentence)
	}
	for i, c := range w.Causes {
		if i == 0 {
			add("")
			add("CAUSES")
		}
		add("  %d. %s", i+1, c.Message)
		for _, e := range c.Evidence {
			at := ""
			if e.Time != nil {
				at = " (" + e.Time.In(zone).Format(time.RFC3339) + ")"
			}
			add("     %-9s  %s%s", e.Kind, e.Text, at)
		}
	}
	for i, n := range w.Next {
		if i == 0 {
			add("")
			add("NEXT")
		}
		add("  %s", n.Text)
		if n.Command != "" {
			add("    %s", n.Command)
		}
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(out, clean(l)); err != nil {
			return err
		}
	}
	return nil
}
