package controlplane

import (
	"fmt"
	"runtime/debug"
	"strings"
	_ "unsafe" // for go:linkname

	apiversion "k8s.io/apimachinery/pkg/version"
	_ "k8s.io/client-go/pkg/version" // owner of the linked variables below
	"k8s.io/component-base/version"
)

// Kubernetes takes its version from variables that a release build sets by -ldflags. A plain `go build` or `go run` has
// no such flags and would call itself v0.0.0-master, which clients rightly refuse to trust; so they are set here, from
// the version of the Kubernetes module that this binary was in fact built from.

//go:linkname componentVersion k8s.io/component-base/version.gitVersion
var componentVersion string

//go:linkname componentMajor k8s.io/component-base/version.gitMajor
var componentMajor string

//go:linkname componentMinor k8s.io/component-base/version.gitMinor
var componentMinor string

//go:linkname componentCommit k8s.io/component-base/version.gitCommit
var componentCommit string

//go:linkname clientVersion k8s.io/client-go/pkg/version.gitVersion
var clientVersion string

//go:linkname clientCommit k8s.io/client-go/pkg/version.gitCommit
var clientCommit string

const kubernetesModule = "k8s.io/kubernetes"

// SetVersion makes the components of this process report the version of the Kubernetes module they were built from,
// unless the linker already set one. It must run before any component starts.
func SetVersion() error {
	if !strings.HasPrefix(componentVersion, "v0.0.0-master") {
		return nil
	}
	v, err := moduleVersion()
	if err != nil {
		return err
	}
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3)
	if len(parts) != 3 {
		return fmt.Errorf("parse version of %s: %q has no three parts", kubernetesModule, v)
	}
	componentVersion, componentMajor, componentMinor = v, parts[0], parts[1]
	componentCommit = "belay-sandbox"
	clientVersion, clientCommit = v, componentCommit
	return version.SetDynamicVersion(v)
}

// Version is what the API server of this binary reports at /version.
func Version() apiversion.Info { return version.Get() }

func moduleVersion() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", fmt.Errorf("read build information: the binary holds none")
	}
	for _, dep := range info.Deps {
		if dep.Path != kubernetesModule {
			continue
		}
		if dep.Replace != nil {
			return dep.Replace.Version, nil
		}
		return dep.Version, nil
	}
	return "", fmt.Errorf("read build information: no module %s", kubernetesModule)
}
