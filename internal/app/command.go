package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// gcPercent trades processor time, of which the controller uses little, for memory: measured on 100 applications, peaks
// are a sixth lower for a sixth more of it. $GOGC overrides it.
const gcPercent = 50

// RunCommand returns `belay run` of a version of the program. env is the environment that the git program inherits; logs go to out.
func RunCommand(version string, env []string, getenv func(string) string, out io.Writer) *cobra.Command {
	var kubeconfig, kubeContext, level string
	var components []string
	cfg := Config{Env: env, Version: version}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the controller and the server: keep the cluster in step with Git",
		Long: "Run Belay until it is stopped. The controller reads Applications and AppProjects of its namespace and keeps their\n" +
			"destinations in step with Git; it refuses to run beside an Argo CD controller. The server answers browsers, command\n" +
			"lines and webhooks. With --components each runs in processes of its own.",
		Example: "  belay run                                  # inside a cluster\n" +
			"  belay run --kubeconfig ~/.kube/config      # from a workstation\n" +
			"  belay run --leader-election=false --metrics-addr 127.0.0.1:8082\n" +
			"  belay run --components server              # beside a belay run --components controller",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var lv slog.Level
			if err := lv.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("read --log-level: %w", err)
			}
			var err error
			if cfg.Components, err = ParseComponents(components); err != nil {
				return fmt.Errorf("read --components: %w", err)
			}
			cfg.Log = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: lv}))
			rc, err := restConfig(kubeconfig, kubeContext, getenv("KUBECONFIG"))
			if err != nil {
				return err
			}
			cfg.REST = rc
			if getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			return Run(cmd.Context(), cfg)
		},
	}
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file (default: in-cluster, then $KUBECONFIG)")
	f.StringVar(&kubeContext, "kube-context", "", "context of the kubeconfig")
	f.StringVarP(&cfg.Namespace, "namespace", "n", "argocd", "namespace of Applications, projects and settings")
	f.StringSliceVar(&components, "components", []string{string(ControllerComponent), string(ServerComponent)},
		"what runs in this process: controller (one replica works at a time), server (all replicas answer)")
	f.StringVar(&cfg.CacheDir, "cache-dir", filepath.Join(os.TempDir(), "belay-cache"), "directory for mirrors of repositories; may be lost")
	f.StringVar(&cfg.MetricsAddr, "metrics-addr", ":8082", "address of /metrics; 0 switches it off")
	f.StringVar(&cfg.HealthAddr, "health-addr", ":8081", "address of /healthz and /readyz; 0 switches it off")
	f.StringVar(&cfg.Address, "address", ":8080", "address of the user interface, the API and /api/webhook; 0 switches them off")
	f.StringVar(&cfg.Address, "webhook-addr", ":8080", "the former name of --address")
	_ = f.MarkDeprecated("webhook-addr", "it is --address now")
	f.StringVar(&cfg.TLSCert, "tls-cert", "", "file with the certificate of --address; without it, a proxy is expected to encrypt")
	f.StringVar(&cfg.TLSKey, "tls-key", "", "file with the key of --tls-cert")
	f.BoolVar(&cfg.TrustForwarded, "trust-forwarded-for", false, "take the address of a caller from the last entry of X-Forwarded-For; only behind a proxy that writes it")
	f.BoolVar(&cfg.LeaderElection, "leader-election", true, "let one of several replicas work at a time")
	f.IntVar(&cfg.Workers, "workers", 64, "applications that are worked on at once")
	f.IntVar(&cfg.InFlight, "in-flight", 32, "write requests under way at once")
	f.BoolVar(&cfg.AllowFile, "allow-file-repositories", false, "permit file:// repositories (whoever may write Applications could read local repositories)")
	f.StringVar(&cfg.PluginsDir, "plugins-dir", getenv("BELAY_PLUGINS_DIR"), "directory with definitions of config management plugins, whose programs then run here; empty ($BELAY_PLUGINS_DIR) switches plugins off")
	f.StringVar(&cfg.PprofAddr, "pprof-addr", "", "loopback address of Go's profiler, for example 127.0.0.1:6060; empty switches it off")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func restConfig(kubeconfig, kubeContext, fromEnv string) (*rest.Config, error) {
	if kubeconfig == "" && kubeContext == "" && fromEnv == "" {
		if rc, err := rest.InClusterConfig(); err == nil {
			return rc, nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	rc, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	return rc, nil
}
