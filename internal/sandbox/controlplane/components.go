package controlplane

import (
	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// The components, named as their processes are: the sandbox binary starts itself under these names.
const (
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	schedulerName     = "kube-scheduler"
)

// RunComponent runs the Kubernetes component of that name in this process, with args as its flags, until it ends or is
// signalled; ok is false if there is no such component. Each needs a process of its own: feature gates, metrics and
// loggers are global to a process.
func RunComponent(name string, args []string) (exitCode int, ok bool) {
	var command *cobra.Command
	switch name {
	case apiServer:
		command = apiserver.NewAPIServerCommand()
	case controllerManager:
		command = controllers.NewControllerManagerCommand()
	case schedulerName:
		command = scheduler.NewSchedulerCommand()
	default:
		return 0, false
	}
	command.SetArgs(args)
	return cli.Run(command), true
}
