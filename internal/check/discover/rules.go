package discover

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// Checker implements check.Checker: it reports what could not be read or rendered.
type Checker struct{}

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	return []check.Rule{{
		ID: "render-failed", Title: "manifests that cannot be rendered", Severity: check.Error,
		Why: "What cannot be rendered cannot be deployed: the application stays at its last good commit, and nothing behind this change arrives.",
		Fix: "Mend what the message names. The message is the one that the application would show in the cluster.",
	}, {
		ID: "yaml-syntax", Title: "a manifest that cannot be read", Severity: check.Error,
		Why: "A file that is no YAML, sets a key twice or has a template left unfilled stops the whole application that it belongs to: nothing of it is deployed until the file is mended.",
		Fix: "Correct the line. Indent with spaces, set each key once, and quote values that hold braces, colons or hashes.",
	}}
}

// Check implements check.Checker.
func (Checker) Check(_ context.Context, repo *check.Repository, report func(check.Finding)) error {
	broken := map[string]bool{}
	for i := range repo.Unreadable {
		p := &repo.Unreadable[i]
		broken[p.Place.File] = true
		if len(p.Units) == 0 {
			report(check.Finding{Rule: "yaml-syntax", Message: p.Why, Place: p.Place})
		}
		for _, u := range p.Units {
			report(check.Finding{Rule: "yaml-syntax", Unit: u, Message: p.Why, Place: p.Place})
		}
	}
	for _, u := range repo.Units {
		switch {
		case u.Err != nil && !broken[u.ErrAt.File]:
			report(check.Finding{Rule: "render-failed", Unit: u, Path: fieldOf(u), Message: u.Err.Error(), Place: u.ErrAt})
		case u.Err == nil && u.Skipped == "" && !u.Unchanged && len(u.Objects) == 0 && u.App != nil:
			report(check.Finding{Rule: "render-failed", Unit: u, Path: "spec.source.path", Message: fmt.Sprintf("nothing is rendered: %s holds no manifest", u.Path),
				Fix: "Correct the path, or add the manifests. An application that renders nothing removes all that it had deployed."})
		}
		for _, o := range u.Objects {
			leftTemplate(o, report)
		}
	}
	return nil
}

// fieldOf is the field of an Application that an error is about.
func fieldOf(u *check.Unit) string {
	if u.App == nil {
		return ""
	}
	message := ""
	if u.Err != nil {
		message = u.Err.Error()
	}
	if m := fieldInError.FindString(message); m != "" {
		return m
	}
	for text, field := range map[string]string{"valueFiles": "helm.valueFiles", "fileParameters": "helm.fileParameters", "app path": "path", "release name": "helm.releaseName"} {
		if strings.Contains(message, text) {
			return "spec.source." + field
		}
	}
	return ""
}

var fieldInError = regexp.MustCompile(`spec\.source\.[A-Za-z.]+[A-Za-z]`)

// leftTemplate reports text of a template engine that has come through a render. Kinds of others may want such text, and so may
// the data of a ConfigMap.
func leftTemplate(o *check.Object, report func(check.Finding)) {
	gvk := o.GroupVersionKind()
	if strings.Contains(gvk.Group, ".") && !strings.HasSuffix(gvk.Group, ".k8s.io") {
		return
	}
	tell := func(path, value string) {
		if i := strings.Index(value, "{{"); i >= 0 && strings.Contains(value[i:], "}}") {
			report(check.Finding{Rule: "yaml-syntax", Object: o, Path: path, Message: fmt.Sprintf("%s %s: a template is left in the render: %s", gvk.Kind, o.GetName(), clip(value[i:]))})
		}
	}
	tell("metadata.name", o.GetName())
	tell("metadata.namespace", o.GetNamespace())
	metadata, _ := o.Object["metadata"].(map[string]any)
	if labels, ok := metadata["labels"].(map[string]any); ok {
		for key, value := range labels {
			text, _ := value.(string)
			tell(check.Join("metadata.labels", key), text)
		}
	}
	if pod := check.PodOf(o.Unstructured); pod != nil {
		for _, c := range pod.Containers() {
			image, _ := c.Fields["image"].(string)
			tell(check.Join(c.Path, "image"), image)
		}
	}
}

// clip shortens a text that is quoted.
func clip(text string) string {
	if end := strings.Index(text, "}}"); end >= 0 {
		text = text[:end+2]
	}
	if len(text) > 80 {
		return text[:80] + "..."
	}
	return text
}
