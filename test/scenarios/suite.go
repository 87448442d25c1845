package scenarios

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/test/e2e/harness"
)

// Behaviours that a scenario can ask for by condition.
const (
	belay  = "belay"
	argocd = "argocd"
)

// Suite is where scenarios run: a cluster, and a control plane with a controller of Applications.
type Suite struct {
	Cluster *harness.Cluster
	// Plane is the control plane of all scenarios that do not ask for one of their own.
	Plane *harness.Plane
	// External says that somebody else runs the controller: none is started or restarted.
	External bool
	// Behaviour is what is expected of the controller: that of belay or, where a scenario says that belay differs, of argocd.
	Behaviour string

	objects *objects
}

// NewSuite prepares a suite; plane is the control plane that most scenarios share.
func NewSuite(plane *harness.Plane, external bool, behaviour string) (*Suite, error) {
	if behaviour != belay && behaviour != argocd {
		return nil, fmt.Errorf("behaviour is %q; want %s or %s", behaviour, belay, argocd)
	}
	o, err := newObjects(plane.REST)
	if err != nil {
		return nil, err
	}
	return &Suite{Cluster: plane.Cluster, Plane: plane, External: external, Behaviour: behaviour, objects: o}, nil
}

// params are the parameters of testscript for the files.
func (s *Suite) params(files []string) testscript.Params {
	return testscript.Params{
		Files:              files,
		RequireUniqueNames: true,
		Setup:              s.setup,
		Condition:          s.condition,
		Cmds:               commands(),
	}
}

func (s *Suite) condition(name string) (bool, error) {
	switch name {
	case belay, argocd:
		return s.Behaviour == name, nil
	case "external":
		return s.External, nil
	}
	return false, fmt.Errorf("unknown condition; there are %s, %s and external", belay, argocd)
}

// files returns the scenario files of a directory: those that share a control plane, and those that ask for their own.
func files(dir string) (together, alone []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range all {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			return nil, nil, err
		}
		if asksForAlone.Match(archive.Comment) {
			alone = append(alone, file)
		} else {
			together = append(together, file)
		}
	}
	return together, alone, nil
}

var asksForAlone = regexp.MustCompile(`(?m)^alone\s*$`)

// serial runs scenarios one after the other: with a control plane that all share, one that changes settings has it for
// itself.
type serial struct{ *testing.T }

func (s serial) Parallel()     {}
func (s serial) Verbose() bool { return testing.Verbose() }
func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}
