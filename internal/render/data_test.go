package render_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/helm"
	"github.com/belaycd/belay/internal/render/jsonnet"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
)

var update = flag.Bool("update", false, "rewrite the wanted results in testdata")

func newRenderer() render.Renderer {
	return render.New(render.Renderers{Directory: plain.New(jsonnet.New()), Kustomize: kustomize.New(), Helm: helm.New()})
}

// input is the form of spec.yaml in a data test; what it leaves out has the values of base.
type input struct {
	AppName      string                     `json:"appName,omitempty"`
	Namespace    string                     `json:"namespace,omitempty"`
	Revision     string                     `json:"revision,omitempty"`
	KubeVersion  string                     `json:"kubeVersion,omitempty"`
	APIVersions  []string                   `json:"apiVersions,omitempty"`
	Source       v1alpha1.ApplicationSource `json:"source"`
	BuildOptions string                     `json:"buildOptions,omitempty"`
	DisableHelm  bool                       `json:"disableHelm,omitempty"`
	DisableKust  bool                       `json:"disableKustomize,omitempty"`
	DisableJson  bool                       `json:"disableJsonnet,omitempty"`
	MaxBytes     int64                      `json:"maxBytes,omitempty"`
}

func (in input) spec() render.Spec {
	return render.Spec{
		AppName: in.AppName, AppNamespace: "argocd", Project: "default", Namespace: in.Namespace,
		Source: in.Source, Revision: source.Revision(in.Revision), KubeVersion: in.KubeVersion, APIVersions: in.APIVersions,
		Options: render.Options{
			DisableHelm: in.DisableHelm, DisableKustomize: in.DisableKust, DisableJsonnet: in.DisableJson,
			KustomizeBuildOptions: in.BuildOptions, MaxDirectoryBytes: in.MaxBytes,
		},
	}
}

// TestData runs every testdata/*.txtar: repo/ holds the repository, refs/NAME/ the repository of another source, spec.yaml
// the input, and want the result: the type and the objects, or "error (Kind): message".
func TestData(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no data tests: %v", err)
	}
	renderer := newRenderer()
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			repo, refs := map[string]string{}, map[string]map[string]string{}
			in := input{AppName: "demo", Namespace: "demo-ns", Revision: strings.Repeat("0123456789", 4), KubeVersion: "1.37.2"}
			var want []byte
			for _, f := range archive.Files {
				if rel, ok := strings.CutPrefix(f.Name, "repo/"); ok {
					repo[rel] = string(f.Data)
				}
				if rel, ok := strings.CutPrefix(f.Name, "refs/"); ok {
					ref, rel, _ := strings.Cut(rel, "/")
					if refs[ref] == nil {
						refs[ref] = map[string]string{}
					}
					refs[ref][rel] = string(f.Data)
				}
				switch f.Name {
				case "spec.yaml":
					if err := yaml.UnmarshalStrict(f.Data, &in); err != nil {
						t.Fatal(err)
					}
				case "want":
					want = f.Data
				}
			}
			spec := in.spec()
			spec.Refs = refsOf(refs)
			out, err := renderer.Render(context.Background(), rendertest.Files(repo), spec)
			got := format(t, out, err)
			if *update {
				setFile(archive, "want", []byte(got))
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// refsOf makes sources of other repositories, by the names that value files give them.
func refsOf(repos map[string]map[string]string) render.Refs {
	refs := render.Refs{}
	for name, files := range repos {
		refs[name] = render.Ref{RepoURL: "https://git.example.com/" + name, Revision: source.Revision(name + "-1"), Files: rendertest.Files(files)}
	}
	return refs
}

func setFile(archive *txtar.Archive, name string, data []byte) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = data
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
}

func format(t *testing.T, out render.Manifests, err error) string {
	t.Helper()
	if err != nil {
		return "error (" + fault.KindOf(err).String() + "): " + strings.TrimSpace(err.Error()) + "\n"
	}
	var b strings.Builder
	b.WriteString("# " + string(out.Type) + "\n")
	for _, w := range out.Warnings {
		b.WriteString("# warning: " + w + "\n")
	}
	for _, u := range out.Objects {
		data, err := yaml.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(data))
	}
	return b.String()
}
