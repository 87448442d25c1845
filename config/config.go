// Package config holds what an installation consists of, as YAML: the generated custom resource definitions (crd/) and
// the objects of the program itself (install/). The files are embedded as they stand.
package config

import (
	"embed"
	"fmt"
	"io/fs"
	"sort"
)

//go:embed crd/*.yaml install/*.yaml
var files embed.FS

// CRDs returns the custom resource definitions, a YAML document each.
func CRDs() ([][]byte, error) { return read("crd") }

// Install returns the files of the installation, with the namespace argocd and the image belay in the places where an
// installation puts its own. A file may hold several documents.
func Install() ([][]byte, error) { return read("install") }

func read(dir string) ([][]byte, error) {
	names, err := fs.Glob(files, dir+"/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	sort.Strings(names)
	out := make([][]byte, len(names))
	for i, name := range names {
		if out[i], err = files.ReadFile(name); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return out, nil
}
