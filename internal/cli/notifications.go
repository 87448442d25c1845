package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/settings"
)

// Notifications are what the control plane tells, and what of their settings cannot be used.
type Notifications struct {
	*notify.Config
	Problems []settings.Problem
	// Commit reads what a commit of an application says, as the controller does.
	Commit func(ctx context.Context, app *v1alpha1.Application, revision string) (notify.Commit, error)
	Close  func() error
}

// NotificationsFunc opens the notifications of a control plane; the ConfigMap and the Secret, where they are given, take the places of
// those of the cluster.
type NotificationsFunc func(ctx context.Context, conn *Connection, cm *corev1.ConfigMap, secret *corev1.Secret) (*Notifications, error)

func (c *cli) adminCommand() *cobra.Command {
	return c.group("admin", "Try out what the control plane is set up with", `  belay admin notifications trigger run on-sync-failed callcenter-ai-prod
  belay admin notifications template notify app-sync-failed callcenter-ai-prod`, c.notificationsCommand())
}

func (c *cli) notificationsCommand() *cobra.Command {
	o := &notificationOptions{}
	trigger := c.group("trigger", "Look at triggers, and evaluate them", `  belay admin notifications trigger get
  belay admin notifications trigger run on-sync-failed callcenter-ai-prod`, c.triggerGet(o), c.triggerRun(o))
	template := c.group("template", "Look at templates, and fill them in", `  belay admin notifications template get app-sync-failed
  belay admin notifications template notify app-sync-failed callcenter-ai-prod --recipient slack:ops`, c.templateGet(o), c.templateNotify(o))
	cmd := c.group("notifications", "Look at notifications, and try them out", `  # which triggers are there?
  belay admin notifications trigger get
  # would this one tell something of the application now, and why not?
  belay admin notifications trigger run on-health-degraded callcenter-ai-prod
  # what would it say?
  belay admin notifications template notify app-health-degraded callcenter-ai-prod
  # try a ConfigMap before it is applied, and send a real message
  belay admin notifications template notify app-health-degraded callcenter-ai-prod --config-map cm.yaml --recipient slack:ops`, trigger, template)
	fs := cmd.PersistentFlags()
	fs.StringVar(&o.configMap, "config-map", "", "file with an argocd-notifications-cm, in place of the cluster's")
	fs.StringVar(&o.secret, "secret", "", "file with an argocd-notifications-secret, in place of the cluster's; :empty for one without keys")
	return cmd
}

type notificationOptions struct{ configMap, secret, output string }

// open reads the notifications, and says on standard error what of them cannot be used.
func (c *cli) openNotifications(ctx context.Context, o *notificationOptions) (*Connection, *Notifications, error) {
	conn, err := c.connectCluster()
	if err != nil {
		return nil, nil, err
	}
	if c.Env.Notifications == nil {
		return nil, nil, errors.New("this program cannot send notifications")
	}
	var cm *corev1.ConfigMap
	var secret *corev1.Secret
	if o.configMap != "" {
		cm = &corev1.ConfigMap{}
		if err := readManifest(o.configMap, cm); err != nil {
			return nil, nil, err
		}
	}
	switch o.secret {
	case "":
	case ":empty":
		secret = &corev1.Secret{}
	default:
		secret = &corev1.Secret{}
		if err := readManifest(o.secret, secret); err != nil {
			return nil, nil, err
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
	}
	n, err := c.Env.Notifications(ctx, conn, cm, secret)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range n.Problems {
		fmt.Fprintln(c.Err, "warning: "+clean(p.Error()))
	}
	return conn, n, nil
}

func readManifest(name string, into any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return usageError("read %s: %w", name, err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		return usageError("%s is no manifest of a %T", name, into)
	}
	return nil
}

func (c *cli) triggerGet(o *notificationOptions) *cobra.Command {
	return c.notificationGet(o, listing{what: "trigger", example: "on-sync-failed", header: []string{"NAME", "TEMPLATE", "CONDITION", "DESCRIPTION"},
		names: func(n *Notifications) []string { return n.Triggers() },
		show: func(n *Notifications, name string) (written any, rows [][]string) {
			conditions := n.Trigger(name)
			for _, cond := range conditions {
				rows = append(rows, []string{name, strings.Join(append(slices.Clone(cond.Send), cond.Resolved...), ","), cond.When, cond.Description})
			}
			return conditions, rows
		}})
}

func (c *cli) templateGet(o *notificationOptions) *cobra.Command {
	return c.notificationGet(o, listing{what: "template", example: "app-sync-failed", header: []string{"NAME", "PARTS", "MESSAGE"},
		names: func(n *Notifications) []string { return n.Templates() },
		show: func(n *Notifications, name string) (written any, rows [][]string) {
			t := n.Template(name)
			message, _ := t["message"].(string)
			message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
			parts := slices.DeleteFunc(slices.Sorted(maps.Keys(t)), func(key string) bool { return key == "message" })
			return t, [][]string{{name, strings.Join(parts, ","), message}}
		}})
}

// listing is what there is of something: its names, and each as it is written and as rows.
type listing struct {
	what, example string
	header        []string
	names         func(*Notifications) []string
	show          func(n *Notifications, name string) (written any, rows [][]string)
}

func (c *cli) notificationGet(o *notificationOptions, l listing) *cobra.Command {
	get := "belay admin notifications " + l.what + " get"
	cmd := &cobra.Command{
		Use: "get [NAME]", Short: "List the " + l.what + "s: those of the ConfigMap and those that are always there",
		Example: "  " + get + "\n  " + get + " " + l.example + " -o yaml",
		Args:    argCount(0, 1, "the name of a "+l.what),
	}
	c.outputFlag(cmd, &o.output, "wide", "name", "json", "yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, n, err := c.openNotifications(cmd.Context(), o)
		if err != nil {
			return err
		}
		defer n.Close() //nolint:errcheck // a directory for the time being
		asked, err := oneOf(l.what, l.names(n), args)
		if err != nil {
			return err
		}
		all := map[string]any{}
		var rows [][]string
		for _, name := range asked {
			written, more := l.show(n, name)
			all[name], rows = written, append(rows, more...)
		}
		switch o.output {
		case "name":
			for _, name := range asked {
				fmt.Fprintln(c.Out, clean(name))
			}
			return nil
		case "json", "yaml":
			return printAs(c.Out, o.output, all)
		}
		return table(c.Out, l.header, rows)
	}
	return cmd
}

// oneOf returns the names, or the one that is asked for.
func oneOf(what string, names, args []string) ([]string, error) {
	if len(args) == 0 {
		return names, nil
	}
	if !slices.Contains(names, args[0]) {
		return nil, &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("there is no %s %s", what, clean(args[0])), Hint: "there are " + strings.Join(names, ", ")}
	}
	return args, nil
}

func (c *cli) triggerRun(o *notificationOptions) *cobra.Command {
	return &cobra.Command{
		Use: "run NAME APPNAME", Short: "Say whether the conditions of a trigger hold for an application",
		Long: `Say whether the conditions of a trigger hold for an application as it is now. A field that the application does not have is an
error, which counts as not holding.`,
		Example: "  belay admin notifications trigger run on-sync-failed callcenter-ai-prod",
		Args:    argCount(2, 2, "the names of a trigger and of an application"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, n, err := c.openNotifications(cmd.Context(), o)
			if err != nil {
				return err
			}
			defer n.Close() //nolint:errcheck // a directory for the time being
			if _, err := oneOf("trigger", n.Triggers(), args[:1]); err != nil {
				return err
			}
			_, vars, err := c.subject(cmd.Context(), conn, n, args[1])
			if err != nil {
				return err
			}
			results, err := n.Run(args[0], vars)
			if err != nil {
				return err
			}
			var rows [][]string
			for i, cond := range n.Trigger(args[0]) {
				why := ""
				if results[i].Err != nil {
					why = results[i].Err.Error()
				}
				rows = append(rows, []string{cond.When, fmt.Sprint(results[i].Triggered), results[i].OncePer, why})
			}
			return table(c.Out, []string{"CONDITION", "RESULT", "ONCE PER", "ERROR"}, rows)
		},
	}
}

// subject reads an application and what conditions and templates see of it.
func (c *cli) subject(ctx context.Context, conn *Connection, n *Notifications, name string) (*v1alpha1.Application, map[string]any, error) {
	key, err := (&appFlags{}).key(name, conn.Namespace)
	if err != nil {
		return nil, nil, err
	}
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return nil, nil, err
	}
	var project v1alpha1.AppProject
	seen := &project
	if err := conn.Client.Get(ctx, appKey{Namespace: conn.Namespace, Name: app.Spec.ProjectName()}, &project); err != nil {
		seen = nil // templates do without
	}
	return app, n.Vars(app, seen, func(revision string) (notify.Commit, error) { return n.Commit(ctx, app, revision) }), nil
}

// console is the recipient that Argo CD has for a message that is only shown.
const console = "console"

func (c *cli) templateNotify(o *notificationOptions) *cobra.Command {
	var recipients []string
	cmd := &cobra.Command{
		Use: "notify NAME APPNAME", Short: "Fill a template in for an application, and show or send it",
		Long: `Fill a template in for an application as it is now. The message is shown; with --recipient it is sent, once and whatever
the record says.`,
		Example: `  belay admin notifications template notify app-sync-failed callcenter-ai-prod
  # as Slack would get it, without sending
  belay admin notifications template notify app-sync-failed callcenter-ai-prod --recipient console:slack
  # a real message
  belay admin notifications template notify app-sync-failed callcenter-ai-prod --recipient slack:ops`,
		Args: argCount(2, 2, "the names of a template and of an application"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, n, err := c.openNotifications(cmd.Context(), o)
			if err != nil {
				return err
			}
			defer n.Close() //nolint:errcheck // a directory for the time being
			if _, err := oneOf("template", n.Templates(), args[:1]); err != nil {
				return err
			}
			_, vars, err := c.subject(cmd.Context(), conn, n, args[1])
			if err != nil {
				return err
			}
			for _, r := range recipients {
				if err := c.notify(cmd.Context(), n, args[0], r, vars); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&recipients, "recipient", []string{console + ":stdout"}, "SERVICE:RECIPIENT to send to; console:SERVICE shows what that service would get; may be given several times")
	return cmd
}

func (c *cli) notify(ctx context.Context, n *Notifications, template, recipient string, vars map[string]any) error {
	name, to, _ := strings.Cut(recipient, ":")
	dest := notify.Destination{Service: name, Recipient: to}
	if name == console {
		dest = notify.Destination{Service: to}
	} else if n.Service(name) == nil {
		return &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("there is no service %s", clean(name)),
			Hint: "there are " + strings.Join(append(n.Services(), "console:stdout"), ", ") + "; others are set up in ConfigMap " + notify.ConfigMapName}
	}
	m, err := n.Render([]string{template}, dest, vars)
	if err != nil {
		return err
	}
	if name != console {
		if err := n.Service(name).Send(ctx, m, to); err != nil {
			return fmt.Errorf("send to %s: %w", dest, err)
		}
		fmt.Fprintf(c.Err, "sent to %s\n", clean(dest.String()))
		return nil
	}
	fmt.Fprintln(c.Out, cleanText(m.Text))
	if len(m.Parts) == 0 {
		return nil
	}
	return printAs(c.Out, "yaml", m.Parts)
}
