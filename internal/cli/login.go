package cli

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/belaycd/belay/internal/identity"
)

type loginOptions struct {
	name, username, password string
	passwordStdin, sso       bool
	launch                   bool
	ssoPort                  int
	ignored                  bool
}

func (c *cli) loginCommand() *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use: "login SERVER", Short: "Sign in to an API server and use it from now on",
		Long: `Sign in to an API server with a name and a password, by the browser or with a token, and save it as the current context. The token is saved
in ~/.config/argocd/config, in the form of argocd and readable for you alone; the password is not saved.`,
		Example: `  belay login belay.example.com
  # in a script: the password comes from standard input
  belay login belay.example.com --username ci --password-stdin < password.txt
  # with a token of an account or of a role of a project
  belay login belay.example.com --auth-token "$TOKEN" --name ci
  # by the browser, at the identity provider of the server
  belay login belay.example.com --sso
  # without TLS, as on one's own machine
  belay login 127.0.0.1:8080 --plaintext
  # use the kubeconfig again, and no server
  belay login --core`,
		Args: argCount(0, 1, "the address of a server"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.kube.core {
				return c.loginCore(o)
			}
			server := c.server.server
			if len(args) == 1 {
				server = args[0]
			}
			if server == "" {
				return usageError("%s needs the address of a server, or --core", cmd.CommandPath())
			}
			return c.login(cmd.Context(), server, o)
		},
	}
	o.bind(cmd)
	cmd.Flags().StringVar(&o.name, "name", "", "name of the context (default: the address)")
	cmd.Flags().StringVar(&o.username, "username", "", "name of the account (default: asked for)")
	return cmd
}

func (o *loginOptions) bind(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.password, "password", "", "password; other users of the machine can see it: better is --password-stdin")
	fs.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from standard input")
	fs.BoolVar(&o.sso, "sso", false, "sign in by the browser, at an identity provider")
	fs.IntVar(&o.ssoPort, "sso-port", 8085, "port of this machine that the browser is sent back to, as http://localhost:PORT/auth/callback")
	fs.BoolVar(&o.launch, "sso-launch-browser", true, "open a browser; the address is printed in any case")
	fs.BoolVar(&o.ignored, "skip-test-tls", false, "accepted for compatibility")
	hide(fs, "skip-test-tls")
}

// loginCore saves the kubeconfig as the current context.
func (c *cli) loginCore(o *loginOptions) error {
	saved, err := c.savedConfig()
	if err != nil {
		return err
	}
	name := firstOf(o.name, coreServer)
	saved.put("servers", "server", coreServer, map[string]any{"core": true})
	saved.put("users", "name", name, nil)
	saved.put("contexts", "name", name, map[string]any{"server": coreServer, "user": name})
	saved.doc["current-context"] = name
	if err := saved.save(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "Context '%s' updated\n", clean(name))
	return err
}

// login signs in and saves the context.
func (c *cli) login(ctx context.Context, server string, o *loginOptions) error {
	saved, err := c.savedConfig()
	if err != nil {
		return err
	}
	known, err := saved.contextOf(server, o.name)
	if err != nil {
		return err
	}
	known.opts.Token = ""
	opts, err := c.serverOptions(server, known.opts)
	if err != nil {
		return err
	}
	account, err := c.signIn(ctx, &opts, o)
	if err != nil {
		return err
	}
	name := firstOf(o.name, server)
	saved.remember(name, opts)
	if err := saved.save(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Out, "'%s' logged in successfully\nContext '%s' updated\n", clean(account), clean(name))
	return err
}

// remember puts a context, its server and its user into the document and makes it the current one.
func (s *savedConfig) remember(name string, o ServerOptions) {
	orNil := func(on bool) any {
		if on {
			return true
		}
		return nil
	}
	encoded := func(data []byte) any {
		if len(data) == 0 {
			return nil
		}
		return base64.StdEncoding.EncodeToString(data)
	}
	s.put("servers", "server", o.Address, map[string]any{
		"plain-text": orNil(o.Plaintext), "insecure": orNil(o.Insecure), "grpc-web-root-path": o.RootPath,
		"certificate-authority-data": encoded(o.CA), "client-certificate-data": encoded(o.ClientCert), "client-certificate-key-data": encoded(o.ClientKey),
	})
	s.put("users", "name", name, map[string]any{"auth-token": o.Token, "refresh-token": nil})
	s.put("contexts", "name", name, map[string]any{"server": o.Address, "user": name})
	s.doc["current-context"] = name
}

// signIn gets a token, or tries the one that was given, and returns the name of the account.
func (c *cli) signIn(ctx context.Context, opts *ServerOptions, o *loginOptions) (string, error) {
	if o.password != "" && o.passwordStdin {
		return "", usageError("give --password or --password-stdin, not both")
	}
	// A token of the environment is for commands; who names an account wants that one.
	if c.server.authToken == "" {
		opts.Token = ""
	}
	open := func() (Server, error) { return c.openServer(ctx, serverTarget{Server: opts.Address, opts: *opts}) }
	if o.sso {
		if o.username != "" || o.password != "" || o.passwordStdin {
			return "", usageError("--sso asks the identity provider who you are: give no name and no password")
		}
		s, err := open()
		if err != nil {
			return "", certificateHint(err)
		}
		if opts.Token, err = c.byBrowser(ctx, s, o); err != nil {
			return "", fmt.Errorf("log in to %s: %w", opts.Address, certificateHint(err))
		}
	}
	if opts.Token == "" {
		err := c.credentials(o)
		if err != nil {
			return "", err
		}
		s, err := open()
		if err != nil {
			return "", certificateHint(err)
		}
		if opts.Token, err = s.SignIn(ctx, o.username, o.password); err != nil {
			return "", fmt.Errorf("log in to %s: %w", opts.Address, certificateHint(err))
		}
	}
	s, err := open()
	if err != nil {
		return "", certificateHint(err)
	}
	account, err := s.Account(ctx)
	if err != nil {
		return "", fmt.Errorf("log in to %s: %w", opts.Address, certificateHint(err))
	}
	if account == "" {
		return "", &Failure{Exit: ExitAPI, Code: "Unauthorized", Err: fmt.Errorf("log in to %s: the server does not accept the token", opts.Address),
			Hint: "it may have run out or been revoked"}
	}
	return account, nil
}

// byBrowser signs in at the identity provider that the server names.
func (c *cli) byBrowser(ctx context.Context, s Server, o *loginOptions) (string, error) {
	provider, err := s.Provider(ctx)
	if err != nil {
		return "", err
	}
	b := browserLogin{provider: provider, port: o.ssoPort, client: &http.Client{Timeout: 30 * time.Second}, open: openBrowser,
		say: func(format string, args ...any) { fmt.Fprintf(c.Err, format, args...) }}
	if !o.launch {
		b.open = func(string) error { return errors.New("no browser is wanted") }
	}
	return b.run(ctx)
}

// certificateHint says what can be done about a certificate that is not trusted.
func certificateHint(err error) error {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	if errors.As(err, &unknown) || errors.As(err, &invalid) || errors.As(err, &host) {
		return &Failure{Exit: ExitAPI, Code: "BadCertificate", Err: err,
			Hint: "name its certificate authority with --server-crt; --insecure accepts any certificate, and whoever is in between reads along"}
	}
	return err
}

// credentials asks for what the flags do not say.
func (c *cli) credentials(o *loginOptions) error {
	f, isFile := c.In.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	in := bufio.NewReader(c.In)
	if o.username == "" {
		if !terminal {
			return usageError("there is no terminal to ask on: give --username, and --password-stdin or --auth-token")
		}
		fmt.Fprint(c.Err, "Username: ")
		line, err := in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read the name: %w", err)
		}
		o.username = strings.TrimSpace(line)
	}
	switch {
	case o.password != "":
		return nil
	case o.passwordStdin:
		data, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
		if err != nil {
			return fmt.Errorf("read the password: %w", err)
		}
		o.password = strings.TrimRight(string(data), "\r\n")
	case terminal:
		fmt.Fprint(c.Err, "Password: ")
		data, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.Err)
		if err != nil {
			return fmt.Errorf("read the password: %w", err)
		}
		o.password = string(data)
	default:
		return usageError("there is no terminal to ask on: give --password-stdin or --auth-token")
	}
	if o.password == "" || len(o.password) > maxPassword {
		return usageError("a password has 1 to %d bytes", maxPassword)
	}
	return nil
}

// maxPassword bounds a password; servers take far less.
const maxPassword = 4096

func (c *cli) reloginCommand() *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use: "relogin", Short: "Sign in again to the server of the saved context",
		Example: "  belay relogin\n  belay relogin --password-stdin < password.txt", Args: argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			saved, err := c.savedConfig()
			if err != nil {
				return err
			}
			in, err := saved.context(c.server.context)
			if err != nil || in.core {
				if err == nil || errors.Is(err, errNoContext) {
					return &Failure{Exit: ExitAPI, Code: "NoContext", Err: errors.New("no context of a server is saved"), Hint: "belay login SERVER"}
				}
				return err
			}
			o.sso = o.sso || foreignToken(in.opts.Token) && o.password == "" && !o.passwordStdin && c.server.authToken == ""
			o.username = accountOf(in.opts.Token)
			opts, err := c.serverOptions(in.opts.Address, in.opts)
			if err != nil {
				return err
			}
			account, err := c.signIn(cmd.Context(), &opts, o)
			if err != nil {
				return err
			}
			saved.remember(in.name, opts)
			if err := saved.save(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "'%s' logged in successfully\nContext '%s' updated\n", clean(account), clean(in.name))
			return err
		},
	}
	o.bind(cmd)
	return cmd
}

// accountOf reads the name of the account from a token, to sign in again under it; empty when there is none. The server
// alone can tell whether the token holds.
func accountOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct{ Sub, Iss string }
	if json.Unmarshal(data, &claims) != nil || claims.Iss != "argocd" {
		return ""
	}
	name, _, _ := strings.Cut(claims.Sub, ":")
	return name
}

// foreignToken reports whether a token is of an identity provider.
func foreignToken(token string) bool {
	issuer := identity.IssuerOf(token)
	return issuer != "" && issuer != identity.Issuer
}

func (c *cli) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout [CONTEXT]", Short: "End the session of a saved context",
		Long:    "End the session of a saved context, the current one without a name: the server revokes its token, and the token is removed\nfrom the file.",
		Example: "  belay logout\n  belay logout belay.example.com", Args: argCount(0, 1, "at most the name of a context"),
		ValidArgsFunction: c.completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := c.server.context
			if len(args) == 1 {
				name = args[0]
			}
			saved, err := c.savedConfig()
			if err != nil {
				return err
			}
			in, err := saved.context(name)
			if errors.Is(err, errNoContext) {
				return &Failure{Exit: ExitAPI, Code: "NoContext", Err: errors.New("no context is saved"), Hint: "see belay context"}
			}
			if err != nil {
				return err
			}
			if in.opts.Token == "" {
				return &Failure{Exit: ExitAPI, Code: "NotLoggedIn", Err: fmt.Errorf("the context '%s' holds no token", in.name)}
			}
			// The file comes first: a server that cannot be reached must not keep the token in it.
			saved.put("users", "name", in.user, map[string]any{"auth-token": nil, "refresh-token": nil})
			if err := saved.save(); err != nil {
				return err
			}
			token := in.opts.Token
			opts, err := c.serverOptions(in.opts.Address, in.opts)
			if err != nil {
				return err
			}
			opts.Token = token
			s, err := c.openServer(cmd.Context(), serverTarget{Server: in.opts.Address, opts: opts})
			if err == nil {
				err = s.SignOut(cmd.Context())
			}
			if err != nil {
				fmt.Fprintf(c.Err, "warning: the token is removed here, and the server has not revoked it: %s\n", cleanText(err.Error()))
			}
			_, err = fmt.Fprintf(c.Out, "Logged out from '%s'\n", clean(in.name))
			return err
		},
	}
}
