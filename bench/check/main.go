// Command check measures belay check: its program goes in; how long it takes for repositories that it makes, how much processor
// time and memory, and beside it kubeconform on the same manifests if that is at hand, come out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

type options struct {
	belay, kubeconform, schemas string
	apps, changed               int
	repeat                      int
}

func main() {
	var o options
	flag.StringVar(&o.belay, "belay", "bin/belay", "the program to measure")
	flag.StringVar(&o.kubeconform, "kubeconform", "", "the program to compare with; empty leaves it out")
	flag.StringVar(&o.schemas, "schemas", "", "where kubeconform finds schemas, as its -schema-location takes it: below a directory, so that it needs no network")
	flag.IntVar(&o.apps, "apps", 1000, "applications, of ten objects each")
	flag.IntVar(&o.changed, "changed", 5, "applications that the pull request touches")
	flag.IntVar(&o.repeat, "repeat", 3, "runs of each measurement; the fastest counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	belay, err := filepath.Abs(o.belay)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "belay-bench-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fleet, plain, faulty := filepath.Join(dir, "fleet"), filepath.Join(dir, "plain"), filepath.Join(dir, "faulty")
	if err := makeFleet(ctx, fleet, o); err != nil {
		return err
	}
	if err := errors.Join(makePlain(plain, o.apps, ""), makePlain(faulty, o.apps, "maxUnavailable: 0")); err != nil {
		return err
	}
	objects := o.apps * len(manifests())
	out := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(out, "measurement\tobjects\twall\tCPU\tobjects/s of CPU\tmemory")
	row := func(name string, n int, cmd ...string) error {
		m, err := measure(ctx, o.repeat, cmd)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "%s\t%d\t%.2f s\t%.2f s\t%.0f\t%d MiB\n", name, n, m.wall.Seconds(), m.cpu.Seconds(), float64(n)/m.cpu.Seconds(), m.memory>>20)
		return nil
	}
	errs := []error{
		row("start-up: one manifest", 1, belay, "check", filepath.Join(plain, "app-0000", "configmap.yaml")),
		row("plain manifests", objects, belay, "check", plain),
		row("plain manifests, a finding in ten", objects, belay, "check", faulty),
		row(fmt.Sprintf("%d kustomize applications", o.apps), objects, belay, "check", fleet),
		row(fmt.Sprintf("pull request: %d applications of %d", o.changed, o.apps), o.changed*len(manifests()), belay, "check", "--base", "main", fleet),
		row("the preview of that pull request", o.changed*len(manifests()), belay, "preview", "--base", "main", fleet),
	}
	if err := touchBase(fleet); err != nil {
		return err
	}
	errs = append(errs, row("pull request: the base of all, both sides", 2*objects, belay, "check", "--base", "main", fleet))
	if o.kubeconform != "" {
		cmd := []string{o.kubeconform, "-n", "1", "-ignore-missing-schemas"}
		if o.schemas != "" {
			cmd = append(cmd, "-schema-location", o.schemas)
		}
		errs = append(errs, row("kubeconform, plain manifests", objects, append(cmd, plain)...))
	}
	return errors.Join(append(errs, out.Flush())...)
}

// cost is what one run took.
type cost struct {
	wall, cpu time.Duration
	memory    int64 // bytes, at most
}

// measure runs a command several times and returns the run that took the least processor time. Exit code 1 says that something
// was found, which is a result.
func measure(ctx context.Context, repeat int, cmd []string) (best cost, err error) {
	for i := range max(1, repeat) {
		c := exec.CommandContext(ctx, cmd[0], cmd[1:]...)
		var complaints strings.Builder
		c.Stderr = &complaints
		began := time.Now()
		err := c.Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd, " "), err, complaints.String())
		}
		now := cost{wall: time.Since(began), cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
		if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
			now.memory = usage.Maxrss << 10
		}
		if i == 0 || now.cpu < best.cpu {
			best = now
		}
	}
	return best, nil
}
