package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrites(t *testing.T) {
	page := `# HELP apiserver_request_total x
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="APPLY",version="v1"} 12
apiserver_request_total{code="409",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="APPLY",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="All",group="",resource="configmaps",scope="resource",subresource="",verb="APPLY",version="v1"} 1e+01
apiserver_request_total{code="200",component="apiserver",dry_run="",group="argoproj.io",resource="applications",scope="resource",subresource="",verb="PATCH",version="v1alpha1"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="nodes",scope="resource",subresource="status",verb="PATCH",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 70
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",scope="namespace",subresource="",verb="LIST",version="v1"} 99
`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer srv.Close()
	got, err := (&api{base: srv.URL, http: srv.Client()}).writes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum, words := got.since(counts{"APPLY configmaps": 3})
	if want := "10 APPLY configmaps, 10 dry-run APPLY configmaps, 3 PATCH applications"; sum != 23 || words != want {
		t.Errorf("%v writes: %s; want 23: %s", sum, words, want)
	}
}

// stream is an API server that lists one ConfigMap and then sends what it is given.
func stream(t *testing.T, events chan string) *api {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			fmt.Fprint(w, `{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"namespace":"a","name":"x","resourceVersion":"1"},"data":{"token":"0"}}]}`)
			return
		}
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush() // the recorder of httptest can
		for {
			select {
			case e := <-events:
				fmt.Fprintln(w, e)
				_ = http.NewResponseController(w).Flush() // as above
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return &api{base: srv.URL, http: srv.Client()}
}

func event(kind, name, token string) string {
	return fmt.Sprintf(`{"type":%q,"object":{"metadata":{"namespace":"a","name":%q,"resourceVersion":"2"},"data":{"token":%q}}}`, kind, name, token)
}

func TestAGoalIsReachedWhenAllAreThereAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events := make(chan string)
	v, err := newView(ctx, stream(t, events), "/list", "l=v")
	if err != nil {
		t.Fatal(err)
	}
	both := v.expect([]string{"a/x", "a/y"}, hasToken("1"))
	now := v.expect([]string{"a/x"}, hasToken("0"))
	if _, err := v.wait(ctx, now, "it is there"); err != nil {
		t.Fatal("a goal that is reached at the start:", err)
	}
	for _, e := range []string{
		event("MODIFIED", "x", "1"),
		event("MODIFIED", "x", "0"), // falls back
		event("ADDED", "y", "1"),
		event("MODIFIED", "z", "1"), // not asked for
	} {
		events <- e
	}
	seen := v.expect([]string{"a/z"}, hasToken("1"))
	if _, err := v.wait(ctx, seen, "all events are seen"); err != nil {
		t.Fatal(err)
	}
	short, end := context.WithCancelCause(ctx)
	end(errors.New("over"))
	if _, err := v.wait(short, both, "both are 1"); err == nil || !strings.Contains(err.Error(), "1 of 2 are missing, such as a/x") {
		t.Fatalf("one of two fell back, but: %v", err)
	}
	both = v.expect([]string{"a/x", "a/y"}, hasToken("1"))
	events <- event("MODIFIED", "x", "1")
	if _, err := v.wait(ctx, both, "both are 1"); err != nil {
		t.Fatal(err)
	}
}

func TestJudge(t *testing.T) {
	r := &report{progress: &bytes.Buffer{}}
	for _, res := range []result{
		{Measure: "cold.time", Value: 4, Unit: "s"}, {Measure: "cold.cpu", Value: 9, Unit: "CPU-s"}, {Measure: "all.live", Value: 1, Unit: "s"},
	} {
		r.add(res)
	}
	r.judge(workload{apps: 100, objects: 10}, limits{Cold: 2, All: .5})
	var got strings.Builder
	for _, res := range r.results {
		ok := "-"
		if res.OK != nil {
			ok = fmt.Sprint(*res.OK)
		}
		fmt.Fprintf(&got, "%s %g %s %s\n", res.Measure, res.Ratio, res.Budget, ok)
	}
	if want := "cold.time 2 3x limit true\ncold.cpu 0 8 CPU-s false\nall.live 2  -\n"; got.String() != want {
		t.Errorf("got:\n%swant:\n%s", got.String(), want)
	}
	var out bytes.Buffer
	if err := r.lines(&out); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != 3 {
		t.Errorf("lines: %v\n%s", err, out.String())
	}
}

func TestWorkloadIsWhatItSays(t *testing.T) {
	w := workload{apps: 3, objects: 4, name: "bench", namespace: "argocd", repoURL: "http://127.0.0.1/bench.git"}
	dir := t.TempDir()
	if err := w.write(dir); err != nil {
		t.Fatal(err)
	}
	for i := range w.apps {
		body, err := w.application(i)
		if err != nil {
			t.Fatal(err)
		}
		var app struct {
			Spec struct{ Source struct{ Path string } }
		}
		if err := json.Unmarshal(body, &app); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, app.Spec.Source.Path, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "- settings-") + strings.Count(string(data), "- ../../base/shared"); n != w.objects {
			t.Errorf("%s has %d objects, want %d", w.app(i), n, w.objects)
		}
		if _, err := os.Stat(filepath.Join(dir, w.path(i, 0))); err != nil {
			t.Error(err)
		}
	}
}

// The CPU time of a child counts while it lives and after it has ended.
func TestCPUOfChildren(t *testing.T) {
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read x")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	me := system{[]int{os.Getpid()}}
	before, err := me.cpu()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	living, err := me.cpu()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // read fails at the end of input
	ended, err := me.cpu()
	if err != nil {
		t.Fatal(err)
	}
	if living-before < .02 || ended < living-.02 {
		t.Errorf("CPU before %.3f, with the child %.3f, after it %.3f", before, living, ended)
	}
}
