package render_test

import (
	"testing"

	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/helm"
	"github.com/belaycd/belay/internal/render/jsonnet"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
	"github.com/belaycd/belay/internal/render/rendertest"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n"

func plainFixture() rendertest.Fixture {
	return rendertest.Fixture{
		Renderer: plain.New(jsonnet.New()), Path: "app", Manifest: "app/a.yaml",
		Files: map[string]string{"app/a.yaml": configMap, "app/b.yml": configMap},
	}
}

func jsonnetFixture() rendertest.Fixture {
	return rendertest.Fixture{
		Renderer: plain.New(jsonnet.New()), Path: "app", Manifest: "lib/a.libsonnet",
		Files: map[string]string{
			"app/a.jsonnet":   "[(import '../lib/a.libsonnet') + {data: {a: importstr 'a.txt'}}]",
			"app/a.txt":       "text",
			"lib/a.libsonnet": "{apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'a'}}",
		},
		Outward: []map[string]string{
			{"app/a.jsonnet": "import 'https://git.example.com/a.libsonnet'"},
			{"app/a.jsonnet": "import '/etc/a.libsonnet'"},
			{"app/a.jsonnet": "std.native('exec')('sh')"},
		},
	}
}

func kustomizeFixture() rendertest.Fixture {
	remote := func(text string) map[string]string { return map[string]string{"app/kustomization.yaml": text} }
	return rendertest.Fixture{
		Renderer: kustomize.New(), Path: "app", Manifest: "base/a.yaml",
		Files: map[string]string{
			"app/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\nconfigMapGenerator: [{name: g, literals: [a=b]}]\n",
			"base/Kustomization":     "resources: [a.yaml]\n",
			"base/a.yaml":            configMap,
			"app/p.yaml":             "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: http://git.example.com/p.yaml\n",
			"app/h.yaml":             "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: h}\nname: redis\nrepo: https://charts.example.com\n",
			"app/x.yaml":             "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"exec: {path: sh}\"}}\n",
		},
		Outward: []map[string]string{
			remote("resources: ['https://git.example.com/o/r//base?ref=v1']"),
			remote("resources: ['https://git.example.com/raw/a.yaml']"),
			remote("resources: ['git@git.example.com:o/r.git']"),
			remote("resources: ['git::https://git.example.com/o/r.git']"),
			remote("resources: ['GitHub.com/o/r']"),
			remote("resources: ['ssh://git.example.com/o/r.git']"),
			remote("resources: ['file:///o/r.git//a']"),
			remote("resources: [\"\\x68ttps://git.example.com/o/r//base\"]"),
			remote("resources: [!!binary aHR0cHM6Ly9naXQuZXhhbXBsZS5jb20vby9yLy9i]"),
			remote("resources:\n- >-\n  https://git.example.com/a.yaml\n"),
			remote("Resources: ['https://git.example.com/o/r//base']"),
			remote("bases: ['github.com/o/r//base']"),
			remote("components: ['https://git.example.com/o/r//c']"),
			remote("crds: ['http:git.example.com']\nresources: [../base]"),
			remote("configurations: ['https://git.example.com/c.yaml']\nresources: [../base]"),
			remote("patches: [{path: 'https://git.example.com/p.yaml'}]\nresources: [../base]"),
			remote("patchesStrategicMerge: ['https://git.example.com/p.yaml']\nresources: [../base]"),
			remote("replacements: [{path: 'https://git.example.com/p.yaml'}]\nresources: [../base]"),
			remote("configMapGenerator: [{name: a, files: ['a=https://git.example.com/p.yaml']}]"),
			remote("secretGenerator: [{name: a, envs: ['https://git.example.com/p.yaml']}]"),
			remote("secretGenerator: [{name: a, env: 'https://git.example.com/p.yaml'}]"),
			remote("openapi: {path: 'https://git.example.com/s.json'}\nresources: [../base]"),
			remote("transformers: [p.yaml]\nresources: [../base]"),
			remote("generators: [h.yaml]"),
			remote("generators: [x.yaml]"),
			remote("validators: ['https://git.example.com/s.yaml']\nresources: [../base]"),
			remote("transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: https://git.example.com/p.yaml\nresources: [../base]"),
			remote("helmCharts: [{name: redis, repo: 'https://charts.example.com'}]"),
			remote("helmChartInflationGenerator: [{chartName: redis, chartRepoUrl: 'https://charts.example.com'}]"),
		},
	}
}

func helmFixture() rendertest.Fixture {
	return rendertest.Fixture{
		Renderer: helm.New(), Path: "app", Manifest: "app/templates/a.yaml",
		Files: map[string]string{
			"app/Chart.yaml":       "{apiVersion: v2, name: app, version: 0.1.0}",
			"app/values.yaml":      "a: 1\n",
			"app/templates/a.yaml": configMap,
			"app/templates/b.yaml": "{{ range $k, $v := .Values }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ $k }}}\n{{ end }}",
		},
		Outward: []map[string]string{
			{"app/Chart.yaml": "{apiVersion: v2, name: app, version: 0.1.0, dependencies: [{name: a, version: 1.0.0, repository: 'https://charts.example.com'}]}"},
			{"app/values.schema.json": `{"$ref": "http://example.com/schema.json"}`},
			{"app/templates/c.yaml": `{{ fail (getHostByName "example.com") }}`},
		},
	}
}

func TestConformance(t *testing.T) {
	fixtures := map[string]rendertest.Fixture{"plain": plainFixture(), "jsonnet": jsonnetFixture(), "kustomize": kustomizeFixture(), "helm": helmFixture()}
	for name, f := range fixtures {
		t.Run(name, func(t *testing.T) { rendertest.Run(t, f) })
		t.Run("dispatched "+name, func(t *testing.T) {
			f.Renderer = render.Limit(newRenderer(), render.LimitOptions{})
			rendertest.Run(t, f)
		})
	}
}
