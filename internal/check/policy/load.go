package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/belaycd/belay/internal/check"
)

// problem is something wrong with a file or an object of a policy.
type problem struct {
	place  check.Place
	object *check.Object
	path   string
	text   string
}

// library is the policies of a repository that are not deployed, and what stands beside them.
type library struct {
	definitions []*definition
	bindings    []*binding
	// others are objects of other kinds: parameters, namespaces, definitions of kinds.
	others   []*unstructured.Unstructured
	problems []problem
}

// load reads the policies of files and directories; without any named, those of Dir if it is there.
func load(files fs.FS, paths []string) (*library, error) {
	if len(paths) == 0 {
		if _, err := fs.Stat(files, Dir); errors.Is(err, fs.ErrNotExist) {
			return &library{}, nil
		}
		paths = []string{Dir}
	}
	var names []string
	for _, p := range paths {
		found, err := listFiles(files, strings.TrimSuffix(strings.TrimPrefix(p, "./"), "/"), false)
		if err != nil {
			return nil, fmt.Errorf("read the policies of %s: %w", p, err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	l := &library{}
	for _, name := range slices.Compact(names) {
		docs, err := readFile(files, name)
		if err != nil {
			l.problems = append(l.problems, problem{place: check.Place{File: name}, text: err.Error()})
			continue
		}
		for _, d := range docs {
			l.add(d.object, origin{file: d})
		}
	}
	return l, nil
}

// add takes an object in.
func (l *library) add(u *unstructured.Unstructured, from origin) {
	gk := u.GroupVersionKind().GroupKind()
	switch {
	case isPolicy(gk):
		p, err := readPolicy(u)
		if err != nil {
			l.problem(from, "", "%s: %s", u.GetName(), err)
			return
		}
		l.definitions = append(l.definitions, &definition{ValidatingAdmissionPolicy: p, from: from, manifest: u})
	case isBinding(gk):
		b, err := readBinding(u)
		if err != nil {
			l.problem(from, "", "%s: %s", u.GetName(), err)
			return
		}
		l.bindings = append(l.bindings, &binding{ValidatingAdmissionPolicyBinding: b, from: from})
	case from.file != nil:
		l.others = append(l.others, u)
	}
}

func (l *library) problem(from origin, path, format string, args ...any) {
	l.problems = append(l.problems, problem{place: from.place(path), object: from.object, path: path, text: fmt.Sprintf(format, args...)})
}

// verify finds what is wrong with the policies and takes broken ones out: the cluster would have none of them. Those that are deployed
// are judged as objects elsewhere; here, their expressions are.
func (l *library) verify(server Server, minor *version.Version) {
	l.definitions = slices.DeleteFunc(l.definitions, func(d *definition) bool {
		before := len(l.problems)
		told := map[string]bool{}
		for _, f := range verify(d.ValidatingAdmissionPolicy, minor) {
			told[f.path] = true
			p := problem{object: d.from.object, path: f.path, place: d.from.place(f.path), text: fmt.Sprintf("policy %s: %s: %s", d.Name, f.path, f.text)}
			if d.from.file != nil {
				p.place = d.from.file.inside(f.path, f.line)
			}
			l.problems = append(l.problems, p)
		}
		if d.from.file != nil {
			l.refused(server, d.manifest, d.from, told)
		}
		d.compiled = &compiled{policy: d.ValidatingAdmissionPolicy, minor: minor}
		return len(l.problems) > before
	})
	l.bindings = slices.DeleteFunc(l.bindings, func(b *binding) bool {
		if b.from.file == nil {
			return false
		}
		before := len(l.problems)
		l.refused(server, b.from.file.object, b.from, nil)
		return len(l.problems) > before
	})
}

// refused adds what the API server says against an object, but for the fields that something was told about.
func (l *library) refused(server Server, u *unstructured.Unstructured, from origin, told map[string]bool) {
	for _, e := range server.Refusals(u) {
		if !told[e.Field] {
			l.problem(from, e.Field, "%s %s: %s: %s", kindWord(u), u.GetName(), e.Field, e.ErrorBody())
		}
	}
}

func kindWord(u *unstructured.Unstructured) string {
	if isPolicy(u.GroupVersionKind().GroupKind()) {
		return "policy"
	}
	return "binding"
}

// hooks joins policies with their bindings. A policy in a file without a binding denies everywhere; a deployed one does nothing, as in
// the cluster. Bindings of the same unit come before those of others.
func hooks(definitions []*definition, bindings []*binding) (out []hook) {
	for _, d := range definitions {
		h := hook{definition: d}
		var near []*binding
		for _, b := range bindings {
			if b.Spec.PolicyName != d.Name || (b.from.file == nil) != (d.from.file == nil) {
				continue
			}
			h.bindings = append(h.bindings, b)
			if b.from.object != nil && d.from.object != nil && b.from.object.Unit == d.from.object.Unit {
				near = append(near, b)
			}
		}
		if len(near) > 0 {
			h.bindings = near
		}
		if len(h.bindings) == 0 && d.from.file != nil {
			h.bindings = []*binding{everywhere(d.Name)}
		}
		if len(h.bindings) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// isDefinition tells CustomResourceDefinitions.
func isDefinition(gk schema.GroupKind) bool {
	return gk == schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
}
