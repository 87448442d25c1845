package checktest

import (
	"fmt"
	"testing"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
)

// Bench judges count copies of the objects of a manifest, each in a namespace of its own, and reports the time for one object.
func Bench(b *testing.B, manifest string, count int, checkers ...check.Checker) {
	b.Helper()
	repo := &check.Repository{KubeVersions: []string{"1.37.2"}}
	unit := &check.Unit{Name: "bench", Cluster: "https://cluster.example.com"}
	repo.Units = []*check.Unit{unit}
	for i := range count {
		objects, err := render.Decode("bench.yaml", []byte(manifest))
		if err != nil {
			b.Fatal(err)
		}
		for _, u := range objects {
			u.SetNamespace(fmt.Sprintf("n%d", i))
			unit.Objects = append(unit.Objects, &check.Object{Unstructured: u, Ref: object.RefOf(u), Unit: unit})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range checkers {
			if err := c.Check(b.Context(), repo, func(check.Finding) {}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(unit.Objects)), "ns/object")
}
