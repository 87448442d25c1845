package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/mask"
)

// editing is the spec of an object in the user's editor.
type editing struct {
	what  string // application 'x'
	read  func(context.Context) (*unstructured.Unstructured, error)
	check func(*unstructured.Unstructured) error // of what can be told before it is written
}

// edit opens the spec in the editor until it is accepted or left as it was. Fields that this program does not know are
// part of the text. What cannot be written is shown again, with the reason.
func (c *cli) edit(ctx context.Context, conn ControlPlane, e editing) (err error) {
	raw, err := e.read(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "belay-edit-")
	if err != nil {
		return fmt.Errorf("make directory for the editor: %w", err)
	}
	defer func() { err = firstError(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "spec.yaml")
	text, err := yaml.Marshal(raw.Object["spec"])
	if err != nil {
		return fmt.Errorf("encode the spec of %s: %w", e.what, err)
	}
	if spec, ok := raw.Object["spec"].(map[string]any); ok && len(spec) == 0 {
		text = nil // and not {}, behind which nothing can be written
	}
	original, why := text, error(nil)
	for {
		after, err := c.editOnce(ctx, file, e.what, text, why)
		if err != nil {
			return err
		}
		if bytes.Equal(after, original) || len(bytes.TrimSpace(after)) == 0 || why != nil && bytes.Equal(after, text) {
			if why != nil {
				return c.editFailed(e.what, why)
			}
			_, err := fmt.Fprintf(c.Err, "%s: nothing changed\n", e.what)
			return err
		}
		text = after
		var changed bool
		if raw, changed, why = e.write(ctx, conn, raw, text); why == nil {
			_, err := fmt.Fprintf(c.Err, "%s%s changed\n", e.what, map[bool]string{false: ": nothing"}[changed])
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// editFailed says what became of an edit that was given up.
func (c *cli) editFailed(what string, why error) error {
	return &Failure{Exit: ExitAPI, Code: "EditRefused", Err: fmt.Errorf("%s is as it was: %w", what, why)}
}

// write writes the edited spec. A lost race is an answer too: the object as it is now, to be looked at again.
func (e editing) write(ctx context.Context, conn ControlPlane, raw *unstructured.Unstructured, text []byte) (*unstructured.Unstructured, bool, error) {
	trimmed := bytes.TrimSpace(text)
	if bytes.HasPrefix(trimmed, []byte("{")) && !bytes.HasSuffix(trimmed, []byte("}")) {
		return raw, false, errors.New("there is something behind the closing brace") // which the parser would pass over
	}
	var spec map[string]any
	if err := yaml.UnmarshalStrict(text, &spec); err != nil {
		return raw, false, errors.New(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "))
	}
	object, err := toMap(raw.Object)
	if err != nil {
		return raw, false, err
	}
	after := &unstructured.Unstructured{Object: object}
	after.Object["spec"] = spec
	if err := e.check(after); err != nil {
		return raw, false, err
	}
	changed, err := conn.Replace(ctx, raw, after)
	if conflicting(err) {
		fresh, rerr := e.read(ctx)
		if rerr != nil {
			return raw, false, rerr
		}
		return fresh, false, fmt.Errorf("somebody else changed it meanwhile: save a change to overwrite theirs: %w", err)
	}
	return raw, changed, err
}

// editOnce runs the editor on the text and returns what it left, without the comments at its top.
func (c *cli) editOnce(ctx context.Context, file, what string, text []byte, why error) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The spec of %s. Save it to write it; leave it as it is, or empty, to change nothing.\n", clean(what))
	if why != nil {
		for _, line := range strings.Split(cleanText(mask.Text(why.Error())), "\n") {
			fmt.Fprintf(&b, "# error: %s\n", line)
		}
	}
	b.WriteString("#\n")
	b.Write(text)
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write the file to edit: %w", err)
	}
	line := firstOf(c.Getenv("KUBE_EDITOR"), c.Getenv("EDITOR"), "vi")
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return nil, usageError("EDITOR %q is no command line", line)
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], file)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.In, c.Out, c.Err
	if err := cmd.Run(); err != nil {
		return nil, &Failure{Exit: ExitAPI, Code: "Editor", Err: fmt.Errorf("run the editor %s: %w", words[0], err), Hint: "EDITOR names another one"}
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read the edited file: %w", err)
	}
	if info.Size() > maxInput {
		return nil, usageError("the edited file is larger than %d bytes", maxInput)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the edited file: %w", err)
	}
	for bytes.HasPrefix(data, []byte("#")) {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	return data, nil
}
