package archtest

// This file is a statement of policy. Change it by a decision record in docs/adr, not to make a build pass.

const module = "github.com/belaycd/belay"

// purity says what a package may touch besides its arguments.
type purity string

const (
	// pure packages compute: no process, file, network, clock, randomness or environment. Their implementations
	// (x/impl) are bound by the fences alone.
	pure purity = "pure"
	// world packages talk to the outside.
	world purity = "world"
)

// layer is one row of the design's table: a package, and with it the packages below it.
type layer struct {
	path   string // relative to the module
	rank   int
	purity purity
	reason string
}

// tool is the rank of packages that serve demos, tests and benchmarks: no product package imports them.
const tool = 100

// layers lists the packages along the path of the data. A package imports only packages of a smaller rank.
func layers() []layer {
	return []layer{
		{"api/v1alpha1", 0, pure, "the types are shared with other projects, which must not inherit our dependencies"},
		{"config", 0, pure, "embedded custom resource definitions are data"},
		{"internal/fault", 0, pure, "every stage classifies errors, so that the kinds know no stage"},
		{"internal/object", 0, pure, "identities are shared by all stages, so that they know no stage"},
		{"internal/glob", 0, pure, "one meaning of a glob, wherever a setting or a project holds one"},
		{"internal/flight", 0, pure, "sharing one run among callers knows nothing of what is run"},
		{"internal/remote", 0, world, "what credentials are given to is decided in one place, for whatever speaks HTTP"},
		{"internal/script", 1, world, "scripts of users run in one place, which bounds them; they see the clock"},
		{"internal/expression", 1, pure, "a condition or a template of a setting means the same wherever one is written, and is bounded"},
		{"internal/source", 1, pure, "a commit is named before anything is done with it"},
		{"internal/mask", 1, pure, "secrets are taken out in one way, wherever something is shown"},
		{"internal/render", 2, pure, "a render that depends on content and parameters alone can be cached and repeated"},
		{"internal/kubeapi", 1, pure, "what a version of Kubernetes serves is data, the same for every rule that asks"},
		{"internal/settings", 3, pure, "settings are read from objects that others fetched, so that a table test covers them"},
		{"internal/project", 3, pure, "permission is a function of a project and a manifest, so that every refusal is a table test"},
		{"internal/check", 6, pure, "a finding is a function of manifests, the same before a merge and in the cluster; it asks project and diff what they would say"},
		{"internal/access", 4, pure, "who may do what is a function of a policy and projects, so that every grant is a table test"},
		{"internal/identity", 4, pure, "who somebody is follows from what was read, a clock and a source of randomness, all of them given"},
		{"internal/live", 4, world, "the only reader of workloads"},
		{"internal/diff", 5, pure, "compares desired and live without I/O, so that every drift bug is a table test"},
		{"internal/repair", 7, pure, "a repair is a function of a text, so that every one is a table test and none loses a comment"},
		{"internal/report", 8, pure, "a judgement is written in one place, whatever the format"},
		{"internal/apply", 6, pure, "waves, hooks and prune are decisions; apply/ssa alone writes"},
		{"internal/health", 7, pure, "health is a function of an object and its signals, so that every state is a table test"},
		{"internal/rollout", 8, pure, "the next step is a function of state and signals, so that every abort is a table test"},
		{"internal/action", 8, pure, "what an action changes is a function of an object, so that every one is a table test; its caller writes"},
		{"internal/status", 9, pure, "the sole owner of condition types and messages; it reports, and does not look"},
		{"internal/deeplink", 4, pure, "a link is a function of a template and what is shown, so that every address is a table test"},
		{"internal/insight", 10, pure, "an explanation is a function of what was found, the same text on a terminal and in a browser"},
		{"internal/audit", 10, pure, "what happened is a function of two states, so that several watchers tell it once; audit/configmap alone writes"},
		{"internal/notify", 10, world, "sends messages to the outside"},
		{"internal/operation", 10, pure, "what may be started is decided in one place, for every way to ask for it"},
		{"internal/preview", 11, pure, "what a merge would do is told in the words of a plan, so that both warn of the same"},
		{"internal/reconcile", 11, pure, "tells the order of the stages and nothing else"},
		{"internal/controller", 12, world, "watches, queues and requeues"},
		{"internal/server", 12, world, "answers callers, and serves HTTP"},
		{"internal/webui", 12, world, "serves the embedded pages, which know the server's API and none of its packages"},
		{"internal/cli", 12, world, "reads a terminal and writes to it"},
		{"internal/app", 13, world, "the only importer of implementations"},
		{"cmd", 14, world, "reads flags and the environment, and exits"},
		{"internal/archtest", tool, world, "reads the source"},
		{"internal/demo", tool, world, "the workflow guide on one machine, for the demo and for tests"},
		{"internal/gitserver", tool, world, "a Git server for the demo and for tests"},
		{"internal/sandbox", tool, world, "a Kubernetes control plane for the demo, tests and benchmarks"},
		{"examples", tool, pure, "examples are data"},
		{"bench", tool, world, "measures from the outside"},
		{"test", tool, world, "tests from the outside"},
	}
}

// fence keeps a family of packages inside a few of ours.
type fence struct {
	imports []string // import path prefixes
	within  []string // paths relative to the module, with what is below them
	reason  string
}

func fences() []fence {
	tools := append(testSupport(), "cmd/belay-sandbox", "internal/sandbox", "internal/gitserver", "internal/demo", "bench", "test", "internal/archtest")
	with := func(paths ...string) []string { return append(paths, tools...) }
	return []fence{
		{[]string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"},
			with("internal/live", "internal/apply/ssa", "internal/audit/configmap", "internal/controller", "internal/server", "internal/cli", "internal/app"),
			"whoever holds a client can read or write the cluster past the stages"},
		{[]string{"sigs.k8s.io/kustomize", "helm.sh/helm", "github.com/google/go-jsonnet"},
			[]string{"internal/render", "internal/check"},
			"rendering libraries are replaced in one place or not at all"},
		{[]string{"github.com/yuin/gopher-lua"}, []string{"internal/script"},
			"scripts run in one place, which bounds them"},
		{[]string{"github.com/go-git", "github.com/libgit2"}, []string{"internal/source/git"},
			"git is spoken in one place"},
		{[]string{"k8s.io/kubernetes", "go.etcd.io/etcd", "sigs.k8s.io/kwok"},
			[]string{"cmd/belay-sandbox", "internal/sandbox", "internal/check/native"},
			"Kubernetes itself is huge and must not be linked into the product by accident"},
		{[]string{"os/exec"}, with("internal/source", "internal/render/plugin", "internal/notify", "internal/cli", "internal/app", "cmd"),
			"a child process is a way out of every limit; a renderer has none, but for plugins, which are programs (decision 7)"},
		{[]string{"math/rand", "crypto/rand"}, with("internal/controller", "internal/server", "internal/cli", "internal/app", "cmd"),
			"randomness is injected, so that a test can repeat a run"},
		{[]string{"github.com/stretchr/testify", "github.com/onsi", "github.com/golang/mock", "go.uber.org/mock"}, nil,
			"tests use the standard library and go-cmp"},
	}
}

// forbiddenInPure are the ways to the outside that a pure package has no use for. Of the package os it may use os.Expand,
// which computes.
func forbiddenInPure() []string {
	return []string{"os/exec", "os/signal", "net", "net/http", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "log"}
}

// onlyFrom restricts who may import a package, besides tests.
type onlyFrom struct {
	path    string
	parents []string
	reason  string
}

func importers() []onlyFrom {
	tools := append(testSupport(), "bench", "test", "cmd/belay-sandbox", "cmd/belay-demo", "internal/demo")
	only := []onlyFrom{
		{"internal/sandbox", tools, "the sandbox is for the demo, tests and benchmarks"},
		{"internal/demo", tools, "the demo is for its program and for tests"},
		{"internal/gitserver", tools, "the Git server is for the demo, tests and benchmarks"},
		{"internal/app", []string{"cmd", "bench", "test"}, "wiring is for programs"},
	}
	for _, path := range testSupport() {
		only = append(only, onlyFrom{path, tools, "a conformance suite is for tests"})
	}
	return only
}

// testSupport lists packages that only tests import: conformance suites and what they run against.
func testSupport() []string {
	return []string{"internal/source/sourcetest", "internal/render/rendertest", "internal/check/checktest", "internal/server/servertest", "internal/identity/oidc/oidctest"}
}

// bannedNames say nothing about what a package provides.
func bannedNames() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "types", "models", "model", "manager", "misc", "base", "shared", "lib"}
}

// Size budgets in lines and parameters. A soft breach is listed by go test -v, a hard one fails.
const (
	softFile, hardFile         = 400, 600
	softFunction, hardFunction = 60, 100
	hardStory                  = 60 // the functions of internal/reconcile: the story stays one screen
	hardParameters             = 5  // besides a context and the receiver
)

// exemption is a breach that stands, with its present size. It must go when it is no longer needed, and it must not grow.
type exemption struct {
	where  string // file, file:Function, file:variable
	size   int
	reason string
}

// exemptions may only shrink.
func exemptions() []exemption {
	return []exemption{
		{"internal/sandbox/testing.go:shared", 1, "one cluster per test binary; tests cannot hand a value to each other"},
		{"internal/sandbox/controlplane/version.go:componentVersion", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/controlplane/version.go:componentMajor", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/controlplane/version.go:componentMinor", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/controlplane/version.go:componentCommit", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/controlplane/version.go:clientVersion", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/controlplane/version.go:clientCommit", 1, "linked by the toolchain to Kubernetes' own variable"},
		{"internal/sandbox/binary.go:os.Getenv", 1, "tests get the path of the sandbox's binary from the environment"},
	}
}
