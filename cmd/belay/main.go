// Command belay keeps Kubernetes clusters in step with Git: arguments, environment and standard streams go in; an exit
// code comes out. It is the only place that reads the environment and ends the process.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // sync windows name time zones, which an image need not have

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/cli"
)

// version is set by the linker: -X main.version=1.2.3.
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	// The first signal asks commands to stop; a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return cli.Main(ctx, cli.Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv: os.Getenv, Now: time.Now, Build: build(),
		Planner:   app.OpenPlanner(os.Environ(), cacheDir(), os.Getenv("BELAY_PLUGINS_DIR")),
		Prober:    app.OpenProber(os.Environ()),
		Server:    app.OpenServer,
		Audit:     app.OpenAudit(time.Now),
		Checker:   app.Check,
		Previewer: app.Preview,
		Policies:  app.Policies{},

		Notifications: app.OpenNotifications(os.Environ()),
		Commands:      []*cobra.Command{app.RunCommand(version, os.Environ(), os.Getenv, os.Stderr)},
	}, os.Args[1:])
}

// cacheDir is where mirrors of repositories are kept between commands.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "belay")
}

// build reads what the Go linker recorded.
func build() cli.Build {
	b := cli.Build{Version: version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		}
	}
	return b
}
