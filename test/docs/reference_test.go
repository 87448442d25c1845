package docs

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/cli"
)

var update = flag.Bool("update", false, "write docs/reference/cli.md anew")

// TestCommandReference holds docs/reference/cli.md equal to the commands; with -update it writes the file.
func TestCommandReference(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp") // a default depends on it
	noEnv := func(string) string { return "" }
	root := cli.New(cli.Env{
		Out: io.Discard, Err: io.Discard, Getenv: noEnv,
		Commands: []*cobra.Command{app.RunCommand("test", nil, noEnv, io.Discard)},
	})
	got := reference(root)
	file := filepath.Join(repository, "docs", "reference", "cli.md")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/reference/cli.md is not what the commands say; run go test ./test/docs -update (-file +commands):\n%s", d)
	}
}

func reference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(`# Command line

Generated from the commands by ` + "`go test ./test/docs -update`" + `; change the commands, not this page.

` + "`belay`" + ` speaks with the API server that you [signed in](../how-to/sign-in-command-line.md) to or that ` + "`--server`" + ` names, and otherwise with
the cluster of your kubeconfig, without a server in between. Verbs, flags, columns and exit codes are those of the ` + "`argocd`" + ` command line.

Results go to standard output; progress, questions and errors go to standard error. With ` + "`-o json`" + ` an error is one JSON
object with ` + "`code`, `message`, `cause` and `hint`" + `.

## Exit codes

| code | meaning |
|---|---|
`)
	for _, line := range exitCodes(root) {
		b.WriteString(line)
	}
	b.WriteString("\n## Environment\n\n| variable | meaning |\n|---|---|\n" +
		"| `KUBECONFIG` | kubeconfig files, where `--kubeconfig` is not given |\n" +
		"| `ARGOCD_OPTS` | further flags of every command |\n" +
		"| `ARGOCD_SERVER` | address of the API server, where neither `--server` nor a kubeconfig is given |\n" +
		"| `ARGOCD_AUTH_TOKEN` | token for the API server, where `--auth-token` is not given |\n" +
		"| `ARGOCD_CONFIG_DIR`, `XDG_CONFIG_HOME` | where the saved contexts are: the file `config`, or `argocd/config` |\n" +
		"| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | proxies on the way to the API server |\n" +
		"| `KUBECTL_EXTERNAL_DIFF`, `ARGOCD_EXTERNAL_DIFF` | program that `belay app diff` shows differences with |\n" +
		"| `NO_COLOR`, `FORCE_COLOR` | no colours; colours although the output is no terminal |\n" +
		"| `CI`, `TERM=dumb` | no live display: progress line by line |\n")
	b.WriteString("\n## Global flags\n\n")
	flagTable(&b, root.PersistentFlags())
	if names := hidden(root.PersistentFlags()); len(names) > 0 {
		fmt.Fprintf(&b, "\nAccepted for the sake of scripts, and without effect: %s.\n",
			strings.Join(names, ", "))
	}
	b.WriteString("\n## Commands\n\n")
	index(&b, root)
	command(&b, root)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// exitCodes takes the table of codes from the text that ends every help.
func exitCodes(root *cobra.Command) []string {
	_, text, _ := strings.Cut(root.UsageTemplate(), "Exit codes:\n")
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		code, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		out = append(out, fmt.Sprintf("| %s | %s |\n", code, strings.TrimSpace(meaning)))
	}
	return out
}

func index(b *bytes.Buffer, cmd *cobra.Command) {
	for _, sub := range visible(cmd) {
		if len(visible(sub)) == 0 {
			fmt.Fprintf(b, "- [`%s`](#%s): %s\n", sub.CommandPath(), strings.ReplaceAll(sub.CommandPath(), " ", "-"), sub.Short)
		}
		index(b, sub)
	}
}

func command(b *bytes.Buffer, cmd *cobra.Command) {
	for _, sub := range visible(cmd) {
		if len(visible(sub)) == 0 {
			section(b, sub)
		}
		command(b, sub)
	}
}

func section(b *bytes.Buffer, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	text = strings.TrimSpace(text)
	if !strings.HasSuffix(text, ".") && !strings.Contains(text, "\n") {
		text += "."
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n```\n%s\n```\n", cmd.CommandPath(), text, cmd.UseLine())
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "\nAlso: `%s`.\n", strings.Join(cmd.Aliases, "`, `"))
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```bash\n%s\n```\n", unindent(cmd.Example))
	}
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteString("\n")
		flagTable(b, cmd.LocalNonPersistentFlags())
	}
}

func visible(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub)
		}
	}
	return out
}

func flagTable(b *bytes.Buffer, flags *pflag.FlagSet) {
	b.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + "`, `" + name
		}
		value := f.DefValue
		switch value {
		case "", "[]", "false": // no default to speak of
			value = ""
		default:
			value = "`" + value + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, value, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
}

func hidden(flags *pflag.FlagSet) []string {
	var out []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden && f.Name != "server" {
			out = append(out, "`--"+f.Name+"`")
		}
	})
	return out
}

// unindent takes the common indentation of examples away.
func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
