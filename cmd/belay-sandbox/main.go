// Command belay-sandbox runs a real Kubernetes control plane with simulated nodes and pods: in goes a data directory, out
// comes a kubeconfig.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/belaycd/belay/internal/sandbox/controlplane"
)

func main() {
	os.Exit(run())
}

func run() int {
	if err := controlplane.SetVersion(); err != nil {
		fmt.Fprintln(os.Stderr, "belay-sandbox:", err)
		return 1
	}
	// The control plane starts this binary again under the name of each component.
	if code, ok := controlplane.RunComponent(filepath.Base(os.Args[0]), os.Args[1:]); ok {
		return code
	}
	// The Kubernetes modules register flags of their own with the process (--version as a text flag, for one), and cobra
	// would show them as ours.
	pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "belay-sandbox:", err)
		return 1
	}
	return 0
}
