package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

// externalDiff is the program of KUBECTL_EXTERNAL_DIFF, which gets two files; nil when none is set.
type externalProgram struct {
	command []string
	errs    io.Writer
}

func (c *cli) externalDiff() (*externalProgram, error) {
	line := firstOf(c.Getenv("KUBECTL_EXTERNAL_DIFF"), c.Getenv("ARGOCD_EXTERNAL_DIFF"))
	if line == "" {
		return nil, nil
	}
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return nil, usageError("KUBECTL_EXTERNAL_DIFF %q is no command line", line)
	}
	return &externalProgram{command: words, errs: c.Err}, nil
}

// show writes both states, secrets masked, to files of a private directory and runs the program on them. Exit code 1
// means that they differ.
func (e *externalProgram) show(ctx context.Context, out io.Writer, ref object.Ref, before, after *unstructured.Unstructured) (err error) {
	dir, err := os.MkdirTemp("", "belay-diff-")
	if err != nil {
		return fmt.Errorf("make directory for the external diff: %w", err)
	}
	defer func() { err = firstError(err, os.RemoveAll(dir)) }()
	var files [2]string
	for i, u := range []*unstructured.Unstructured{before, after} {
		text, err := yamlText(u)
		if err != nil {
			return err
		}
		// Names of objects may hold characters that a file name must not.
		files[i] = filepath.Join(dir, [2]string{"live.yaml", "desired.yaml"}[i])
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s for the external diff: %w", ref, err)
		}
	}
	cmd := exec.CommandContext(ctx, e.command[0], append(e.command[1:len(e.command):len(e.command)], files[0], files[1])...)
	cmd.Stdout, cmd.Stderr = out, e.errs
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run external diff %s: %w", e.command[0], err)
	}
	return nil
}
