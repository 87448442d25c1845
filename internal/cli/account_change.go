package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
)

// secretLine reads a password from standard input.
func (c *cli) secretLine() (string, error) {
	line, err := bufio.NewReader(c.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// noAccount adds where to look.
func noAccount(err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return &Failure{Exit: ExitAPI, Code: "NotFound", Err: err, Hint: "belay account list"}
	case fault.Invalid:
		return &Failure{Exit: ExitUsage, Code: "Usage", Err: err}
	}
	return err
}

func (c *cli) accountUpdatePassword() *cobra.Command {
	var account, current, password string
	stdin := false
	cmd := &cobra.Command{
		Use: "update-password", Short: "Set the password of a local account",
		Long: `Set the password of a local account, in Secret argocd-secret. The present password is not asked for: whoever may write that Secret may set it. Sessions
and tokens of the account from before are not accepted any more.`,
		Example: "  belay account update-password --password-stdin < password\n  belay account update-password --account dev --new-password YOUR_PASSWORD",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stdin == cmd.Flags().Changed("new-password") {
				return usageError("give the password with either --new-password or --password-stdin")
			}
			if stdin {
				var err error
				if password, err = c.secretLine(); err != nil {
					return err
				}
			}
			authority, err := c.authority()
			if err != nil {
				return err
			}
			ctx, cancel := outlasting(cmd.Context())
			defer cancel()
			if err := authority.ChangePassword(ctx, account, password); err != nil {
				return noAccount(err)
			}
			_, err = fmt.Fprintln(c.Out, "Password updated")
			return err
		},
	}
	cmd.Flags().StringVar(&account, "account", identity.Admin, "name of the account")
	cmd.Flags().StringVar(&password, "new-password", "", "password; --password-stdin keeps it out of the list of processes")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().StringVar(&current, "current-password", "", "accepted and ignored")
	hide(cmd.Flags(), "current-password")
	return cmd
}

func (c *cli) accountGenerateToken() *cobra.Command {
	var account, id string
	var lasts seconds
	cmd := &cobra.Command{
		Use: "generate-token", Short: "Give a local account a token, and print it",
		Long:    "Give a local account a token, and print it. It is not kept: nobody can print it again. The account needs the capability apiKey.",
		Example: "  belay account generate-token --account ci --expires-in 720h\n  belay account generate-token --account ci --id nightly",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			authority, err := c.authority()
			if err != nil {
				return err
			}
			ctx, cancel := outlasting(cmd.Context())
			defer cancel()
			token, _, err := authority.CreateToken(ctx, account, id, lasts.duration())
			if err != nil {
				return noAccount(err)
			}
			_, err = fmt.Fprintln(c.Out, token)
			return err
		},
	}
	cmd.Flags().StringVarP(&account, "account", "a", identity.Admin, "name of the account")
	cmd.Flags().StringVar(&id, "id", "", "id of the token (default: a random one)")
	cmd.Flags().VarP(&lasts, "expires-in", "e", "how long the token is accepted; 0: without end")
	return cmd
}

func (c *cli) accountDeleteToken() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use: "delete-token ID", Short: "Take a token from a local account",
		Example: "  belay account delete-token --account ci nightly",
		Args:    argCount(1, 1, "the id of a token"),
		RunE: func(cmd *cobra.Command, args []string) error {
			authority, err := c.authority()
			if err != nil {
				return err
			}
			ctx, cancel := outlasting(cmd.Context())
			defer cancel()
			if err := authority.DeleteToken(ctx, account, args[0]); err != nil {
				if fault.Is(err, fault.NotFound) {
					return &Failure{Exit: ExitAPI, Code: "NotFound", Err: err, Hint: "belay account get --account " + account}
				}
				return err
			}
			_, err = fmt.Fprintf(c.Out, "token '%s' deleted\n", clean(args[0]))
			return err
		},
	}
	cmd.Flags().StringVarP(&account, "account", "a", identity.Admin, "name of the account")
	return cmd
}
