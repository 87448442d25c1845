package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

func (c *cli) projCommand() *cobra.Command {
	proj := c.group("proj", "Look at projects and change them: what their applications may deploy, from where, to where and when",
		"  belay proj list\n  belay proj get callcenter-ai\n  belay proj windows list callcenter-ai",
		c.projList(), c.projGet(), c.projCreate(), c.projSet(), c.projEdit(), c.projDelete(), c.projWindows(), c.projRole())
	proj.AddCommand(c.projLists()...)
	proj.Aliases = []string{"project", "projects"}
	return proj
}

func (c *cli) projList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List projects",
		Example: "  belay proj list\n  belay proj list -o name",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			projects, err := conn.ListProjects(cmd.Context())
			if err != nil {
				return err
			}
			return printProjects(c.Out, projects, output)
		},
	}
	c.outputFlag(cmd, &output, "wide", "name", "json", "yaml")
	return cmd
}

func (c *cli) projGet() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "get PROJECT", Short: "Show a project",
		Example:           "  belay proj get callcenter-ai\n  belay proj get callcenter-ai -o yaml",
		Args:              argCount(1, 1, "the name of a project"),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := readProject(cmd.Context(), conn, args[0])
			if err != nil {
				return err
			}
			if output == "wide" {
				return printProject(c.Out, p)
			}
			if output == "name" {
				_, err := fmt.Fprintln(c.Out, p.Name)
				return err
			}
			p.ManagedFields = nil
			return printAs(c.Out, output, p)
		},
	}
	c.outputFlag(cmd, &output, "wide", "name", "json", "yaml")
	return cmd
}

func (c *cli) completeProjects(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	conn, err := c.connect(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	all, err := conn.ListProjects(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// printProjects prints the table of `proj list`; long lists are counted.
func printProjects(out io.Writer, projects []v1alpha1.AppProject, format string) error {
	switch format {
	case "json", "yaml":
		if projects == nil {
			projects = []v1alpha1.AppProject{}
		}
		return printAs(out, format, projects)
	case "name":
		for _, p := range projects {
			if _, err := fmt.Fprintln(out, p.Name); err != nil {
				return err
			}
		}
		return nil
	}
	rows := make([][]string, len(projects))
	for i, p := range projects {
		s := p.Spec
		var destinations, clusterKinds, keys []string
		for _, d := range s.Destinations {
			destinations = append(destinations, destinationWord(d))
		}
		for _, k := range s.ClusterResourceWhitelist {
			clusterKinds = append(clusterKinds, k.Group+"/"+k.Kind)
		}
		for _, k := range s.SignatureKeys {
			keys = append(keys, k.KeyID)
		}
		namespaced := "<none>"
		if n := len(s.NamespaceResourceBlacklist); n > 0 {
			namespaced = strconv.Itoa(n) + " resources"
		}
		orphaned := "disabled"
		if o := s.OrphanedResources; o != nil {
			orphaned = fmt.Sprintf("enabled (warn=%t)", o.Warn == nil || *o.Warn)
		}
		rows[i] = []string{p.Name, s.Description, counted(destinations, "destinations"), mask.Text(counted(s.SourceRepos, "repos")),
			counted(clusterKinds, "resources"), namespaced, counted(keys, "key(s)"), orphaned, counted(s.SourceNamespaces, "namespaces")}
	}
	header := []string{"NAME", "DESCRIPTION", "DESTINATIONS", "SOURCES", "CLUSTER-RESOURCE-WHITELIST", "NAMESPACE-RESOURCE-BLACKLIST",
		"SIGNATURE-KEYS", "ORPHANED-RESOURCES", "SOURCE-NAMESPACES"}
	return table(out, header, rows)
}

// counted is the only value, or how many there are.
func counted(values []string, what string) string {
	switch len(values) {
	case 0:
		return "<none>"
	case 1:
		return values[0]
	}
	return strconv.Itoa(len(values)) + " " + what
}

func destinationWord(d v1alpha1.ApplicationDestination) string {
	server := d.Server
	if server == "" {
		server = d.Name
	}
	return server + "," + d.Namespace
}

// printProject prints all that a project says, a line for each value.
func printProject(out io.Writer, p *v1alpha1.AppProject) error {
	s := p.Spec
	pairs := [][2]string{{"Name:", p.Name}, {"Description:", s.Description}}
	add := func(name string, values []string) {
		if len(values) == 0 {
			values = []string{"<none>"}
		}
		for i, v := range values {
			if i > 0 {
				name = ""
			}
			pairs = append(pairs, [2]string{name, mask.Text(v)})
		}
	}
	var destinations, clusterAllow, clusterDeny, roles []string
	for _, d := range s.Destinations {
		destinations = append(destinations, destinationWord(d))
	}
	restriction := func(items []v1alpha1.ClusterResourceRestrictionItem) (words []string) {
		for _, k := range items {
			word := k.Group + "/" + k.Kind
			if k.Name != "" {
				word += "/" + k.Name
			}
			words = append(words, word)
		}
		return words
	}
	clusterAllow, clusterDeny = restriction(s.ClusterResourceWhitelist), restriction(s.ClusterResourceBlacklist)
	for _, r := range s.Roles {
		roles = append(roles, fmt.Sprintf("%s (%d policies, %d groups)", r.Name, len(r.Policies), len(r.Groups)))
	}
	add("Destinations:", destinations)
	add("Repositories:", s.SourceRepos)
	add("Source Namespaces:", s.SourceNamespaces)
	add("Cluster Allowed:", clusterAllow)
	add("Cluster Denied:", clusterDeny)
	add("Namespaced Allowed:", allowedKinds(s.NamespaceResourceWhitelist))
	add("Namespaced Denied:", kindWords(s.NamespaceResourceBlacklist))
	add("Roles:", roles)
	windows := make([]string, len(s.SyncWindows))
	for i, w := range s.SyncWindows {
		if w != nil {
			windows[i] = w.Kind + ":" + w.Schedule + ":" + w.Duration
		}
	}
	add("Sync Windows:", slices.DeleteFunc(windows, func(s string) bool { return s == "" }))
	return fields(out, pairs)
}

func kindWords(kinds []metav1.GroupKind) []string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = k.Group + "/" + k.Kind
	}
	return words
}

// allowedKinds tells no list, which allows all kinds, from an empty one, which allows none.
func allowedKinds(kinds []metav1.GroupKind) []string {
	if kinds == nil {
		return []string{"*/*"}
	}
	return kindWords(kinds)
}
