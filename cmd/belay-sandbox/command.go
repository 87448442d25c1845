package main

import (
	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/sandbox/controlplane"
)

const longHelp = `belay-sandbox runs a real Kubernetes control plane on this machine, for demonstrations, tests and benchmarks: etcd,
kube-apiserver, kube-controller-manager and kube-scheduler, with nodes and pods that are simulated.

NO CONTAINER RUNS. No image is pulled and no program is started: a pod only reports what it would report if its
containers ran. Do not use it for workloads.

It listens on 127.0.0.1 only, prints "ready" and the path of a kubeconfig as soon as the cluster can be used, and ends,
with everything that it started, on SIGINT or SIGTERM. Several can run side by side.

Pods become ready at once. Commands made of true, false, exit, sleep and echo, also in a shell script, take as long and
end as they would; so do probes. The annotation belay.dev/sandbox on a pod, or an image tag that ends in the same word,
chooses a fault:

  crash-loop              ends at once with exit code 1
  image-pull-error        the image cannot be pulled
  slow-start[=10s]        stays in ContainerCreating for a while
  out-of-memory           is ended as OOMKilled
  never-ready             runs, but its readiness probe fails
  slow-stop[=10s]         takes its time when it is deleted
  pending                 on a Service, an Ingress or a claim: never gets an address or a volume

Pods use half of the CPU and memory that they request, so "kubectl top" and autoscalers work. Other annotations of a pod
choose what each of its containers uses:

  belay.dev/sandbox-cpu      250m, or a share of the request: 140%
  belay.dev/sandbox-memory   1Gi, or a share

docs/reference/sandbox.md has the whole list.`

const examples = `  # a cluster that leaves nothing behind
  belay-sandbox

  # a cluster whose state survives a restart, at a fixed port
  belay-sandbox --data-dir ./cluster --kubeconfig ./sandbox.kubeconfig --port 6443

  # use it
  export KUBECONFIG=./sandbox.kubeconfig
  kubectl create job hello --image busybox -- sh -c 'echo hello; sleep 2; exit 1'
  kubectl logs job/hello

  # break a Deployment, and mend it
  kubectl patch deployment web -p '{"spec":{"template":{"metadata":{"annotations":{"belay.dev/sandbox":"crash-loop"}}}}}'
  kubectl rollout undo deployment web`

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
