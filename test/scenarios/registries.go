package scenarios

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/belaycd/belay/internal/source/sourcetest"
	"github.com/belaycd/belay/test/e2e/harness"
)

// registries are a Helm repository and an OCI registry of the scenario's own, made when they are first needed.
type registries struct {
	charts *sourcetest.ChartRepo
	oci    *sourcetest.OCIRegistry
}

// serve starts both servers and tells the scenario their addresses: $CHARTS and $REGISTRY.
func (c *call) serve() {
	if c.charts != nil {
		return
	}
	c.charts, c.oci = &sourcetest.ChartRepo{}, sourcetest.NewOCIRegistry()
	charts, oci := harness.Serve(c.t, c.charts), harness.Serve(c.t, c.oci)
	c.ts.Setenv("CHARTS", charts.URL)
	c.ts.Setenv("REGISTRY", strings.TrimPrefix(oci.URL, "http://"))
}

// registry makes the addresses known before anything is published.
func registry(c *call) error {
	c.serve()
	return nil
}

// publish packs the chart in a directory and publishes it in the Helm repository, or with --repo in the OCI registry.
func publish(c *call) error {
	c.serve()
	name, version := c.args[1], c.args[2]
	files, err := c.files(name)
	if err != nil {
		return err
	}
	if _, ok := files[name+"/Chart.yaml"]; !ok {
		files[name+"/Chart.yaml"] = fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)
	}
	if c.repo != "" {
		_, err := c.oci.PushChart(c.ctx, path.Join(c.repo, name), version, sourcetest.Archive(files))
		return err
	}
	c.charts.Publish(name, version, sourcetest.Archive(files))
	return nil
}

// lie makes the index of the Helm repository list a chart with a digest that it does not have.
func lie(c *call) error {
	c.serve()
	c.charts.Lie(c.args[0], c.args[1], c.args[2])
	return nil
}

// push puts the files of a directory into the OCI registry as an artifact.
func push(c *call) error {
	c.serve()
	files, err := c.files("")
	if err != nil {
		return err
	}
	layer := sourcetest.Layer{MediaType: sourcetest.LayerGzip, Data: sourcetest.Archive(files)}
	digest, err := c.oci.Push(c.ctx, c.args[1], c.args[2], "application/vnd.oci.empty.v1+json", layer)
	if err != nil {
		return err
	}
	c.ts.Setenv("REV", digest)
	if c.as != "" {
		c.ts.Setenv(c.as, digest)
	}
	return nil
}

// files reads the directory that the first argument names, with variables expanded, below a prefix.
func (c *call) files(prefix string) (map[string]string, error) {
	dir := c.ts.MkAbs(c.args[0])
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		out[path.Join(prefix, filepath.ToSlash(rel))] = c.expand(c.ts, string(data))
		return err
	})
	return out, err
}
