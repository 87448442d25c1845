package policies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/policy"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// saying is what a judge says about an object. A server that denies names one policy, whichever it asked first.
type saying struct {
	denied, warned []string
}

// applier is the account that the offline check takes for the sender.
const applier = "system:serviceaccount:argocd:belay"

// TestServer sends the objects of each archive to a real API server, which has the policies, and to the check. An archive has files
// policies.yaml, world.yaml (what is in the cluster before), objects.yaml and, for changes, old.yaml.
func TestServer(t *testing.T) {
	cluster := sandbox.Start(t)
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	policies := 0
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			c := read(t, name)
			policies += len(c.policies)
			s := newServer(t, cluster)
			s.create(t, c.world...)
			s.create(t, c.old...)
			s.create(t, c.policies...)
			s.settle(t, filepath.Base(name))
			offline := judge(t, c)
			for _, o := range c.objects {
				s.compare(t, o, offline[object.RefOf(o)])
			}
		})
	}
	if policies < 50 { // half of them bindings
		t.Errorf("%d policies and bindings were compared; there are to be 50", policies)
	}
}

// TestRefused sends policies that are wrong to both: what the server does not take is told by the check too, and the other way round.
func TestRefused(t *testing.T) {
	s := newServer(t, sandbox.Start(t))
	data, err := os.ReadFile("testdata/refused.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := render.Decode("refused.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range objects {
		_, err := s.resource(t, s.admin, u).Create(t.Context(), u, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: "Strict"})
		text, _ := yaml.Marshal(u.Object)
		repo := &check.Repository{Files: rendertest.Files(map[string]string{policy.Dir + "/policy.yaml": string(text)}), KubeVersions: []string{"1.37"}}
		report, jerr := check.Judge(t.Context(), repo, nil, policy.New(admit.Server{}))
		if jerr != nil {
			t.Fatal(jerr)
		}
		var said []string
		for i := range report.Results {
			if r := &report.Results[i]; r.Rule.ID == "policy-broken" && !strings.Contains(r.Message, "is beside it") {
				said = append(said, r.Message)
			}
		}
		if strings.HasPrefix(u.GetName(), "fine-") != (err == nil) || (err == nil) != (len(said) == 0) {
			t.Errorf("%s:\n  server: %v\n  check:  %q", u.GetName(), err, said)
		}
		t.Logf("%s:\n  server: %v\n  check:  %q", u.GetName(), err, said)
	}
}

// archive is a case.
type archive struct{ policies, world, old, objects []*unstructured.Unstructured }

func read(t *testing.T, name string) archive {
	t.Helper()
	parsed, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var c archive
	for _, f := range parsed.Files {
		objects, err := render.Decode(f.Name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case "policies.yaml":
			c.policies = objects
		case "world.yaml":
			c.world = objects
		case "old.yaml":
			c.old = objects
		case "objects.yaml":
			c.objects = objects
		default:
			t.Fatalf("%s: unknown file %s", name, f.Name)
		}
	}
	return c
}

// judge runs the check over a repository that deploys policies, world and objects.
func judge(t *testing.T, c archive) map[object.Ref]*saying {
	t.Helper()
	repository := func(lists ...[]*unstructured.Unstructured) *check.Repository {
		unit := &check.Unit{Name: "unit"}
		for _, u := range slices.Concat(lists...) {
			unit.Objects = append(unit.Objects, &check.Object{Unstructured: u.DeepCopy(), Ref: object.RefOf(u), Unit: unit})
		}
		return &check.Repository{Files: rendertest.Files(nil), Units: []*check.Unit{unit}, KubeVersions: []string{"1.37"}}
	}
	repo := repository(c.policies, c.world, c.objects)
	repo.Base = repository(c.old)
	report, err := check.Judge(t.Context(), repo, nil, policy.New(admit.Server{}))
	if err != nil {
		t.Fatal(err)
	}
	out := map[object.Ref]*saying{}
	for i := range report.Results {
		r := &report.Results[i]
		if r.Rule.ID == "policy-broken" {
			t.Errorf("%s: %s", r.Rule.ID, r.Message)
		}
		if strings.Contains(r.Message, ", of the pod that it makes:") {
			continue // the server is asked about what is sent alone
		}
		for _, ref := range r.Objects {
			if out[ref] == nil {
				out[ref] = &saying{}
			}
			said := wording(t, r)
			switch {
			case r.Rule.ID == "policy-not-evaluable":
				t.Errorf("%s: not evaluable: %s", ref, r.Message)
			case r.Severity == check.Error:
				out[ref].denied = append(out[ref].denied, said)
			case r.Severity == check.Warning:
				out[ref].warned = append(out[ref].warned, said)
			}
		}
	}
	return out
}

// wording is "policy: message", as of the server.
func wording(t *testing.T, r *check.Result) string {
	m := regexp.MustCompile(`(?s)^policy ([^,:]+)(?:, validations\[\d+\])?: (.*)$`).FindStringSubmatch(r.Message)
	if m == nil {
		t.Fatalf("a message of another form: %s", r.Message)
	}
	return m[1] + ": " + m[2]
}

// server is a client that sends as the applier does, and notes warnings.
type server struct {
	admin  dynamic.Interface
	mapper meta.ResettableRESTMapper
	config *rest.Config
}

func newServer(t *testing.T, cluster *sandbox.Sandbox) *server {
	t.Helper()
	config := cluster.RESTConfig()
	admin, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{admin: admin, config: config, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovered))}
	rights := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": "applier"},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "namespace": "argocd", "name": "belay"}}}}
	s.create(t, rights)
	return s
}

// resource returns the client for the resource of an object; a kind that was just defined takes a moment.
func (s *server) resource(t *testing.T, client dynamic.Interface, u *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	gvk := u.GroupVersionKind()
	var mapping *meta.RESTMapping
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		var err error
		if mapping, err = s.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); meta.IsNoMatchError(err) {
			s.mapper.Reset()
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("find the resource of %s: %v", gvk, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return client.Resource(mapping.Resource)
	}
	namespace := u.GetNamespace()
	if namespace == "" {
		namespace = "default"
	}
	return client.Resource(mapping.Resource).Namespace(namespace)
}

func (s *server) create(t *testing.T, objects ...*unstructured.Unstructured) {
	t.Helper()
	for _, u := range objects {
		client := s.resource(t, s.admin, u)
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := client.Create(ctx, u, metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				return true, nil
			}
			// a namespace whose account is not made yet, a kind that is not served yet
			if apierrors.IsForbidden(err) && strings.Contains(err.Error(), "service account") || apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			t.Fatalf("create %s: %v", object.RefOf(u), err)
		}
	}
}

// settle waits until the server acts on what was created: a policy that is created last refuses.
func (s *server) settle(t *testing.T, name string) {
	t.Helper()
	name = "settled-" + strings.TrimSuffix(name, ".txtar")
	text := strings.ReplaceAll(`{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: NAME}, spec: {
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps], resourceNames: [NAME]}]}, validations: [{expression: "false"}]}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: NAME}, spec: {policyName: NAME, validationActions: [Deny]}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, namespace: default}}`, "NAME", name)
	objects, err := render.Decode("settled.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s.create(t, objects[:2]...)
	err = wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		said, err := s.ask(t, objects[2])
		return err == nil && len(said.denied) > 0, err
	})
	if err != nil {
		t.Fatalf("wait for the server to act on policies: %v", err)
	}
}

// compare asks the server until it says what the check said: kinds of parameters that it watches only now take a moment.
func (s *server) compare(t *testing.T, o *unstructured.Unstructured, offline *saying) {
	t.Helper()
	if offline == nil {
		offline = &saying{}
	}
	var said *saying
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 15*time.Second, true, func(context.Context) (bool, error) {
		var err error
		if said, err = s.ask(t, o); err != nil {
			return false, err
		}
		return said.equals(offline), nil
	})
	switch {
	case err == nil:
		t.Logf("%s: denied %q, warned %q", object.RefOf(o), offline.denied, offline.warned)
	case errors.Is(err, context.DeadlineExceeded):
		t.Errorf("%s:\n  server: denied %q, warned %q\n  check:  denied %q, warned %q", object.RefOf(o), said.denied, said.warned, offline.denied, offline.warned)
	default:
		t.Errorf("%s: %v", object.RefOf(o), err)
	}
}

// equals compares what the server said with what the check said.
func (s *saying) equals(offline *saying) bool {
	if len(s.denied) != min(len(offline.denied), 1) || len(s.denied) == 1 && !slices.Contains(offline.denied, s.denied[0]) {
		return false
	}
	// What one binding denies and another warns of is one finding.
	for _, w := range s.warned {
		if !slices.Contains(offline.warned, w) && !slices.Contains(offline.denied, w) {
			return false
		}
	}
	return !slices.ContainsFunc(offline.warned, func(w string) bool { return !slices.Contains(s.warned, w) })
}

// warnings collects those of one request.
type warnings struct{ texts []string }

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) { w.texts = append(w.texts, text) }

// ask sends an object in a dry run: it is created, or replaces the one that is there.
func (s *server) ask(t *testing.T, o *unstructured.Unstructured) (*saying, error) {
	t.Helper()
	heard := &warnings{}
	config := rest.CopyConfig(s.config)
	config.WarningHandler = heard
	config.Impersonate = rest.ImpersonationConfig{UserName: applier, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:argocd", "system:authenticated"}}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	resource := s.resource(t, client, o)
	there, err := s.resource(t, s.admin, o).Get(t.Context(), o.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = resource.Create(t.Context(), o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "argocd-controller"})
	case err == nil:
		changed := o.DeepCopy()
		changed.SetResourceVersion(there.GetResourceVersion())
		_, err = resource.Update(t.Context(), changed, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: "argocd-controller"})
	}
	out := &saying{}
	denial := regexp.MustCompile(`(?s)ValidatingAdmissionPolicy '([^']+)'(?: with binding '[^']+')? denied request: (.*)$`)
	if err != nil {
		m := denial.FindStringSubmatch(err.Error())
		if m == nil {
			return nil, fmt.Errorf("the server refuses it for another reason: %w", err)
		}
		out.denied = []string{m[1] + ": " + m[2]}
	}
	for _, text := range heard.texts {
		if m := regexp.MustCompile(`(?s)Validation failed for ValidatingAdmissionPolicy '([^']+)' with binding '[^']+': (.*)$`).FindStringSubmatch(text); m != nil {
			out.warned = append(out.warned, m[1]+": "+m[2])
		}
	}
	return out, nil
}
