package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/test/e2e/harness"
)

const (
	mergePatch = types.MergePatchType
	// by is the field manager of what a scenario writes.
	by = "scenario"
	// kubectl is that of client-side applies.
	kubectl = "kubectl-client-side-apply"
)

// call is one line of a scenario.
type call struct {
	*scenario
	ts    *testscript.TestScript
	ctx   context.Context //nolint:containedctx // a line is one operation
	flags *pflag.FlagSet
	args  []string
	// neg is set by "!": the API server is expected to refuse.
	neg bool

	namespace, selector, manager, message, repo, as string
	within                                          time.Duration
	client, status                                  bool
}

// command does what a line says; least and most bound its arguments.
type command struct {
	usage       string
	least, most int
	do          func(*call) error
}

func table() map[string]command {
	return map[string]command{
		"alone":     {"alone", 0, 0, func(c *call) error { return c.ownPlane() }},
		"differs":   {"differs 'what Argo CD does instead'", 1, 1, differs},
		"commit":    {"commit DIR [BRANCH] [--message TEXT] [--repo NAME] [--as VARIABLE]", 1, 2, commit},
		"tag":       {"tag NAME [BRANCH] [--repo NAME]", 1, 2, tag},
		"registry":  {"registry", 0, 0, registry},
		"publish":   {"publish DIR CHART VERSION [--repo PATH]", 3, 3, publish},
		"lie":       {"lie CHART VERSION DIGEST", 3, 3, lie},
		"push":      {"push DIR PATH TAG [--as VARIABLE]", 3, 3, push},
		"create":    {"create APP ['JSON merged over the plain Application']", 1, 2, create},
		"apply":     {"apply FILE [--client] [--manager NAME]", 1, 1, apply},
		"edit":      {"edit KIND/NAME 'JSON merge patch' [-n NAMESPACE] [--manager NAME] [--status]", 2, 2, edit},
		"annotate":  {"annotate KIND/NAME KEY=VALUE|KEY- ... [-n NAMESPACE]", 2, 20, annotate},
		"delete":    {"delete KIND/NAME [-n NAMESPACE]", 1, 1, remove},
		"settings":  {"settings FILE [NAME]", 1, 2, settings},
		"restart":   {"restart [-- ARGUMENTS of belay run]", 0, 9, restart},
		"refresh":   {"refresh APP [hard]", 1, 2, refresh},
		"sync":      {"sync APP ['JSON of operation.sync' ['JSON of operation']]", 1, 3, startSync},
		"terminate": {"terminate APP", 1, 1, terminate},
		"confirm":   {"confirm APP", 1, 1, confirm},
		"ended":     {"ended APP PHASE ['text of the message' ...] [--within TIME]", 2, 9, ended},
		"await":     {"await KIND[/NAME] 'jq' [-n NAMESPACE] [-l SELECTOR] [--within TIME]", 2, 2, await},
		"expect":    {"expect KIND[/NAME] 'jq' [-n NAMESPACE] [-l SELECTOR]", 2, 2, expect},
		"steady":    {"steady KIND[/NAME] 'jq' DURATION [-n NAMESPACE] [-l SELECTOR]", 3, 3, steady},
		"absent":    {"absent KIND/NAME [-n NAMESPACE] [--within TIME]", 1, 1, absent},
	}
}

// commands makes the table known to testscript.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name, cmd := range table() {
		out[name] = func(ts *testscript.TestScript, neg bool, args []string) { run(cmd, ts, neg, args) }
	}
	return out
}

func run(cmd command, ts *testscript.TestScript, neg bool, args []string) {
	c := &call{scenario: of(ts), ts: ts, neg: neg, flags: pflag.NewFlagSet("", pflag.ContinueOnError)}
	if c.over {
		return
	}
	c.flags.StringVarP(&c.namespace, "namespace", "n", "", "")
	c.flags.StringVarP(&c.selector, "selector", "l", "", "")
	c.flags.StringVar(&c.manager, "manager", by, "")
	c.flags.StringVarP(&c.message, "message", "m", "change", "")
	c.flags.StringVar(&c.repo, "repo", "", "")
	c.flags.StringVar(&c.as, "as", "", "")
	c.flags.BoolVar(&c.client, "client", false, "")
	c.flags.BoolVar(&c.status, "status", false, "")
	c.flags.DurationVar(&c.within, "within", harness.Limit, "")
	err := c.flags.Parse(args)
	if c.args = c.flags.Args(); err != nil || len(c.args) < cmd.least || len(c.args) > cmd.most {
		ts.Fatalf("usage: %s (%v)", cmd.usage, err)
	}
	var cancel context.CancelFunc
	c.ctx, cancel = c.bounded(c.within)
	defer cancel()
	switch err := cmd.do(c); {
	case neg && err == nil:
		ts.Fatalf("it was expected to fail")
	case neg && !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) && !apierrors.IsBadRequest(err):
		ts.Fatalf("it was expected that the API server refuses, not: %v", err)
	case neg:
		ts.Logf("refused: %v", err)
	case err != nil:
		ts.Fatalf("%v", err)
	}
}

// ownPlane gives the scenario a control plane of its own, where the runner starts controllers.
func (c *call) ownPlane() error {
	if c.External {
		return nil // the runner runs such scenarios one by one
	}
	c.plane = c.Cluster.Plane(c.t)
	c.ts.Setenv("ARGOCD", c.plane.Namespace)
	return c.place(fmt.Sprintf(project, c.ns, c.plane.Namespace))
}

// differs marks what follows as the expectation of belay.
func differs(c *call) error {
	c.ts.Logf("differs: %s", c.args[0])
	c.over = c.Behaviour == argocd
	return nil
}

func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// repository returns a repository of the scenario, made when it is first named.
func (c *call) repository() *harness.Repo {
	if c.repos[c.repo] == nil {
		c.repos[c.repo] = c.repos[""].Beside(c.t, c.repo)
	}
	return c.repos[c.repo]
}

// commit makes the files of a directory the content of a branch.
func commit(c *call) error {
	dir := c.ts.MkAbs(c.args[0])
	files := harness.Files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = c.expand(c.ts, string(data))
		return err
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	branch := c.arg(1)
	if branch == "" {
		branch = "main"
	}
	rev := c.repository().CommitAs(c.t, branch, c.message, files)
	c.ts.Setenv("REV", rev)
	if c.as != "" {
		c.ts.Setenv(c.as, rev)
	}
	c.ts.Logf("%s is %s", branch, rev)
	return nil
}

func tag(c *call) error {
	branch := c.arg(1)
	if branch == "" {
		branch = "main"
	}
	c.repository().Git(c.t, "tag", "-f", c.args[0], branch)
	return nil
}

// apply writes the objects of a file, server-side or as kubectl does on the client's side.
func apply(c *call) error {
	text := c.expand(c.ts, c.ts.ReadFile(c.args[0]))
	for _, doc := range strings.Split("\n"+text, "\n---") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		u, err := c.read(doc)
		if err != nil {
			return err
		}
		if c.client {
			err = c.applyClientSide(c.ctx, u, c.clientManager())
		} else {
			err = c.applyServerSide(c.ctx, u, c.manager)
		}
		if err != nil {
			return fmt.Errorf("apply %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// plain is the Application that create makes: path app of the repository's branch main, to the namespace of the scenario.
const plain = `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": %q}, "spec": {
	"project": "$PROJECT", "source": {"repoURL": "$REPO", "path": "app", "targetRevision": "main"},
	"destination": {"server": "https://kubernetes.default.svc", "namespace": "$NS"}}}`

// create makes an Application.
func create(c *call) error {
	doc := []byte(c.expand(c.ts, fmt.Sprintf(plain, c.args[0])))
	if patch := c.arg(1); patch != "" {
		var err error
		if doc, err = jsonpatch.MergePatch(doc, []byte(c.expand(c.ts, patch))); err != nil {
			return fmt.Errorf("create: JSON: %w", err)
		}
	}
	u, err := c.read(string(doc))
	if err != nil {
		return err
	}
	at, err := c.prepare(u)
	if err != nil {
		return err
	}
	if _, err := at.Create(c.ctx, u, metav1.CreateOptions{FieldManager: by}); err != nil {
		return fmt.Errorf("create Application %s: %w", c.args[0], err)
	}
	return nil
}

// clientManager is the manager of a client-side apply: kubectl's, if the line names none.
func (c *call) clientManager() string {
	if c.flags.Changed("manager") {
		return c.manager
	}
	return kubectl
}

// edit patches an object as a person would.
func edit(c *call) error {
	t := c.parse(c.args[0], c.namespace, "")
	patch := c.expand(c.ts, c.args[1])
	if !json.Valid([]byte(patch)) {
		return fmt.Errorf("edit %s: not JSON: %s", t, patch)
	}
	return c.patch(t, []byte(patch))
}

func (c *call) patch(t target, patch []byte) error {
	at, err := c.at(t)
	if err != nil {
		return err
	}
	if t.name == "" {
		return fmt.Errorf("%s: want KIND/NAME", t)
	}
	var subresources []string
	if c.status {
		subresources = append(subresources, "status")
	}
	if _, err = at.Patch(c.ctx, t.name, mergePatch, patch, metav1.PatchOptions{FieldManager: c.manager}, subresources...); err != nil {
		return fmt.Errorf("edit %s: %w", t, err)
	}
	return nil
}

func annotate(c *call) error {
	changes := map[string]any{}
	for _, arg := range c.args[1:] {
		key, value, ok := strings.Cut(arg, "=")
		switch {
		case ok:
			changes[key] = value
		case strings.HasSuffix(arg, "-"):
			changes[strings.TrimSuffix(arg, "-")] = nil
		default:
			return fmt.Errorf("annotate: %q is neither KEY=VALUE nor KEY-", arg)
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": changes}})
	if err != nil {
		return err
	}
	return c.patch(c.parse(c.args[0], c.namespace, ""), patch)
}

// remove asks for a deletion and does not wait for it.
func remove(c *call) error {
	t := c.parse(c.args[0], c.namespace, "")
	at, err := c.at(t)
	if err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	if err := at.Delete(c.ctx, t.name, metav1.DeleteOptions{PropagationPolicy: &background}); err != nil {
		return fmt.Errorf("delete %s: %w", t, err)
	}
	return nil
}

// restart kills the controller and starts it again.
func restart(c *call) error {
	if c.External || c.plane == c.Plane {
		return errors.New("restart: only the controller of a scenario with the line alone can be restarted; with '[external] skip' before it")
	}
	c.plane.Kill()
	if len(c.args) > 0 {
		c.plane.Args = c.args
	}
	c.plane.Start(c.t)
	return nil
}

// read parses one document and fills in the namespace.
func (c *call) read(doc string) (*unstructured.Unstructured, error) {
	u := harness.Object(c.t, doc)
	if u.GetKind() == "" || u.GetName() == "" {
		return nil, fmt.Errorf("a document is no object:\n%s", doc)
	}
	return u, nil
}
