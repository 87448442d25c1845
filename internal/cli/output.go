package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// outputFlag adds -o with the formats that a command has, the first being the default.
func (c *cli) outputFlag(cmd *cobra.Command, into *string, formats ...string) {
	cmd.Flags().StringVarP(into, "output", "o", formats[0], "output format: "+strings.Join(formats, ", "))
	check := func(cmd *cobra.Command, args []string) error {
		c.output = *into
		if slices.Contains(formats, *into) {
			return nil
		}
		return usageError("unknown output format %q: it is one of %s", *into, strings.Join(formats, ", "))
	}
	cmd.PreRunE = check
	completion := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return formats, cobra.ShellCompDirectiveNoFileComp
	}
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("output", completion)
}

// printJSON prints v as one indented document.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printYAML prints v as one document.
func printYAML(w io.Writer, v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode YAML: %w", err)
	}
	_, err = w.Write(data)
	return err
}

// printAs prints v as JSON or YAML.
func printAs(w io.Writer, format string, v any) error {
	if format == "yaml" {
		return printYAML(w, v)
	}
	return printJSON(w, v)
}

// plainObject is u without the bookkeeping of field managers, which nobody wants to read.
func plainObject(u *unstructured.Unstructured) map[string]any {
	copied := u.DeepCopy()
	copied.SetManagedFields(nil)
	return copied.Object
}
