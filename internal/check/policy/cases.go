package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/check"
)

// Options say which policies are tested or linted.
type Options struct {
	// Files is the tree, Paths what is read of it: files and directories, none for Dir.
	Files fs.FS
	Paths []string
	// KubeVersion is the version of the cluster, such as 1.37; empty means the newest.
	KubeVersion string
}

// caseFile is a file with cases, which stands beside the policies it tests.
type caseFile struct {
	Cases []testCase `json:"cases"`
}

// testCase is a request and what the policies are to say.
type testCase struct {
	Name string `json:"name"`
	// Policy limits the case to one policy; empty means all beside the file.
	Policy string `json:"policy"`
	// Object, or all objects of File, are created; Old or the objects of OldFile are what they replace.
	Object  map[string]any `json:"object"`
	File    string         `json:"file"`
	Old     map[string]any `json:"old"`
	OldFile string         `json:"oldFile"`
	// NamespaceLabels are the labels of the namespace of the object.
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	// Params are objects that policies may take parameters from.
	Params []map[string]any `json:"params"`
	// User sends the request; empty means Belay's controller.
	User *caseUser `json:"user"`
	// Expect is allow, deny, warn or audit; Message is a part of what the policies say.
	Expect  string `json:"expect"`
	Message string `json:"message"`
}

type caseUser struct {
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
}

// Outcome is what came of a case.
type Outcome struct {
	File, Case string
	// Want and Got are allow, deny, warn, audit, or "not evaluable".
	Want, Got string
	Passed    bool
	// Said are the messages of the policies, and what could not be told.
	Said []string
}

// Flaw is something wrong with a policy.
type Flaw struct {
	Place    check.Place
	Severity check.Severity
	Text     string
}

// Tests is the result of all cases.
type Tests struct {
	Outcomes []Outcome
	// Flaws are policies that do not work. Untested are those that no case is about.
	Flaws    []Flaw
	Untested []string
}

// Test runs the cases that stand beside policies.
func Test(ctx context.Context, server Server, opts Options) (*Tests, error) {
	out := &Tests{}
	files, err := caseFiles(opts)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no cases: none of the files below %s ends in %s", strings.Join(opts.paths(), ", "), testSuffix)
	}
	policies, err := readLibrary(server, opts)
	if err != nil {
		return nil, err
	}
	for _, p := range policies.problems {
		out.Flaws = append(out.Flaws, Flaw{p.place, check.Error, p.text})
	}
	if len(policies.definitions)+len(policies.problems) == 0 {
		return nil, fmt.Errorf("no policies: no file beside %s holds a ValidatingAdmissionPolicy", files[0])
	}
	t := &tester{server: server, files: opts.Files, policies: policies, asked: map[string]bool{}}
	for _, name := range files {
		if err := t.file(ctx, name, out); err != nil {
			return nil, err
		}
	}
	for _, d := range policies.definitions {
		if !t.asked[d.Name] {
			out.Untested = append(out.Untested, d.Name)
		}
	}
	slices.Sort(out.Untested)
	return out, nil
}

func (o Options) paths() []string {
	if len(o.Paths) == 0 {
		return []string{Dir}
	}
	return o.Paths
}

// caseFiles lists the files with cases.
func caseFiles(opts Options) (out []string, err error) {
	for _, p := range opts.paths() {
		found, err := listFiles(opts.Files, path.Clean(p), true)
		if err != nil {
			return nil, fmt.Errorf("read the cases of %s: %w", p, err)
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// readLibrary reads the policies that stand in the same directories as the cases, and those named.
func readLibrary(server Server, opts Options) (*library, error) {
	paths := slices.Clone(opts.paths())
	for i, p := range paths {
		if strings.HasSuffix(p, testSuffix) {
			paths[i] = path.Dir(p)
		}
	}
	policies, err := load(opts.Files, paths)
	if err != nil {
		return nil, err
	}
	minor, err := parseMinor(opts.KubeVersion)
	if err != nil {
		return nil, err
	}
	policies.verify(server, minor)
	return policies, nil
}

// tester runs cases.
type tester struct {
	server   Server
	files    fs.FS
	policies *library
	asked    map[string]bool
}

func (t *tester) file(ctx context.Context, name string, out *Tests) error {
	data, err := fs.ReadFile(t.files, name)
	if err != nil {
		return err
	}
	var f caseFile
	if err := yaml.UnmarshalStrict(data, &f); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if len(f.Cases) == 0 {
		return fmt.Errorf("read %s: it has no cases", name)
	}
	for i := range f.Cases {
		c := &f.Cases[i]
		if c.Name == "" {
			c.Name = fmt.Sprintf("cases[%d]", i)
		}
		o, err := t.run(ctx, path.Dir(name), c)
		if err != nil {
			return fmt.Errorf("%s: case %q: %w", name, c.Name, err)
		}
		o.File = name
		out.Outcomes = append(out.Outcomes, *o)
	}
	return nil
}

// pair is an object and what it replaces.
type pair struct{ object, old *unstructured.Unstructured }

func (t *tester) run(ctx context.Context, dir string, c *testCase) (*Outcome, error) {
	if !slices.Contains([]string{"allow", "deny", "warn", "audit"}, c.Expect) {
		return nil, fmt.Errorf("expect is %q: one of allow, deny, warn, audit", c.Expect)
	}
	pairs, err := t.pairs(dir, c)
	if err != nil {
		return nil, err
	}
	v, err := t.view(c, pairs)
	if err != nil {
		return nil, err
	}
	var who user.Info
	if c.User != nil {
		who = &user.DefaultInfo{Name: c.User.Name, Groups: c.User.Groups}
	}
	o := &Outcome{Case: c.Name, Want: c.Expect, Got: "allow"}
	if len(v.hooks) == 0 {
		o.Got = "no policy that works"
		return o, nil
	}
	worst, unsure := check.Off, false
	for _, p := range pairs {
		for _, s := range v.judge(ctx, p.object, p.old, who) {
			worst, unsure = max(worst, s.severity), unsure || s.unsure != ""
			o.Said = append(o.Said, s.String())
		}
	}
	switch {
	case worst == check.Error:
		o.Got = "deny"
	case unsure:
		o.Got = "not evaluable"
	case worst == check.Warning:
		o.Got = "warn"
	case worst == check.Note:
		o.Got = "audit"
	}
	o.Passed = o.Got == o.Want && (c.Message == "" || slices.ContainsFunc(o.Said, func(s string) bool { return strings.Contains(s, c.Message) }))
	if o.Got == o.Want && !o.Passed {
		o.Want = fmt.Sprintf("%s: %q", o.Want, c.Message)
	}
	return o, nil
}

// view is the cluster of a case: what stands beside the policies, and what the case adds.
func (t *tester) view(c *testCase, pairs []pair) (*view, error) {
	definitions := slices.DeleteFunc(slices.Clone(t.policies.others), func(u *unstructured.Unstructured) bool {
		return !isDefinition(u.GroupVersionKind().GroupKind())
	})
	v := &view{world: newWorld(newKinds(t.server, definitions))}
	for _, u := range t.policies.others {
		v.world.add(u)
	}
	for _, p := range c.Params {
		v.world.add(&unstructured.Unstructured{Object: p})
	}
	if c.NamespaceLabels != nil {
		for _, p := range pairs {
			name := v.world.kinds.namespace(p.object)
			v.world.namespaces[name] = named(name, c.NamespaceLabels)
		}
	}
	for _, h := range hooks(t.policies.definitions, t.policies.bindings) {
		if c.Policy != "" && h.Name != c.Policy {
			continue
		}
		if h.Spec.ParamKind != nil && h.bindings[0].made && len(c.Params) > 0 {
			h.bindings = []*binding{withAll(h.Name)}
		}
		t.asked[h.Name] = true
		v.hooks = append(v.hooks, h)
	}
	return v, nil
}

// withAll is the binding of a policy that has none, for all parameters of the case.
func withAll(policy string) *binding {
	b := everywhere(policy)
	deny := v1.DenyAction
	b.Spec.ParamRef = &v1.ParamRef{Selector: &metav1.LabelSelector{}, ParameterNotFoundAction: &deny}
	return b
}

func (t *tester) pairs(dir string, c *testCase) ([]pair, error) {
	objects, err := t.objects(dir, c.Object, c.File)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, errors.New("it has neither object nor file")
	}
	old, err := t.objects(dir, c.Old, c.OldFile)
	if err != nil {
		return nil, err
	}
	var out []pair
	for _, o := range objects {
		p := pair{object: o}
		for _, before := range old {
			if before.GroupVersionKind() == o.GroupVersionKind() && before.GetName() == o.GetName() && before.GetNamespace() == o.GetNamespace() {
				p.old = before
			}
		}
		out = append(out, p)
	}
	if len(old) > 0 && !slices.ContainsFunc(out, func(p pair) bool { return p.old != nil }) {
		return nil, errors.New("no old object has the kind, name and namespace of an object")
	}
	return out, nil
}

func (t *tester) objects(dir string, inline map[string]any, file string) ([]*unstructured.Unstructured, error) {
	switch {
	case inline != nil && file != "":
		return nil, errors.New("an object stands either in the case or in a file, not in both")
	case inline != nil:
		u := &unstructured.Unstructured{Object: inline}
		if u.GetKind() == "" || u.GetAPIVersion() == "" {
			return nil, errors.New("an object has no apiVersion or kind")
		}
		data, err := u.MarshalJSON()
		if err != nil {
			return nil, err
		}
		return []*unstructured.Unstructured{u}, u.UnmarshalJSON(data) // numbers as the API machinery wants them
	case file == "":
		return nil, nil
	}
	docs, err := readFile(t.files, path.Join(dir, file))
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for _, d := range docs {
		out = append(out, d.object)
	}
	return out, nil
}
