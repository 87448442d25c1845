package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// outputs are the forms that one result is written in: one on standard output, others in files.
type outputs struct {
	values  []string
	formats []string
	stdout  string
	files   []fileOutput
}

type fileOutput struct{ format, name string }

// outputsFlag adds -o FORMAT and -o FORMAT=FILE, which may be given several times. The first format is that of standard output by default.
func (c *cli) outputsFlag(cmd *cobra.Command, into *outputs, formats ...string) {
	into.formats = formats
	cmd.Flags().StringArrayVarP(&into.values, "output", "o", nil, "FORMAT, or FORMAT=FILE to write a file; may be given several times: "+strings.Join(formats, ", ")+` (default "`+formats[0]+`")`)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		err := into.parse()
		c.output = into.stdout
		return err
	}
	completion := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return formats, cobra.ShellCompDirectiveNoFileComp
	}
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("output", completion)
}

func (o *outputs) parse() error {
	o.stdout, o.files = "", nil
	for _, v := range o.values {
		format, name, toFile := strings.Cut(v, "=")
		switch {
		case !slices.Contains(o.formats, format):
			return usageError("unknown output format %q: it is one of %s", format, strings.Join(o.formats, ", "))
		case toFile && name == "":
			return usageError("--output %s: the name of the file is missing", v)
		case toFile:
			o.files = append(o.files, fileOutput{format, name})
		case o.stdout != "":
			return usageError("--output %s and --output %s both go to standard output: write one to a file, as in %s=FILE", o.stdout, format, format)
		default:
			o.stdout = format
		}
	}
	if o.stdout == "" {
		o.stdout = o.formats[0]
	}
	return nil
}

// write writes all forms, the files first: what is printed may be an error for whoever reads it.
func (o *outputs) write(stdout io.Writer, write func(w io.Writer, format string) error) error {
	for _, f := range o.files {
		var buf bytes.Buffer
		if err := write(&buf, f.format); err != nil {
			return err
		}
		if err := os.WriteFile(f.name, buf.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return write(stdout, o.stdout)
}

// prefixOf is what leads from the working directory to the root of a repository, for names of files; empty where the root is not below.
func prefixOf(root string) string {
	if filepath.IsAbs(root) {
		here, err := os.Getwd()
		if err != nil {
			return ""
		}
		if root, err = filepath.Rel(here, root); err != nil {
			return ""
		}
	}
	root = filepath.ToSlash(filepath.Clean(root))
	if root == "." || root == ".." || strings.HasPrefix(root, "../") {
		return ""
	}
	return root
}
