package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// kubeFlags choose the cluster and the namespaces.
type kubeFlags struct {
	kubeconfig     string
	context        string
	namespace      string
	requestTimeout seconds
	core           bool
	fs             *pflag.FlagSet
}

// namespaceGiven reports whether --namespace was set; another value than its default says so, too.
func (k *kubeFlags) namespaceGiven() bool {
	return k.namespace != defaultNamespace || k.fs != nil && k.fs.Changed("namespace")
}

// defaultNamespace is where Applications live unless a flag or their name says otherwise.
const defaultNamespace = "argocd"

func (k *kubeFlags) bind(fs *pflag.FlagSet) {
	k.requestTimeout = seconds(30 * time.Second)
	fs.StringVar(&k.kubeconfig, "kubeconfig", "", "kubeconfig file (default: KUBECONFIG, then ~/.kube/config)")
	fs.StringVar(&k.context, "kube-context", "", "kubeconfig context (default: the current one)")
	fs.StringVarP(&k.namespace, "namespace", "n", defaultNamespace, "namespace of the control plane and of unqualified application names")
	fs.Var(&k.requestTimeout, "request-timeout", "give up on one API request after this time")
	fs.BoolVar(&k.core, "core", false, "speak with the cluster of the kubeconfig, and with no API server")
	k.fs = fs
}

// bindHome gives commands whose --namespace is that of objects another name, and the same shorthand, for the namespace of the control
// plane.
func (k *kubeFlags) bindHome(fs *pflag.FlagSet) {
	fs.StringVarP(&k.namespace, "control-plane-namespace", "n", defaultNamespace, "namespace of the control plane and of unqualified application names")
}

func (f *serverFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.server, "server", "", "address of the API server (default: ARGOCD_SERVER, then the saved context)")
	fs.StringVar(&f.authToken, "auth-token", "", "token for the API server (default: ARGOCD_AUTH_TOKEN, then that of the saved context)")
	fs.StringVar(&f.config, "config", "", "file of saved contexts (default: ~/.config/argocd/config)")
	fs.StringVar(&f.context, "argocd-context", "", "saved context to use (default: the current one)")
	fs.BoolVar(&f.plaintext, "plaintext", false, "speak HTTP with the API server, without TLS")
	fs.BoolVar(&f.insecure, "insecure", false, "accept any certificate of the API server")
	fs.StringVar(&f.rootPath, "grpc-web-root-path", "", "path that a proxy puts in front of those of the API server")
	fs.StringVar(&f.ca, "server-crt", "", "file with the certificate authority of the API server")
	fs.StringVar(&f.clientCert, "client-crt", "", "file with a client certificate for the API server")
	fs.StringVar(&f.clientKey, "client-crt-key", "", "file with the key of --client-crt")
}

// ignoredFlags are global argocd flags that scripts carry and that have no meaning here: the API server is spoken with by plain
// HTTP requests, which every proxy passes on.
type ignoredFlags struct {
	grpcWeb, portForward               bool
	logFormat, logLevel, portForwardNS string
}

func (i *ignoredFlags) bind(fs *pflag.FlagSet) {
	for name, p := range map[string]*bool{
		"grpc-web": &i.grpcWeb, "port-forward": &i.portForward,
	} {
		fs.BoolVar(p, name, false, "accepted and ignored")
		hide(fs, name)
	}
	for name, p := range map[string]*string{
		"logformat": &i.logFormat, "loglevel": &i.logLevel, "port-forward-namespace": &i.portForwardNS,
	} {
		fs.StringVar(p, name, "", "accepted and ignored")
		hide(fs, name)
	}
}

// hide keeps a flag out of the help.
func hide(fs *pflag.FlagSet, name string) {
	if f := fs.Lookup(name); f != nil {
		f.Hidden = true
	}
}

// seconds is a duration flag that also takes a bare number of seconds, as argocd does.
type seconds time.Duration

func (s *seconds) String() string {
	if *s == 0 {
		return "0"
	}
	return time.Duration(*s).String()
}

func (s *seconds) Type() string { return "duration" }

func (s *seconds) Set(text string) error {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		*s = seconds(time.Duration(n) * time.Second)
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is neither a duration such as 90s or 5m nor a number of seconds", text)
	}
	*s = seconds(d)
	return nil
}

func (s *seconds) duration() time.Duration { return time.Duration(*s) }

// argCount refuses another number of arguments than min to max (max < 0: any), in words.
func argCount(min, max int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= min && (max < 0 || len(args) <= max) {
			return nil
		}
		f := usageError("%s needs %s, got %d arguments", cmd.CommandPath(), what, len(args))
		f.Hint = "see " + cmd.CommandPath() + " --help"
		return f
	}
}
