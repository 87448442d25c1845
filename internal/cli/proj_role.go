package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
)

func (c *cli) projRole() *cobra.Command {
	role := c.group("role", "Look at the roles of a project and change them: what they may do, who has them, their tokens",
		"  belay proj role list callcenter-ai\n  belay proj role create callcenter-ai deployer\n  belay proj role add-policy callcenter-ai deployer --action sync --object '*'\n  belay proj role add-group callcenter-ai deployer platform",
		c.roleList(), c.roleGet(), c.roleCreate(), c.roleDelete(), c.rolePolicy(true), c.rolePolicy(false), c.roleGroup(true), c.roleGroup(false),
		c.roleCreateToken(), c.roleDeleteToken(), c.roleListTokens())
	role.Aliases = []string{"roles"}
	return role
}

// roleIn finds a role of a project.
func roleIn(p *v1alpha1.AppProject, name string) (*v1alpha1.ProjectRole, error) {
	at := slices.IndexFunc(p.Spec.Roles, func(r v1alpha1.ProjectRole) bool { return r.Name == name })
	if at < 0 {
		return nil, &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("role '%s' does not exist in project '%s'", name, p.Name), Hint: "belay proj role list " + p.Name}
	}
	return &p.Spec.Roles[at], nil
}

// readRole reads the project and its role that two arguments name.
func readRole(ctx context.Context, cp ControlPlane, args []string) (*v1alpha1.AppProject, *v1alpha1.ProjectRole, error) {
	p, err := readProject(ctx, cp, args[0])
	if err != nil {
		return nil, nil, err
	}
	r, err := roleIn(p, args[1])
	return p, r, err
}

func (c *cli) roleList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the roles of a project", Example: "  belay proj role list callcenter-ai",
		Args: argCount(1, 1, "the name of a project"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, err := readProject(cmd.Context(), conn, args[0])
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, append([]v1alpha1.ProjectRole{}, p.Spec.Roles...))
			}
			var rows [][]string
			for _, r := range p.Spec.Roles {
				if output == "name" {
					fmt.Fprintln(c.Out, clean(r.Name))
					continue
				}
				rows = append(rows, []string{r.Name, r.Description})
			}
			if output == "name" {
				return nil
			}
			return table(c.Out, []string{"ROLE-NAME", "DESCRIPTION"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml", "name")
	return cmd
}

func (c *cli) roleGet() *cobra.Command {
	return &cobra.Command{
		Use: "get PROJECT ROLE", Short: "Show a role: its policies, groups and tokens", Example: "  belay proj role get callcenter-ai deployer",
		Args: argCount(2, 2, "a project and a role"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			p, r, err := readRole(cmd.Context(), conn, args)
			if err != nil {
				return err
			}
			lines := [][2]string{{"Role Name:", r.Name}, {"Description:", r.Description}, {"Policies:", ""}}
			if err := fields(c.Out, lines); err != nil {
				return err
			}
			// Whoever has the role sees the project, without a line that says so.
			for _, policy := range append([]string{fmt.Sprintf("p, proj:%s:%s, projects, get, %s, allow", p.Name, r.Name, p.Name)}, r.Policies...) {
				fmt.Fprintln(c.Out, clean(policy))
			}
			for _, group := range r.Groups {
				fmt.Fprintln(c.Out, clean(fmt.Sprintf("g, %s, proj:%s:%s", group, p.Name, r.Name)))
			}
			fmt.Fprintln(c.Out, "JWT Tokens:")
			return c.printTokens(r.JWTTokens)
		},
	}
}

func (c *cli) printTokens(tokens []v1alpha1.JWTToken) error {
	rows := make([][]string, len(tokens))
	for i, t := range tokens {
		ends := "<none>"
		if t.ExpiresAt > 0 {
			ends = c.when(t.ExpiresAt)
		}
		rows[i] = []string{t.ID, c.when(t.IssuedAt), ends}
	}
	return table(c.Out, []string{"ID", "ISSUED-AT", "EXPIRES-AT"}, rows)
}

func (c *cli) roleCreate() *cobra.Command {
	description := ""
	return c.projChange(projectChange{
		use: "create PROJECT ROLE", short: "Create a role in a project", args: 1, example: "  belay proj role create callcenter-ai deployer --description 'syncs what was reviewed'",
		flags: func(fs *pflag.FlagSet) { fs.StringVar(&description, "description", "", "what the role is for") },
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			if _, err := roleIn(p, args[0]); err == nil {
				return "", notInProject(p, "role '%s' exists already in project '%s'", args[0], p.Name)
			}
			if args[0] == "" || strings.Trim(args[0], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				return "", usageError("%q is no name for a role: it has letters, digits, - and _", args[0])
			}
			p.Spec.Roles = append(p.Spec.Roles, v1alpha1.ProjectRole{Name: args[0], Description: description})
			return "Role '" + args[0] + "' created", nil
		},
	})
}

func (c *cli) roleDelete() *cobra.Command {
	return c.projChange(projectChange{
		use: "delete PROJECT ROLE", short: "Delete a role of a project, and with it its tokens", args: 1, example: "  belay proj role delete callcenter-ai deployer",
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			if _, err := roleIn(p, args[0]); err != nil {
				return "", err
			}
			p.Spec.Roles = slices.DeleteFunc(p.Spec.Roles, func(r v1alpha1.ProjectRole) bool { return r.Name == args[0] })
			return "Role '" + args[0] + "' deleted", nil
		},
	})
}

func (c *cli) rolePolicy(add bool) *cobra.Command {
	var action, permission, object, resource string
	d := projectChange{
		use: "add-policy PROJECT ROLE", short: "Let a role do something, or deny it", args: 1,
		example: "  belay proj role add-policy callcenter-ai deployer --action sync --object '*'\n  belay proj role add-policy callcenter-ai deployer -a delete -p deny -o 'prod-*'\n  belay proj role add-policy callcenter-ai deployer -r logs -a get -o '*'",
		flags: func(fs *pflag.FlagSet) {
			fs.StringVarP(&action, "action", "a", "", "action, such as get, sync, update/*, action/apps/Deployment/restart")
			fs.StringVarP(&permission, "permission", "p", "allow", "allow or deny")
			fs.StringVarP(&object, "object", "o", "", "object within the project, such as an application's name; globs are possible")
			fs.StringVarP(&resource, "resource", "r", access.Applications, "resource")
		},
	}
	if !add {
		d.use, d.short, d.example = "remove-policy PROJECT ROLE", "Remove a policy of a role", "  belay proj role remove-policy callcenter-ai deployer --action sync --object '*'"
	}
	d.change = func(p *v1alpha1.AppProject, args []string) (string, error) {
		r, err := roleIn(p, args[0])
		if err != nil {
			return "", err
		}
		policy := fmt.Sprintf("p, proj:%s:%s, %s, %s, %s/%s, %s", p.Name, r.Name, resourceWord(resource), action, p.Name, object, permission)
		at := slices.IndexFunc(r.Policies, func(have string) bool { return squeeze(have) == squeeze(policy) })
		switch {
		case !add && at < 0:
			return "", notInProject(p, "role '%s' has no policy %q", r.Name, policy)
		case !add:
			r.Policies = slices.Delete(r.Policies, at, at+1)
			return "Policy removed from role '" + r.Name + "'", nil
		case at >= 0:
			return "role '" + r.Name + "' has this policy already", nil
		}
		if err := usablePolicy(p.Name, r.Name, policy); err != nil {
			return "", err
		}
		r.Policies = append(r.Policies, policy)
		return "Policy added to role '" + r.Name + "'", nil
	}
	cmd := c.projChange(d)
	for _, name := range []string{"action", "object"} {
		// Only a flag that does not exist makes it fail, and it was added above.
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// squeeze makes policies comparable.
func squeeze(policy string) string { return strings.Join(strings.Fields(policy), "") }

// usablePolicy refuses a policy that would have no effect.
func usablePolicy(project, role, policy string) error {
	one := &v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{Roles: []v1alpha1.ProjectRole{{Name: role, Policies: []string{policy}}}}}
	one.Name = project
	if _, problems := access.New(access.Config{}, []*v1alpha1.AppProject{one}); len(problems) > 0 {
		return usageError("%w", problems[0])
	}
	return nil
}

func (c *cli) roleGroup(add bool) *cobra.Command {
	d := projectChange{use: "add-group PROJECT ROLE GROUP", short: "Give a role to a group of the identity provider", args: 2, example: "  belay proj role add-group callcenter-ai deployer platform"}
	if !add {
		d.use, d.short, d.example = "remove-group PROJECT ROLE GROUP", "Take a role from a group of the identity provider", "  belay proj role remove-group callcenter-ai deployer platform"
	}
	d.change = func(p *v1alpha1.AppProject, args []string) (string, error) {
		r, err := roleIn(p, args[0])
		if err != nil {
			return "", err
		}
		at := slices.Index(r.Groups, args[1])
		switch {
		case add && at >= 0:
			return fmt.Sprintf("group '%s' has role '%s' already", args[1], r.Name), nil
		case add && strings.TrimSpace(args[1]) == "":
			return "", usageError("the group has no name")
		case add:
			r.Groups = append(r.Groups, args[1])
			return fmt.Sprintf("Group '%s' added to role '%s'", args[1], r.Name), nil
		case at < 0:
			return "", notInProject(p, "group '%s' has not role '%s'", args[1], r.Name)
		}
		r.Groups = slices.Delete(r.Groups, at, at+1)
		return fmt.Sprintf("Group '%s' removed from role '%s'", args[1], r.Name), nil
	}
	return c.projChange(d)
}

func (c *cli) roleCreateToken() *cobra.Command {
	var id, output string
	var lasts seconds
	alone := false
	cmd := &cobra.Command{
		Use: "create-token PROJECT ROLE", Short: "Give a role of a project a token, and print it",
		Long:    "Give a role of a project a token, and print it. It is not kept: nobody can print it again.",
		Example: "  belay proj role create-token callcenter-ai ci --expires-in 720h\n  belay proj role create-token callcenter-ai ci --token-only",
		Args:    argCount(2, 2, "a project and a role"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			authority, err := c.authority()
			if err != nil {
				return err
			}
			ctx, cancel := outlasting(cmd.Context())
			defer cancel()
			token, _, err := authority.CreateRoleToken(ctx, args[0], args[1], id, lasts.duration())
			if err != nil {
				return noRole(err, args[0])
			}
			if alone {
				_, err := fmt.Fprintln(c.Out, token)
				return err
			}
			session, err := authority.Verify(ctx, token)
			if err != nil {
				return fmt.Errorf("try the new token: %w", err)
			}
			return c.printNewToken(token, session, output)
		},
	}
	cmd.Flags().StringVarP(&id, "id", "i", "", "id of the token (default: a random one)")
	cmd.Flags().VarP(&lasts, "expires-in", "e", "how long the token is accepted; 0: without end")
	cmd.Flags().BoolVarP(&alone, "token-only", "t", false, "print the token and nothing else")
	c.outputFlag(cmd, &output, "wide", "json")
	return cmd
}

func (c *cli) printNewToken(token string, s identity.Session, output string) error {
	ends := int64(0)
	if !s.Ends.IsZero() {
		ends = s.Ends.Unix()
	}
	if output == "json" {
		text, err := json.Marshal(map[string]any{"id": s.ID, "iat": s.IssuedAt.Unix(), "exp": ends, "token": token})
		if err != nil {
			return fmt.Errorf("encode a token: %w", err)
		}
		_, err = fmt.Fprintln(c.Out, string(text))
		return err
	}
	until := "Never"
	if ends != 0 {
		until = c.when(ends)
	}
	_, err := fmt.Fprintf(c.Out, "Create token succeeded for %s.\n  ID: %s\n  Issued At: %s\n  Expires At: %s\n  Token: %s\n", s.Subject, clean(s.ID), c.when(s.IssuedAt.Unix()), until, token)
	return err
}

func noRole(err error, project string) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return &Failure{Exit: ExitAPI, Code: "NotFound", Err: err, Hint: "belay proj role list " + project}
	case fault.Invalid:
		return &Failure{Exit: ExitUsage, Code: "Usage", Err: err}
	}
	return err
}

func (c *cli) roleDeleteToken() *cobra.Command {
	id := ""
	cmd := &cobra.Command{
		Use: "delete-token PROJECT ROLE [ISSUED-AT]", Short: "Take a token from a role of a project",
		Long:    "Take a token from a role of a project: by --id, or by the second that it was issued in, as `belay proj role get` shows it.",
		Example: "  belay proj role delete-token callcenter-ai ci --id nightly\n  belay proj role delete-token callcenter-ai ci 2026-11-26T12:00:00Z",
		Args:    argCount(2, 3, "a project, a role, and when the token was issued or --id"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			issued := int64(0)
			if (len(args) == 3) == (id != "") {
				return usageError("name the token with either ISSUED-AT or --id")
			}
			if len(args) == 3 {
				if moment, err := time.Parse(time.RFC3339, args[2]); err == nil {
					issued = moment.Unix()
				} else if issued, err = strconv.ParseInt(args[2], 10, 64); err != nil {
					return usageError("%q is no moment such as 2026-11-26T12:00:00Z or 1795692000", args[2])
				}
			}
			authority, err := c.authority()
			if err != nil {
				return err
			}
			ctx, cancel := outlasting(cmd.Context())
			defer cancel()
			if err := authority.DeleteRoleToken(ctx, args[0], args[1], id, issued); err != nil {
				return noRole(err, args[0])
			}
			_, err = fmt.Fprintf(c.Out, "token of role '%s' deleted\n", clean(args[1]))
			return err
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "id of the token")
	return cmd
}

func (c *cli) roleListTokens() *cobra.Command {
	return &cobra.Command{
		Use: "list-tokens PROJECT ROLE", Aliases: []string{"list-token", "token-list"}, Short: "List the tokens of a role", Example: "  belay proj role list-tokens callcenter-ai ci",
		Args: argCount(2, 2, "a project and a role"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			_, r, err := readRole(cmd.Context(), conn, args)
			if err != nil {
				return err
			}
			return c.printTokens(r.JWTTokens)
		},
	}
}
