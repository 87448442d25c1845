package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParams(t *testing.T) {
	got, err := paramsOf([]string{"a=1", "b=x=y", "c="})
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "x=y", "c": ""}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range [][]string{{"a"}, {"=1"}, {""}, {"a=1", "a=2"}} {
		if got, err := paramsOf(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, got)
		}
	}
}

// TestActionColumns: the columns of argocd, and more with -o wide.
func TestActionColumns(t *testing.T) {
	offered := []offeredAction{{Group: "apps", Kind: "Deployment", Name: "web", Action: "scale", Disabled: true, namespace: "shop", title: "Scale", params: []string{"replicas=2", "x"}}}
	for output, want := range map[string][][]string{
		"table": {{"GROUP", "KIND", "NAME", "ACTION", "DISABLED"}, {"apps", "Deployment", "web", "scale", "true"}},
		"wide": {{"GROUP", "KIND", "NAME", "ACTION", "DISABLED", "NAMESPACE", "PARAMS", "DISPLAY NAME"},
			{"apps", "Deployment", "web", "scale", "true", "shop", "replicas=2,x", "Scale"}},
	} {
		if diff := cmp.Diff(want, append([][]string{actionHeader(output)}, actionRows(offered, output)...)); diff != "" {
			t.Errorf("%s: %s", output, diff)
		}
	}
}
