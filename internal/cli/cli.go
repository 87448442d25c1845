// Package cli is the command line: arguments, a kubeconfig and an environment go in; API calls, results on standard
// output, progress on standard error and an exit code come out.
//
// Verbs, flags, columns and exit codes are those of the argocd command line, so that `alias argocd=belay` works. All
// of them act on the custom resources alone, by the operation protocol, and so on any controller that serves it.
package cli

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Env is everything that the commands take from the process that they run in.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
	// Now is the clock; its location is the one in which times are printed.
	Now func() time.Time
	// Build identifies the program.
	Build Build
	// Planner opens the engine that plans and renders. Without it the commands that need it say so and fail.
	Planner PlannerFunc
	// Prober opens what repositories are tried with. Without it they are not.
	Prober ProberFunc
	// Server opens API servers. Without it commands work on the cluster of a kubeconfig alone.
	Server ServerFunc
	// Audit opens the record of activities. Without it the command that reads it says so and fails.
	Audit AuditFunc
	// Checker judges repositories. Without it the command that does so says so and fails.
	Checker CheckFunc
	// Policies tests and lints policies. Without it the commands that do so say so and fail.
	Policies PolicyEngine
	// Previewer renders repositories. Without it the command that previews says so and fails.
	Previewer PreviewFunc
	// Notifications opens what is told to whom. Without it the commands that try it out say so and fail.
	Notifications NotificationsFunc
	// Commands are further commands, such as the one that runs the controller.
	Commands []*cobra.Command
}

// Build says which program this is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Date    string `json:"date,omitempty"`
	Go      string `json:"go"`
}

// cli is the state that the commands share: the environment and the global flags.
type cli struct {
	Env
	kube     kubeFlags
	server   serverFlags
	noColor  bool
	output   string // of the command that runs, for the form of errors
	logFlags ignoredFlags
}

// Main runs the command line args and returns the exit code. Cancelling ctx interrupts it.
func Main(ctx context.Context, env Env, args []string) int {
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	c := &cli{Env: env}
	root := c.root()
	extra, err := splitWords(env.Getenv("ARGOCD_OPTS"))
	if err != nil {
		return c.report(usageError("parse ARGOCD_OPTS: %w", err))
	}
	root.SetArgs(withOptions(args, extra))
	return c.report(root.ExecuteContext(ctx))
}

// withOptions puts the flags of ARGOCD_OPTS behind the words of args, before a "--". Completion requests and an empty
// command line stay as they are: flags there would be mistaken for input.
func withOptions(args, extra []string) []string {
	if len(extra) == 0 || len(args) == 0 || strings.HasPrefix(args[0], "__complete") {
		return args
	}
	for i, a := range args {
		if a == "--" {
			return append(append(append([]string{}, args[:i]...), extra...), args[i:]...)
		}
	}
	return append(append([]string{}, args...), extra...)
}

// New returns the root command, for generated documentation.
func New(env Env) *cobra.Command {
	return (&cli{Env: env}).root()
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "belay",
		Short: "Keep Kubernetes clusters in step with Git",
		Long: `Belay keeps Kubernetes clusters in step with Git. It reads the Application and AppProject resources of Argo CD as
they stand. The commands below speak with an API server, as "belay login" or --server names one, or with the cluster of the
kubeconfig.`,
		Example: `  # which applications are there, and how are they?
  belay app list

  # what would a sync change? then do it
  belay app diff callcenter-ai-prod
  belay app sync callcenter-ai-prod

  # go back to the deployment before the last
  belay app history callcenter-ai-prod
  belay app rollback callcenter-ai-prod 42`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          c.noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &Failure{Exit: ExitUsage, Code: "Usage", Err: err, Hint: "see " + cmd.CommandPath() + " --help"}
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&c.noColor, "no-color", false, "print without colours and without a live display")
	c.kube.bind(root.PersistentFlags())
	c.server.bind(root.PersistentFlags())
	// Only an unknown flag or a second registration fails, which a start would show.
	_ = root.RegisterFlagCompletionFunc("kube-context", c.kubeContexts)
	c.logFlags.bind(root.PersistentFlags())
	root.AddCommand(c.appCommand(), c.projCommand(), c.repoCommand(), c.repoCredsCommand(), c.certCommand(), c.gpgCommand(), c.clusterCommand(), c.accountCommand(), c.rbacCommand())
	root.AddCommand(c.loginCommand(), c.logoutCommand(), c.reloginCommand(), c.contextCommand())
	root.AddCommand(c.checkCommand(), c.previewCommand(), c.policyCommand())
	root.AddCommand(c.auditCommand(), c.adminCommand(), c.installCommand(), c.versionCommand(), c.completionCommand())
	root.AddCommand(c.Commands...)
	return root
}

// noCommand refuses words that are no command, with the nearest one that is.
func (c *cli) noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, append([]string{sub.Name()}, sub.Aliases...)...)
		}
	}
	f := usageError("unknown command %q for %q", args[0], cmd.CommandPath())
	f.Hint = "see " + cmd.CommandPath() + " --help"
	if near := nearest(args[0], names); len(near) > 0 {
		f.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return f
}

// group returns a command that only holds others.
func (c *cli) group(use, short, example string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: c.noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// Help starts with examples: most people come to copy one.
const helpTemplate = `{{with .Example}}Examples:
{{. | trimTrailingWhitespaces}}

{{end}}{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if gt (len .Aliases) 0}}

Aliases:
  {{.NameAndAliases}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}

Exit codes:
  0    done
  1    a difference was found, an operation failed, or objects still require pruning
  2    wrong usage
  20   the API refused or could not be reached, the object does not exist, or a wait timed out
  130  interrupted
`
