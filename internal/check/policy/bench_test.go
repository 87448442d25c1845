package policy_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/policy"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// BenchmarkCheck compiles 10 policies and judges 2,000 Deployments by them, with the pods that they make.
func BenchmarkCheck(b *testing.B) {
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("%s/%d.yaml", policy.Dir, i)] = fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: policy-%d}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  variables:
  - {name: containers, expression: object.spec.template.spec.containers}
  validations:
  - {expression: "variables.containers.all(c, c.image.startsWith('registry.example.com/') && !c.image.endsWith(':latest'))"}
  - {expression: "object.spec.replicas <= %d", messageExpression: "'at most ' + string(%d)"}
  - {expression: "has(object.metadata.labels) && 'app' in object.metadata.labels", message: labelled}
`, i, i+5, i+5)
	}
	unit := &check.Unit{Name: "unit"}
	for i := range 2000 {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": fmt.Sprintf("web-%d", i), "namespace": "default", "labels": map[string]any{"app": "web"}},
			"spec": map[string]any{"replicas": int64(2), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}, "spec": map[string]any{
					"containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:v1", "ports": []any{map[string]any{"containerPort": int64(80)}}}}}}}}}
		unit.Objects = append(unit.Objects, &check.Object{Unstructured: u, Ref: object.RefOf(u), Unit: unit})
	}
	run := func(b *testing.B, objects []*check.Object) {
		repo := &check.Repository{Files: rendertest.Files(files), Units: []*check.Unit{{Name: "unit", Objects: objects}}}
		for _, o := range objects {
			o.Unit = repo.Units[0]
		}
		for b.Loop() {
			if err := policy.New(admit.Server{}).Check(b.Context(), repo, func(f check.Finding) { b.Fatal(f.Message) }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("compile", func(b *testing.B) { run(b, unit.Objects[:1]) })
	b.Run("objects=2000", func(b *testing.B) {
		run(b, unit.Objects)
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/2000, "us/object")
	})
}
