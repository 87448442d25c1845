package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/operation"
)

var update = flag.Bool("update", false, "write the files want.* of testdata/print anew")

func testTime() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// TestPrint feeds the input files of each archive to the printers that its files want.* name.
func TestPrint(t *testing.T) {
	paths, err := filepath.Glob("testdata/print/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string][]byte{}
			for _, f := range archive.Files {
				in[f.Name] = f.Data
			}
			checked := 0
			for i, f := range archive.Files {
				name, ok := strings.CutPrefix(f.Name, "want.")
				if !ok {
					continue
				}
				checked++
				var out bytes.Buffer
				if err := printInput(&out, name, in); err != nil {
					t.Fatal(err)
				}
				got := strings.TrimRight(out.String(), "\n") + "\n"
				if *update {
					archive.Files[i].Data = []byte(got)
				} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if checked == 0 {
				t.Error("the archive wants nothing")
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// printInput runs one printer.
func printInput(out io.Writer, name string, in map[string][]byte) error {
	app, err := readApp(in["app.yaml"])
	if err != nil {
		return err
	}
	switch name {
	case "list":
		return printApps(out, []v1alpha1.Application{*app}, false)
	case "get":
		view := appView{app: app, url: "https://cd.example.com/applications/" + qualified(app), zone: time.UTC, operation: true, params: true,
			windows: windowSummary{known: true, word: "Sync Allowed"}}
		if err := view.print(out); err != nil {
			return err
		}
		fmt.Fprintln(out)
		return table(out, stateHeader(), rowsOf(statesOf(app)))
	case "history":
		return printHistory(out, app.Status.History, "wide", time.UTC)
	case "progress":
		before, err := readApp(in["before.yaml"])
		if err != nil {
			return err
		}
		for _, e := range changes(before, app) {
			fmt.Fprintln(out, plainLine("TIME", e))
		}
		return nil
	case "block":
		for _, line := range blockLines(app, "sync "+qualified(app), 12*time.Second, 5) {
			fmt.Fprintln(out, cut(line, 100))
		}
		return nil
	case "busy":
		_, err := io.WriteString(out, failureText(classify(fmt.Errorf("sync application %s: %w", qualified(app), operation.Busy(app, testTime())))))
		return err
	case "diff", "diff.json":
		return printPlanInput(out, name, in["plan.yaml"])
	}
	return fmt.Errorf("no printer %q", name)
}

func readApp(data []byte) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	return app, yaml.UnmarshalStrict(data, app)
}

// planInput is a plan as YAML.
type planInput struct {
	Warnings []string
	Objects  []struct {
		Action, Reason, Refused string
		Hook                    bool
		Live, Predicted         map[string]any
		Changes                 []object.Change
	}
}

func printPlanInput(out io.Writer, name string, data []byte) error {
	var in planInput
	if err := yaml.UnmarshalStrict(data, &in); err != nil {
		return err
	}
	plan := &Plan{Warnings: in.Warnings, Revisions: []string{"abc"}}
	for _, o := range in.Objects {
		p := PlannedObject{Action: PlanAction(o.Action), Reason: o.Reason, Refused: o.Refused, Hook: o.Hook, Changes: o.Changes}
		if o.Live != nil {
			p.Live = &unstructured.Unstructured{Object: o.Live}
			p.Ref = object.RefOf(p.Live)
		}
		if o.Predicted != nil {
			p.Predicted = &unstructured.Unstructured{Object: o.Predicted}
			p.Ref = object.RefOf(p.Predicted)
		}
		plan.Objects = append(plan.Objects, p)
	}
	c := &cli{Env: Env{Out: out, Err: out, Getenv: func(string) string { return "" }, Now: testTime}}
	format := "wide"
	if name == "diff.json" {
		format = "json"
	}
	_, err := c.printPlan(context.Background(), plan, format)
	return err
}
