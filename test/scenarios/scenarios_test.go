package scenarios

import (
	"flag"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

var (
	cluster    = flag.String("cluster", "", "kubeconfig of the cluster; without one, a sandbox is started")
	controller = flag.String("controller", "belay", "belay, which is started; or external: the one that runs in the cluster")
	namespace  = flag.String("namespace", "argocd", "control plane of an external controller")
	behaviour  = flag.String("behaviour", "", "belay or argocd: what to expect; by default argocd of an external controller")
)

// atOnce is how many scenarios run beside each other: they wait most of the time.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	log.SetLogger(logr.Discard()) // of the client that the tests use
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(sandbox.Main(m))
}

// newSuite starts or finds what the flags ask for.
func newSuite(t *testing.T) *Suite {
	t.Helper()
	external := *controller == "external"
	expected := *behaviour
	if expected == "" {
		expected = map[bool]string{false: belay, true: argocd}[external]
	}
	var plane *harness.Plane
	switch {
	case !external && *controller != "belay":
		t.Fatalf("-controller is %q; want belay or external", *controller)
	case external && *cluster == "":
		t.Fatal("an external controller runs in a cluster that is there already: name its kubeconfig with -cluster")
	case external:
		plane = harness.Given(t, *cluster, false).Served(*namespace)
	case *cluster != "":
		plane = harness.Given(t, *cluster, true).Plane(t)
	default:
		plane = harness.Shared(t).Plane(t)
	}
	s, err := NewSuite(plane, external, expected)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScenarios runs every file of testdata.
func TestScenarios(t *testing.T) {
	together, alone, err := files("testdata")
	if err != nil {
		t.Fatal(err)
	}
	s := newSuite(t)
	if !s.External {
		testscript.Run(t, s.params(append(together, alone...)))
		return
	}
	t.Run("together", func(t *testing.T) { testscript.Run(t, s.params(together)) })
	testscript.RunT(serial{t}, s.params(alone))
}
