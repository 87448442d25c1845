package convention

import (
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/fault"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", Checker{}) }

// TestOrder proves that the order of objects, containers and volumes does not matter.
func TestOrder(t *testing.T) { checktest.Order(t, "testdata/*.txtar", Checker{}) }

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, Checker{}) }

// TestSettings proves that a setting that cannot be read is told, with its place, and that nothing passes for judged.
func TestSettings(t *testing.T) {
	for want, config := range map[string]check.Config{
		"naming[0].pattern: error parsing":         {Naming: []check.NameRule{{Pattern: "("}}},
		"naming[0].pattern is empty":               {Naming: []check.NameRule{{}}},
		"naming[1].pattern has 2000 bytes":         {Naming: []check.NameRule{{Pattern: "a"}, {Pattern: strings.Repeat("a", 2000)}}},
		"labels[0].keys is empty":                  {Labels: []check.LabelRule{{}}},
		"labels[0].values: error parsing":          {Labels: []check.LabelRule{{Keys: []string{"a"}, Values: "["}}},
		"labels[0].namespaces[0]: glob":            {Labels: []check.LabelRule{{Keys: []string{"a"}, Namespaces: []string{"[" + "a"}}}},
		"may have 100 entries each, not 0 and 101": {Naming: make([]check.NameRule, 101)},
	} {
		err := Checker{}.Check(t.Context(), &check.Repository{Config: config}, func(check.Finding) {})
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: wanted Invalid %q", err, want)
		}
	}
}

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec: {template: {spec: {containers: [{name: app, image: "registry.example.com/web:v1"}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {a: b}
`
