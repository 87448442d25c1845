package main

import (
	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/sandbox/controlplane"
)

const longHelp = `belay-sandbox runs a real Kubernetes control plane on this machine, for demonstrations, tests and benchmarks: etcd,
kube-apiserver, kube-controller-manager and kube-scheduler, with nodes and pods that are simulated.

NO CONTAINER RUNS. No image is pulled and no program is started: a pod only reports what it would report if its
containers ran.

It listens on 127.0.0.1 only, prints "ready" and the path of a kubeconfig when it can be used, and ends with everything
that it started on SIGINT or SIGTERM.`

const examples = `  # a cluster that leaves nothing behind
  belay-sandbox

  # a cluster that is still there after a restart
  belay-sandbox --data-dir ~/.local/share/belay-sandbox --kubeconfig ./sandbox.kubeconfig
  kubectl --kubeconfig ./sandbox.kubeconfig get nodes`

// options are the flags.
type options struct {
	dataDir    string
	kubeconfig string
	nodes      int
	port       int
}

func newCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:           "belay-sandbox",
		Short:         "Run a Kubernetes control plane with simulated nodes and pods",
		Long:          longHelp,
		Example:       examples,
		Version:       controlplane.Version().GitVersion,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return serve(command.Context(), o, command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	command.SetVersionTemplate("Kubernetes {{.Version}}\n")
	flags := command.Flags()
	flags.StringVar(&o.dataDir, "data-dir", "", "directory for the cluster's state (default: a temporary one, removed at the end)")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file to write (default: DATA-DIR/kubeconfig)")
	flags.IntVar(&o.nodes, "nodes", 3, "number of simulated nodes")
	flags.IntVar(&o.port, "port", 0, "port of the API server; 0 means the one of the last run or any free one")
	return command
}
