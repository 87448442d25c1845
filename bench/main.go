// Command bench measures a controller of Argo CD Applications: a cluster, a repository to push to and the processes of
// the controller go in; how long deliveries take, what they cost and how far that is from the limit come out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

type options struct {
	start      string
	kubeconfig string
	namespace  string
	repoURL    string
	pids       []int
	trigger    string
	webhookURL string
	version    string

	apps, objects  int
	repeat, drifts int
	idle, fanout   time.Duration
	timeout        time.Duration
	only           []string
	json           string
	keep           bool

	belay, sandbox string
	belayArgs      []string
	belayLog       string
	log            io.Writer
}

func (o options) measures(name string) bool { return len(o.only) == 0 || slices.Contains(o.only, name) }

func (o options) controllerLog(dir string) string {
	if o.belayLog != "" {
		return o.belayLog
	}
	return filepath.Join(dir, "belay.log")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a controller of Argo CD Applications",
		Long: "Measure a controller of Argo CD Applications: time, CPU and memory of a cold start, of idling, of a commit to one\n" +
			"application, of a commit to all of them and of drift, beside what the API server itself can do in the same run.\n" +
			"The workload is one repository with a kustomize overlay, a namespace and an Application for each of --apps.",
		Example: "  bench --start belay                          # starts a control plane, a Git server and bin/belay\n" +
			"  bench --start belay --apps 1000 --objects 4\n" +
			"  bench --kubeconfig F --repo-url http://127.0.0.1:3000/bench.git --pid 4711 --pid 4712 --trigger refresh",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.log = cmd.ErrOrStderr()
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), o.timeout, errors.New("--timeout is over"))
			defer cancel()
			return run(ctx, o, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.start, "start", "", `"belay" starts a control plane, a Git server and belay; empty measures what runs already`)
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "cluster in which the controller runs or that it serves")
	f.StringVar(&o.namespace, "namespace", "argocd", "namespace of the Applications")
	f.StringVar(&o.repoURL, "repo-url", "", "repository to push to; branch main is overwritten")
	f.IntSliceVar(&o.pids, "pid", nil, "process of the system under test; repeat it; children count too")
	f.StringVar(&o.trigger, "trigger", byWebhook, "how a push is told: webhook, refresh (annotation of the Applications concerned) or poll")
	f.StringVar(&o.webhookURL, "webhook-url", "", "address for --trigger webhook, such as http://127.0.0.1:8080/api/webhook")
	f.StringVar(&o.version, "controller-version", "", "version of the system under test, for the report")
	f.IntVar(&o.apps, "apps", 100, "number of Applications")
	f.IntVar(&o.objects, "objects", 10, "objects of each Application; one of them from the shared base")
	f.IntVar(&o.repeat, "repeat", 5, "commits to one application")
	f.IntVar(&o.drifts, "drifts", 20, "edits of live objects")
	f.DurationVar(&o.idle, "idle", time.Minute, "how long to watch it idle")
	f.DurationVar(&o.fanout, "fanout", 90*time.Second, "how long to wait, after the commits to one, until all Applications name the revision; 0 skips it")
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "end of the run")
	f.StringSliceVar(&o.only, "only", nil, "measures to take (cold, idle, one, all, drift); the others need cold")
	f.StringVar(&o.json, "json", "", "file for the results as JSON lines; empty writes them to standard output before the table")
	f.BoolVar(&o.keep, "keep", false, "keep the Applications and namespaces at the end (without --start)")
	f.StringVar(&o.belay, "belay", "bin/belay", "program for --start belay")
	f.StringVar(&o.sandbox, "sandbox", "bin/belay-sandbox", "control plane for --start")
	f.StringArrayVar(&o.belayArgs, "belay-arg", nil, "more arguments of belay run")
	f.StringVar(&o.belayLog, "belay-log", "", "file for the log of belay; empty drops it at the end")
	return cmd
}

func (o options) check() error {
	switch {
	case o.start != "" && o.start != "belay":
		return fmt.Errorf("--start %s: only belay can be started", o.start)
	case o.start == "" && (o.kubeconfig == "" || o.repoURL == "" || len(o.pids) == 0):
		return errors.New("give --start belay, or --kubeconfig, --repo-url and --pid of what runs already")
	case !slices.Contains([]string{byWebhook, byRefresh, byPoll}, o.trigger):
		return fmt.Errorf("--trigger %s: want webhook, refresh or poll", o.trigger)
	case o.start == "" && o.trigger == byWebhook && o.webhookURL == "":
		return errors.New("--trigger webhook needs --webhook-url")
	case o.apps < 1 || o.objects < 2 || o.repeat < 1 || o.drifts < 1:
		return errors.New("--apps, --repeat and --drifts must be 1 or more, --objects 2 or more")
	}
	return nil
}

func run(ctx context.Context, o options, out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	s, err := newStage()
	if err != nil {
		return err
	}
	defer s.close()
	if o.start != "" {
		if o.kubeconfig, err = s.cluster(ctx, o); err != nil {
			return err
		}
		if o.repoURL, err = s.git(ctx, o); err != nil {
			return err
		}
	}
	b := &bench{o: o, plane: s.plane, report: &report{progress: o.log}, w: workload{
		apps: o.apps, objects: o.objects, name: "bench", namespace: o.namespace, repoURL: o.repoURL,
	}}
	if b.api, err = newAPI(o.kubeconfig); err != nil {
		return err
	}
	if b.repo, err = newRepo(ctx, filepath.Join(s.dir, "work"), o.repoURL, b.w); err != nil {
		return err
	}
	if b.head, err = b.repo.git(ctx, "rev-parse", "HEAD"); err != nil {
		return err
	}
	limits, err := b.between(ctx, s)
	if err != nil {
		return err
	}
	return b.finish(out, limits)
}

// between measures the limit before and after everything else.
func (b *bench) between(ctx context.Context, s *stage) ([]limits, error) {
	var out []limits
	measureLimit := func() error {
		l, err := b.limit(ctx)
		if err != nil {
			return fmt.Errorf("measure limit: %w", err)
		}
		out = append(out, l)
		fmt.Fprintf(b.o.log, "limit: cold %.2f s, all %.3f s, one %.4f s\n", l.Cold, l.All, l.One)
		return nil
	}
	for range 2 {
		if err := measureLimit(); err != nil {
			return nil, err
		}
	}
	if err := b.open(ctx, s); err != nil {
		return nil, err
	}
	if err := b.measure(ctx); err != nil {
		return nil, err
	}
	if err := measureLimit(); err != nil {
		return nil, err
	}
	if b.o.start == "" && !b.o.keep {
		return out, b.clean(ctx)
	}
	return out, nil
}

// open starts the system under test, if it is ours to start, and the views.
func (b *bench) open(ctx context.Context, s *stage) (err error) {
	if b.o.start != "" {
		var pid int
		if pid, b.o.webhookURL, err = s.belay(ctx, b.o, b.o.kubeconfig); err != nil {
			return err
		}
		b.o.pids = []int{pid}
		if b.o.version == "" {
			b.o.version = revisionOf(b.o.belay)
		}
	}
	b.sys = system{b.o.pids}
	if b.apps, err = newView(ctx, b.api, b.applicationsPath(), b.w.selector()); err != nil {
		return err
	}
	if b.maps, err = newView(ctx, b.api, "/api/v1/configmaps", b.w.selector()); err != nil {
		return err
	}
	return pause(ctx, quiet)
}

func (b *bench) applicationsPath() string {
	return "/apis/argoproj.io/v1alpha1/namespaces/" + b.w.namespace + "/applications"
}

func (b *bench) applicationPath(i int) string { return b.applicationsPath() + "/" + b.w.app(i) }

// clean deletes what the run made in somebody else's cluster. Namespaces go in the background.
func (b *bench) clean(ctx context.Context) error {
	for i := range b.w.apps {
		for _, path := range []string{b.applicationPath(i), "/api/v1/namespaces/" + b.w.app(i)} {
			var answer *statusError
			err := b.api.do(ctx, request{method: "DELETE", path: path})
			if err != nil && !(errors.As(err, &answer) && answer.code == 404) {
				return err
			}
		}
	}
	return nil
}

// finish writes the report.
func (b *bench) finish(out io.Writer, all []limits) error {
	var cold, every, one, coldCPU, allCPU []float64
	for _, l := range all {
		cold, every, one = append(cold, l.Cold), append(every, l.All), append(one, l.One)
		coldCPU, allCPU = append(coldCPU, l.ColdCPU), append(allCPU, l.AllCPU)
	}
	l := limits{Cold: median(cold), All: median(every), One: median(one), ColdCPU: median(coldCPU), AllCPU: median(allCPU)}
	b.report.judge(b.w, l)
	facts := b.facts()
	fmt.Fprintln(out, strings.Join(facts, "\n"))
	lines := out
	if b.o.json != "" {
		f, err := os.Create(b.o.json)
		if err != nil {
			return fmt.Errorf("write results: %w", err)
		}
		defer f.Close()
		lines = f
	}
	if err := b.report.lines(lines); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nlimit (median of %d runs, before and after): cold %.3f s %v, all %.3f s %v, one %.4f s %v\n\n",
		len(all), l.Cold, rounded(cold), l.All, rounded(every), l.One, rounded(one))
	return b.report.table(out)
}

func rounded(values []float64) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprintf("%.4g", v)
	}
	return out
}
