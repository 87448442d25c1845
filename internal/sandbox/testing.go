package sandbox

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	namespaceTimeout  = 30 * time.Second
	namespaceInterval = 20 * time.Millisecond
	// namePrefixLength leaves room for a random suffix in the 63 characters of a namespace name.
	namePrefixLength = 50
)

// shared is the one cluster of a test binary: starting one per test would cost seconds each. It is the package's only
// mutable variable; Start and Main alone touch it.
var shared struct {
	sync.Mutex
	instance *Instance
	sandbox  *Sandbox
	err      error
}

// Sandbox is the cluster that the tests of one binary share.
type Sandbox struct {
	kubeconfig string
	config     *rest.Config
	client     kubernetes.Interface
}

// Main runs the tests and then ends the cluster, if one was started; it returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }
//
// Without it the cluster ends too, but a moment after the test binary.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.instance == nil {
		return code
	}
	if err := shared.instance.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Start returns the cluster of this test binary, and starts it for the first test that asks. Tests share it: each works
// in namespaces of its own (Namespace) and names cluster-scoped objects after them. In short mode the test is skipped.
func Start(t testing.TB) *Sandbox {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a cluster; skipped in short mode")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.sandbox == nil && shared.err == nil {
		shared.instance, shared.sandbox, shared.err = startShared()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	if err := shared.instance.Err(); err != nil {
		t.Fatal(err)
	}
	return shared.sandbox
}

func startShared() (*Instance, *Sandbox, error) {
	binary, err := testBinary()
	if err != nil {
		return nil, nil, err
	}
	instance, err := Launch(context.Background(), Options{Binary: binary})
	if err != nil {
		return nil, nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", instance.Kubeconfig())
	if err != nil {
		return instance, nil, fmt.Errorf("read kubeconfig of belay-sandbox: %w", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return instance, nil, fmt.Errorf("make client for belay-sandbox: %w", err)
	}
	return instance, &Sandbox{kubeconfig: instance.Kubeconfig(), config: config, client: client}, nil
}

// Kubeconfig is the path of the administrator's kubeconfig.
func (s *Sandbox) Kubeconfig() string { return s.kubeconfig }

// RESTConfig is a client configuration of the administrator without a rate limit; the caller may change it.
func (s *Sandbox) RESTConfig() *rest.Config { return rest.CopyConfig(s.config) }

// Client is a client of the administrator.
func (s *Sandbox) Client() kubernetes.Interface { return s.client }

// Namespace makes a new namespace named after the test and waits until pods can be created in it. It is deleted, without
// waiting, when the test ends.
func (s *Sandbox) Namespace(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), namespaceTimeout)
	defer cancel()
	name := namespaceName(t.Name())
	namespaces := s.client.CoreV1().Namespaces()
	if _, err := namespaces.Create(ctx, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name}}, meta.CreateOptions{}); err != nil {
		t.Fatalf("create namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		// The cluster goes away with the test binary anyhow, so an error does no harm.
		_ = namespaces.Delete(context.Background(), name, meta.DeleteOptions{})
	})
	// Pods are refused until the controllers have made the namespace's service account.
	err := wait.PollUntilContextCancel(ctx, namespaceInterval, true, func(ctx context.Context) (bool, error) {
		_, err := s.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("wait for service account of namespace %s: %v", name, err)
	}
	return name
}

// namespaceName turns the name of a test into a DNS label, made unique by a random suffix.
func namespaceName(test string) string {
	name := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(test), "-")
	if len(name) > namePrefixLength {
		name = name[:namePrefixLength]
	}
	return strings.Trim(name, "-") + "-" + rand.String(6)
}
