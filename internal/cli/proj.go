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
				globals, err := conn.GlobalProjects(cmd.Context(), p)
				if err != nil {
					return err
				}
				return printProject(c.Out, p, globals)
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

// printProject prints all that a project says, a line for each value, and what it takes over from global projects.
func printProject(out io.Writer, p *v1alpha1.AppProject, globals []*v1alpha1.AppProject) error {
	pairs := [][2]string{{"Name:", p.Name}, {"Description:", p.Spec.Description}}
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
	own := wordsOf(&p.Spec)
	var names []string
	for _, g := range globals {
		names = append(names, g.Name)
		from := wordsOf(&g.Spec)
		for i := range own {
			for _, value := range from[i] {
				own[i] = append(own[i], value+" (of global project "+g.Name+")")
			}
		}
	}
	if names != nil {
		add("Global Projects:", names)
	}
	if len(own[namespacedAllowed]) == 0 && p.Spec.NamespaceResourceWhitelist == nil {
		own[namespacedAllowed] = []string{"*/*"} // no list allows all kinds, an empty one allows none
	}
	var roles, accounts []string
	for _, r := range p.Spec.Roles {
		roles = append(roles, fmt.Sprintf("%s (%d policies, %d groups)", r.Name, len(r.Policies), len(r.Groups)))
	}
	for _, a := range p.Spec.DestinationServiceAccounts {
		accounts = append(accounts, fmt.Sprintf("%s,%s as %s", a.Server, a.Namespace, a.DefaultServiceAccount))
	}
	add("Destinations:", own[destinations])
	if accounts != nil {
		add("Service Accounts:", accounts)
	}
	add("Repositories:", own[repositories])
	add("Source Namespaces:", p.Spec.SourceNamespaces)
	add("Cluster Allowed:", own[clusterAllowed])
	add("Cluster Denied:", own[clusterDenied])
	add("Namespaced Allowed:", own[namespacedAllowed])
	add("Namespaced Denied:", own[namespacedDenied])
	add("Roles:", roles)
	add("Sync Windows:", own[syncWindows])
	return fields(out, pairs)
}

// What projects take over from each other.
const (
	destinations = iota
	repositories
	clusterAllowed
	clusterDenied
	namespacedAllowed
	namespacedDenied
	syncWindows
	inheritedLists
)

// wordsOf are the lists of a project that others can take over.
func wordsOf(s *v1alpha1.AppProjectSpec) (out [inheritedLists][]string) {
	for _, d := range s.Destinations {
		out[destinations] = append(out[destinations], destinationWord(d))
	}
	out[repositories] = slices.Clone(s.SourceRepos)
	out[clusterAllowed], out[clusterDenied] = restrictionWords(s.ClusterResourceWhitelist), restrictionWords(s.ClusterResourceBlacklist)
	out[namespacedAllowed], out[namespacedDenied] = kindWords(s.NamespaceResourceWhitelist), kindWords(s.NamespaceResourceBlacklist)
	for _, w := range s.SyncWindows {
		if w != nil {
			out[syncWindows] = append(out[syncWindows], w.Kind+":"+w.Schedule+":"+w.Duration)
		}
	}
	return out
}

func restrictionWords(items []v1alpha1.ClusterResourceRestrictionItem) (words []string) {
	for _, k := range items {
		word := k.Group + "/" + k.Kind
		if k.Name != "" {
			word += "/" + k.Name
		}
		words = append(words, word)
	}
	return words
}

func kindWords(kinds []metav1.GroupKind) []string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = k.Group + "/" + k.Kind
	}
	return words
}
