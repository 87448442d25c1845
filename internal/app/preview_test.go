package app

import (
	"context"
	"testing"

	"github.com/belaycd/belay/internal/cli"
)

// TestPreviewRendersAgain: what the change touches is rendered once more where it may be another one in every render, and nowhere
// else.
func TestPreviewRendersAgain(t *testing.T) {
	overlay := func(level string) string {
		return "resources: [cm.yaml]\ncommonAnnotations: {level: " + level + "}\n"
	}
	dir, run := worktree(t, map[string]string{
		"plain/kustomization.yaml": overlay("info"),
		"plain/cm.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain, namespace: a}\ndata: {a: b}\n",
		"chart/Chart.yaml":         "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
		"chart/templates/cm.yaml":  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: random, namespace: a}\ndata: {id: {{ randAlphaNum 8 }}, level: info}\n",
	})
	run("branch", "base")
	look := func() (again bool) {
		t.Helper()
		in, err := Preview(context.Background(), cli.PreviewOptions{Root: dir, Base: "base"})
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Head.Units) != 2 {
			t.Fatalf("units: %d", len(in.Head.Units))
		}
		return in.Again != nil
	}
	write(t, dir, map[string]string{"plain/kustomization.yaml": overlay("debug")})
	run("commit", "-qam", "Plain")
	if look() {
		t.Error("a kustomization is rendered a second time")
	}
	write(t, dir, map[string]string{"chart/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: random, namespace: a}\ndata: {id: {{ randAlphaNum 8 }}, level: debug}\n"})
	run("commit", "-qam", "Chart")
	if !look() {
		t.Error("a chart without values is not rendered a second time")
	}
}
