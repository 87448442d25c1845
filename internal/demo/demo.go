// Package demo runs the workflow guide on one machine: the paths of the programs and an empty directory go in; a cluster,
// a Git server, a Belay that keeps them in step and a live account of what happens come out. Everything listens on
// loopback and lives in that directory, and Stop ends and removes all of it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/belaycd/belay/internal/sandbox"
)

// Config says with what to run.
type Config struct {
	// Belay and Sandbox are the programs. Sandbox is not needed with a Kubeconfig.
	Belay, Sandbox string
	// Dir holds everything that the demo writes. It is emptied at the start and removed by Stop.
	Dir string
	// Kubeconfig is of a cluster to use; empty means one of the demo's own.
	Kubeconfig string
	// Env is the environment of the programs that the demo starts.
	Env []string
	// Out takes the account of what happens.
	Out io.Writer
	// Terminal says that Out is one, so that a line can be written anew.
	Terminal bool
}

// Demo is a running demo.
type Demo struct {
	cfg      Config
	out      *printer
	box      *sandbox.Instance // nil with a cluster that was given
	cluster  *cluster
	repo     *repository
	belay    *process
	metrics  string
	url      string // of Belay's server
	password string // of its account admin
	narrator *narrator
	events   <-chan event
	pushes   chan pushed
	ends     []func() error // what was started, in that order
}

// pushed is a push and whether Belay could be told of it.
type pushed struct {
	push push
	err  error
}

// Kubeconfig is of the demo's cluster.
func (d *Demo) Kubeconfig() string { return d.cluster.kubeconfig }

// CloneURL is the address of the example's repository, for reading and for pushing.
func (d *Demo) CloneURL() string { return d.repo.url }

// URL is the address of Belay's user interface and API.
func (d *Demo) URL() string { return d.url }

// Password is that of the account admin, made at the first start.
func (d *Demo) Password() string { return d.password }

// Metrics is the address of Belay's metrics.
func (d *Demo) Metrics() string { return d.metrics }

// marker is a file that says that a directory is a demo's and may be emptied.
const marker = ".belay-demo"

const (
	clusterTimeout = 3 * time.Minute
	belayTimeout   = time.Minute
	// readyTimeout bounds the first deployments: seconds on the demo's own cluster, which pulls no images.
	readyTimeout = 5 * time.Minute
	givenTimeout = time.Minute
)

// Start starts everything up to the applications. After an error nothing is left running; the directory, with the logs,
// stays.
func Start(ctx context.Context, cfg Config) (*Demo, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the demo's directory: %w", err)
	}
	cfg.Dir = dir
	d := &Demo{cfg: cfg, out: newPrinter(cfg.Out, cfg.Terminal), narrator: newNarrator(), pushes: make(chan pushed, maxEvents)}
	for _, s := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"programs", d.prepare},
		{"cluster", d.startCluster},
		{"repository", d.startRepository},
		{"applications", d.install},
		{"belay", d.startBelay},
	} {
		d.out.begin(s.name)
		text, err := s.run(ctx)
		if err != nil {
			d.out.failed(s.name)
			return nil, errors.Join(err, d.end())
		}
		d.out.done(s.name, text)
	}
	return d, nil
}

// prepare looks for what the demo needs and takes the directory.
func (d *Demo) prepare(ctx context.Context) (string, error) {
	version, err := checkGit(ctx, d.cfg.Env)
	if err != nil {
		return "", err
	}
	programs := []string{d.cfg.Belay}
	if d.cfg.Kubeconfig == "" {
		programs = append(programs, d.cfg.Sandbox)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return "", fmt.Errorf("find %s: %w; build it with: make build", filepath.Base(p), err)
		}
	}
	if err := d.takeDirectory(); err != nil {
		return "", err
	}
	return "belay, git " + version, nil
}

// takeDirectory makes the directory the demo's own, and empties it of what an earlier one left.
func (d *Demo) takeDirectory() error {
	if err := os.MkdirAll(d.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	lock, err := os.Open(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("open the demo's directory: %w", err)
	}
	d.ends = append(d.ends, lock.Close) // closing drops the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another demo runs in %s: stop it first", d.out.path(d.cfg.Dir))
	}
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return fmt.Errorf("read the demo's directory: %w", err)
	}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == marker }) {
		return fmt.Errorf("%s is not empty and not of an earlier demo: name another directory", d.out.path(d.cfg.Dir))
	}
	for _, e := range entries {
		if e.Name() == marker {
			continue
		}
		if err := os.RemoveAll(filepath.Join(d.cfg.Dir, e.Name())); err != nil {
			return fmt.Errorf("remove what an earlier demo left: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.cfg.Dir, marker), nil, 0o644); err != nil {
		return fmt.Errorf("mark the demo's directory: %w", err)
	}
	return nil
}

func (d *Demo) startCluster(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	kubeconfig := d.cfg.Kubeconfig
	if kubeconfig == "" {
		if err := d.launch(ctx); err != nil {
			return "", err
		}
		kubeconfig = d.box.Kubeconfig()
	}
	c, err := connect(kubeconfig)
	if err != nil {
		return "", err
	}
	if err := c.refuseUsed(ctx); err != nil {
		return "", err
	}
	d.cluster = c
	text := fmt.Sprintf("Kubernetes %s at %s", c.version, c.rest.Host)
	if d.box != nil {
		text += "; real, but for its nodes and pods: no container runs"
	}
	return text, nil
}

// launch starts a cluster that outlives ctx, which bounds the start alone.
func (d *Demo) launch(ctx context.Context) error {
	log, err := os.Create(filepath.Join(d.cfg.Dir, "sandbox.log"))
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	abort := context.AfterFunc(ctx, end)
	d.box, err = sandbox.Launch(life, sandbox.Options{
		Binary: d.cfg.Sandbox, DataDir: filepath.Join(d.cfg.Dir, "cluster"), Kubeconfig: filepath.Join(d.cfg.Dir, "kubeconfig"), Log: log,
	})
	abort()
	d.ends = append(d.ends, func() error { return log.Close() })
	if err != nil {
		end()
		return err
	}
	d.ends = append(d.ends, func() error {
		defer end()
		return d.box.Stop()
	})
	return nil
}

func (d *Demo) startRepository(ctx context.Context) (string, error) {
	repo, err := publish(ctx, filepath.Join(d.cfg.Dir, "git"), d.cfg.Env)
	if err != nil {
		return "", err
	}
	d.repo = repo
	d.ends = append(d.ends, repo.close)
	return fmt.Sprintf("%s, branches %s", repo.url, strings.Join(branches(), ", ")), nil
}

func (d *Demo) install(ctx context.Context) (string, error) {
	if d.cfg.Kubeconfig != "" {
		d.ends = append(d.ends, func() error { return d.cluster.uninstall(context.WithoutCancel(ctx)) })
	}
	if err := d.cluster.install(ctx, d.repo.url); err != nil {
		return "", err
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	abort := context.AfterFunc(ctx, stop)
	events, err := watch(watching, d.cluster.rest)
	abort()
	if err != nil {
		stop()
		return "", err
	}
	d.events = events
	d.ends = append(d.ends, func() error { stop(); return nil })
	return "three, with their project, their definitions and the namespace " + controlPlane, nil
}

func (d *Demo) startBelay(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, belayTimeout)
	defer cancel()
	free, err := freeAddresses(3)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(d.cfg.Belay, "run", "--kubeconfig", d.cluster.kubeconfig, "--namespace", controlPlane,
		"--cache-dir", filepath.Join(d.cfg.Dir, "cache"), "--leader-election=false",
		"--address", free[0], "--metrics-addr", free[1], "--health-addr", free[2])
	cmd.Env = d.cfg.Env
	log := filepath.Join(d.cfg.Dir, "belay.log")
	if d.belay, err = start("belay", log, cmd); err != nil {
		return "", err
	}
	d.ends = append(d.ends, d.belay.stop)
	if d.cfg.Kubeconfig != "" { // before Belay ends: it deletes what the applications own
		d.ends = append(d.ends, func() error { return d.cluster.uninstallApplications(context.WithoutCancel(ctx)) })
	}
	d.metrics = "http://" + free[1] + "/metrics"
	if err := d.belay.awaitHTTP(ctx, "http://"+free[2]+"/readyz", http.StatusOK); err != nil {
		return "", err
	}
	// The server answers once the applications are in view.
	d.url = "http://" + free[0]
	if err := d.belay.awaitHTTP(ctx, d.url+"/healthz", http.StatusOK); err != nil {
		return "", err
	}
	if d.password, err = d.cluster.adminPassword(ctx); err != nil {
		return "", err
	}
	d.repo.announce(newHook(d.url+"/api/webhook"), func(p push, err error) { d.pushes <- pushed{p, err} })
	return fmt.Sprintf("%s, log %s, metrics %s", d.url, d.out.path(log), d.metrics), nil
}

// Stop ends everything and removes the demo's directory.
func (d *Demo) Stop() error {
	if err := d.end(); err != nil {
		return err
	}
	if err := os.RemoveAll(d.cfg.Dir); err != nil {
		return fmt.Errorf("remove the demo's directory: %w", err)
	}
	return nil
}

// end ends what was started, the last first.
func (d *Demo) end() error {
	var errs []error
	for _, f := range slices.Backward(d.ends) {
		errs = append(errs, f())
	}
	d.ends = nil
	return errors.Join(errs...)
}
