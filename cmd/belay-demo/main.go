// Command belay-demo shows Belay's main job on this machine: a cluster, a Git repository and Belay between them. Flags and
// the terminal go in; an account of what happens comes out, until Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"github.com/belaycd/belay/internal/demo"
)

func main() { os.Exit(run()) }

func run() int {
	cfg := demo.Config{Env: os.Environ(), Out: os.Stdout, Terminal: term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("TERM") != "dumb"}
	var once bool
	flag.StringVar(&cfg.Dir, "dir", ".demo", "directory for everything that the demo writes; it is emptied, and removed at the end")
	flag.StringVar(&cfg.Kubeconfig, "kubeconfig", "", "use the cluster of this kubeconfig (default: start one)")
	flag.BoolVar(&once, "once", false, "end when the applications are ready")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "belay-demo: no argument is expected, got %q\n", flag.Args())
		return 2
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "belay-demo: find the other programs:", err)
		return 1
	}
	cfg.Belay, cfg.Sandbox = filepath.Join(filepath.Dir(self), "belay"), filepath.Join(filepath.Dir(self), "belay-sandbox")
	// The first signal ends the demo in order; a second one ends the process at once, and its children with it.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := demo.Run(ctx, cfg, once); err != nil {
		fmt.Fprintln(os.Stderr, "belay-demo:", err)
		if ctx.Err() != nil {
			return 130
		}
		return 1
	}
	return 0
}
