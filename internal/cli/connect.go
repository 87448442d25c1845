package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Connection is the cluster that a command speaks with.
type Connection struct {
	Client client.WithWatch
	Config *rest.Config
	// Namespace is where the control plane and unqualified Applications live.
	Namespace string
	// Timeout bounds one request; 0 means no bound.
	Timeout time.Duration

	planner PlannerFunc
	audit   AuditFunc
	now     func() time.Time
	user    *string // who asks, once that was asked for
}

// request bounds one API request.
func (c *Connection) request(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.Timeout)
}

// writeGrace is how long a write may go on after an interruption.
const writeGrace = 5 * time.Second

// outlasting is a context for a write, which ends some time after the given one: a write that is cut off on its way may have
// taken effect or not, and the user would not be told which.
func outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(writeGrace, cancel) })
	return longer, func() { stop(); cancel() }
}

// connect opens the control plane that the flags, the environment and the saved contexts name: an API server, or without one
// the cluster of the kubeconfig. For a cluster it sends no request.
func (c *cli) connect(ctx context.Context) (ControlPlane, error) {
	target, err := c.target()
	if err != nil {
		return nil, err
	}
	if target == nil {
		return c.openCluster()
	}
	return c.openServer(ctx, *target)
}

// connectCluster opens the cluster of the kubeconfig, for commands that an API server cannot serve.
func (c *cli) connectCluster() (*Connection, error) {
	target, err := c.target()
	if err != nil {
		return nil, err
	}
	if target != nil {
		// Acting on whatever cluster the kubeconfig names in its place could hit the wrong one.
		f := usageError("%s names the API server %q, and this command needs the cluster of a kubeconfig", target.from, target.Server)
		f.Hint = "add --core (or ARGOCD_OPTS=--core) to use the kubeconfig in spite of it"
		return nil, f
	}
	return c.openCluster()
}

func (c *cli) openCluster() (*Connection, error) {
	config, err := c.restConfig()
	if err != nil {
		f := &Failure{Exit: ExitAPI, Code: "NoCluster", Err: fmt.Errorf("read kubeconfig: %w", err)}
		f.Hint = "name a kubeconfig with --kubeconfig or KUBECONFIG and a context of it with --kube-context, or an API server with: belay login SERVER"
		return nil, f
	}
	conn, err := Connect(config, c.kube.namespace, c.kube.requestTimeout.duration())
	if err != nil {
		return nil, err
	}
	conn.planner, conn.audit, conn.now = c.Env.Planner, c.Env.Audit, c.Now
	return conn, nil
}

// Connect returns a connection to the cluster of config.
func Connect(config *rest.Config, namespace string, timeout time.Duration) (*Connection, error) {
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register core kinds: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register argoproj.io kinds: %w", err)
	}
	// Without a logger of its own controller-runtime complains on standard error after 30 seconds.
	ctrllog.SetLogger(logr.Discard())
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	lazy, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	mapper := meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{knownKinds(), lazy}}
	cl, err := client.NewWithWatch(config, client.Options{HTTPClient: httpClient, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return &Connection{Client: cl, Config: config, Namespace: namespace, Timeout: timeout, now: time.Now}, nil
}

// knownKinds maps our own kinds without asking the server, which saves every command two round trips.
func knownKinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper([]schema.GroupVersion{v1alpha1.GroupVersion()})
	for kind, plural := range map[string]schema.GroupVersionResource{
		v1alpha1.ApplicationKind: v1alpha1.ApplicationResource(),
		v1alpha1.AppProjectKind:  v1alpha1.AppProjectResource(),
	} {
		m.AddSpecific(v1alpha1.GroupVersion().WithKind(kind), plural, plural, meta.RESTScopeNamespace)
	}
	return m
}

// kubeconfigRules says which kubeconfig files count, as kubectl does but from the injected environment.
func (c *cli) kubeconfigRules() *clientcmd.ClientConfigLoadingRules {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.kube.kubeconfig, WarnIfAllMissing: false}
	if list := c.Getenv("KUBECONFIG"); list != "" {
		rules.Precedence = filepath.SplitList(list)
	} else if home := c.Getenv("HOME"); home != "" {
		rules.Precedence = []string{filepath.Join(home, ".kube", "config")}
	}
	return rules
}

func (c *cli) restConfig() (*rest.Config, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.kube.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(c.kubeconfigRules(), overrides).ClientConfig()
	if err != nil {
		return nil, err
	}
	config.UserAgent = "belay/" + c.Build.Version
	config.QPS = -1 // the API server's own fairness is enough for one person
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// kubeContexts completes --kube-context.
func (c *cli) kubeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := c.kubeconfigRules().Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, 0, len(config.Contexts))
	for name := range config.Contexts {
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
