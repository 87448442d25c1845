package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

func (c *cli) appActions() *cobra.Command {
	return c.group("actions", "List what can be done to objects of an application, and do it",
		`  belay app actions list callcenter-ai-prod
  belay app actions run callcenter-ai-prod restart --kind Deployment --resource-name agent-service`,
		c.appActionsList(), c.appActionsRun())
}

// offeredAction is an action as argocd writes it.
type offeredAction struct {
	Group, Kind, Name, Action string
	Disabled                  bool
	namespace, title          string
	params                    []string
}

func (c *cli) appActionsList() *cobra.Command {
	o := &chosenObjects{}
	var output string
	cmd := &cobra.Command{
		Use: "list APPNAME", Short: "List the actions that objects of an application have",
		Long: "List what can be done to objects of an application now: the actions that their kinds have, and those of\n" +
			"resource.customizations.actions in argocd-cm. Without --kind it lists those of the objects of its manifests.",
		Example: `  belay app actions list callcenter-ai-prod
  belay app actions list callcenter-ai-prod --kind Deployment --resource-name agent-service -o wide
  belay app actions list callcenter-ai-prod --kind CronJob -o json`,
		Args: argCount(1, 1, "the name of an application"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			found, err := o.choose(cmd.Context(), conn, args[0], true)
			if err != nil {
				return err
			}
			offered, err := actionsOf(cmd.Context(), conn, found)
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, offered)
			}
			return table(c.Out, actionHeader(output), actionRows(offered, output))
		},
	}
	o.bindChoice(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	o.kindFree = true
	cmd.Flags().Lookup("kind").Usage = "kind of the object (default: any of the manifests)"
	c.outputFlag(cmd, &output, "table", "wide", "json", "yaml")
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "out" { // what argocd calls it
			name = "output"
		}
		return pflag.NormalizedName(name)
	})
	return cmd
}

func actionsOf(ctx context.Context, conn ControlPlane, found chosen) ([]offeredAction, error) {
	offered := []offeredAction{}
	for _, u := range found.objects {
		ref := object.RefOf(u)
		actions, err := conn.ResourceActions(ctx, found.app, u)
		if err != nil {
			return nil, fmt.Errorf("list the actions of %s: %w", ref, err)
		}
		for _, a := range actions {
			row := offeredAction{Group: ref.Group, Kind: ref.Kind, Name: ref.Name, Action: a.Name, Disabled: a.Disabled, namespace: ref.Namespace, title: a.DisplayName}
			for _, p := range a.Params {
				text := p.Name
				if begin := p.Value + p.Default; begin != "" {
					text += "=" + begin
				}
				row.params = append(row.params, text)
			}
			offered = append(offered, row)
		}
	}
	return offered, nil
}

func actionHeader(output string) []string {
	header := []string{"GROUP", "KIND", "NAME", "ACTION", "DISABLED"}
	if output == "wide" {
		header = append(header, "NAMESPACE", "PARAMS", "DISPLAY NAME")
	}
	return header
}

func actionRows(offered []offeredAction, output string) [][]string {
	rows := make([][]string, len(offered))
	for i, a := range offered {
		rows[i] = []string{a.Group, a.Kind, a.Name, a.Action, strconv.FormatBool(a.Disabled)}
		if output == "wide" {
			rows[i] = append(rows[i], a.namespace, strings.Join(a.params, ","), a.title)
		}
	}
	return rows
}

func (c *cli) appActionsRun() *cobra.Command {
	o := &chosenObjects{}
	var given []string
	cmd := &cobra.Command{
		Use: "run APPNAME ACTION", Short: "Run an action of live objects of an application",
		Long: "Run an action of live objects. What it changes goes to the cluster and not to Git: a later sync, or self-heal, undoes\n" +
			"what differs from Git. belay app actions list says which actions there are, and which parameters they take.",
		Example: `  belay app actions run callcenter-ai-prod restart --kind Deployment --resource-name agent-service
  belay app actions run callcenter-ai-prod scale --kind Deployment --resource-name agent-service --param replicas=3
  belay app actions run callcenter-ai-prod restart --kind Deployment --all`,
		Args: argCount(2, 2, "the name of an application and the name of an action"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := paramsOf(given)
			if err != nil {
				return err
			}
			name := args[1]
			act := func(ctx context.Context, conn ControlPlane, app *v1alpha1.Application, u *unstructured.Unstructured) error {
				err := conn.RunAction(ctx, app, u, name, params)
				return actionFailure(err, app, u)
			}
			return c.eachChosen(cmd.Context(), o, args[0], "changed by "+name, act)
		},
	}
	o.bindChoice(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	cmd.Flags().BoolVar(&o.all, "all", false, "run the action of all objects that match")
	cmd.Flags().StringArrayVar(&given, "param", nil, "a parameter of the action, of the form name=value; can be repeated")
	return cmd
}

// paramsOf reads parameters of the form name=value.
func paramsOf(texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			f := usageError("--param needs the form name=value")
			f.Hint = "for example --param replicas=3"
			return nil, f
		}
		if _, twice := out[name]; twice {
			return nil, usageError("the parameter %s is given twice", name)
		}
		out[name] = value
	}
	return out, nil
}

// actionFailure says what to do next where nobody else does.
func actionFailure(err error, app *v1alpha1.Application, u *unstructured.Unstructured) error {
	hint := ""
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Invalid:
		hint = "belay app actions list " + qualified(app) + " --kind " + u.GetKind() + " --resource-name " + u.GetName() + " -o wide"
	case fault.Denied:
		hint = "the project of the application says which objects it may hold: belay proj get " + app.Spec.ProjectName()
	case fault.Conflict:
		hint = "somebody else changed the object at the same time: try again"
	default:
		return err
	}
	f := classify(err)
	if f.Hint == "" {
		f.Hint = hint
	}
	return f
}
