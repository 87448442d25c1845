package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

// clusterState is a destination cluster as lists show it.
type clusterState struct {
	Server           string          `json:"server"`
	Name             string          `json:"name"`
	Namespaces       []string        `json:"namespaces,omitempty"`
	ClusterResources bool            `json:"clusterResources,omitempty"`
	ServerVersion    string          `json:"serverVersion,omitempty"`
	State            connectionState `json:"connectionState"`
	Project          string          `json:"project,omitempty"`
	Secret           string          `json:"secret,omitempty"`
	Shard            *int64          `json:"shard,omitempty"`
}

func (c *cli) clusterCommand() *cobra.Command {
	cmd := c.group("cluster", "Look at destination clusters", "  belay cluster list\n  belay cluster get in-cluster",
		c.clusterList(), c.clusterGet())
	cmd.Aliases = []string{"clusters"}
	return cmd
}

// clusters lists the cluster of the control plane and those of cluster Secrets. Only the first is connected to from here.
func (c *Connection) clusters(ctx context.Context) ([]clusterState, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var list corev1.SecretList
	if err := c.Client.List(rctx, &list, client.InNamespace(c.Namespace), client.MatchingLabels{v1alpha1.LabelSecretType: "cluster"}); err != nil {
		return nil, fmt.Errorf("list Secrets of clusters: %w", err)
	}
	secrets := make([]*corev1.Secret, len(list.Items))
	for i := range list.Items {
		secrets[i] = &list.Items[i]
	}
	found, problems := settings.NewClusters(secrets)
	var out []clusterState
	for _, k := range found {
		out = append(out, clusterState{Server: k.Server, Name: k.Name, Namespaces: k.Namespaces, ClusterResources: k.ClusterResources,
			Project: k.Project, Secret: k.SecretName, Shard: k.Shard, State: connectionState{Status: "Unknown"}})
	}
	at := slices.IndexFunc(out, func(s clusterState) bool { return s.Server == v1alpha1.InClusterServer })
	if at < 0 {
		out = append([]clusterState{{Server: v1alpha1.InClusterServer, Name: v1alpha1.InClusterName}}, out...)
		at = 0
	}
	out[at].ServerVersion, out[at].State = c.serverVersion()
	for _, p := range problems {
		out = append(out, clusterState{Name: strings.TrimPrefix(p.Object, "Secret/"), State: connectionState{Status: "Failed", Message: mask.Text(p.Error())}})
	}
	return out, nil
}

func (c *Connection) serverVersion() (string, connectionState) {
	d, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err == nil {
		if info, verr := d.ServerVersion(); verr == nil {
			return strings.TrimPrefix(info.Major+"."+info.Minor, "v"), connectionState{Status: "Successful"}
		} else {
			err = verr
		}
	}
	return "", connectionState{Status: "Failed", Message: mask.Text(err.Error())}
}

func (c *cli) clusterList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List destination clusters",
		Example: "  belay cluster list\n  belay cluster list -o server", Args: argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			all, err := conn.clusters(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, all)
			}
			var rows [][]string
			for _, s := range all {
				if output == "server" {
					fmt.Fprintln(c.Out, clean(s.Server))
					continue
				}
				server := s.Server
				if n := len(s.Namespaces); n > 0 {
					server = fmt.Sprintf("%s (%d namespaces)", server, n)
				}
				rows = append(rows, []string{server, s.Name, s.ServerVersion, s.State.Status, s.State.Message, s.Project})
			}
			if output == "server" {
				return nil
			}
			return table(c.Out, []string{"SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "server", "json", "yaml")
	return cmd
}

func (c *cli) clusterGet() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "get SERVER/NAME", Short: "Show a destination cluster",
		Example: "  belay cluster get in-cluster\n  belay cluster get https://kubernetes.default.svc -o json", Args: argCount(1, 1, "the address or the name of a cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			all, err := conn.clusters(cmd.Context())
			if err != nil {
				return err
			}
			var names []string
			for _, s := range all {
				if s.Server != "" && s.Server == strings.TrimRight(args[0], "/") || s.Name == args[0] {
					return c.printCluster(s, output)
				}
				names = append(names, s.Name)
			}
			f := &Failure{Exit: ExitAPI, Code: "ClusterNotFound", Err: fmt.Errorf("cluster %s is not registered", args[0]), Hint: "see belay cluster list"}
			if near := nearest(args[0], names); len(near) > 0 {
				f.Hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return f
		},
	}
	c.outputFlag(cmd, &output, "yaml", "json", "wide", "server")
	return cmd
}

func (c *cli) printCluster(s clusterState, format string) error {
	switch format {
	case "json", "yaml":
		return printAs(c.Out, format, s)
	case "server":
		_, err := fmt.Fprintln(c.Out, clean(s.Server))
		return err
	}
	return fields(c.Out, [][2]string{
		{"Server URL:", s.Server}, {"Server Name:", orNone(s.Name)}, {"Server Version:", s.ServerVersion},
		{"Namespaces:", firstOf(strings.Join(s.Namespaces, ","), "All")}, {"Cluster Resources:", strconv.FormatBool(len(s.Namespaces) == 0 || s.ClusterResources)},
		{"Project:", orNone(s.Project)}, {"Status:", strings.TrimSpace(s.State.Status + " " + s.State.Message)},
	})
}
