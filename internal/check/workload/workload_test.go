package workload

import (
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", New()) }

// TestOrder proves that the order of objects, containers and volumes does not matter.
func TestOrder(t *testing.T) { checktest.Order(t, "testdata/*.txtar", New()) }

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, New()) }

// TestQuickly proves that a pod read the quick way is judged as the converted one, for all pods of the archives; and that the quick
// way is taken at all.
func TestQuickly(t *testing.T) {
	quick := 0
	names, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := checktest.Parse(archive)
		if err != nil {
			t.Fatal(err)
		}
		repo, err := c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range repo.Units {
			for _, o := range u.Objects {
				p := check.PodOf(o.Unstructured)
				if p == nil {
					continue
				}
				fast, ok := quickly(p)
				if !ok {
					continue
				}
				quick++
				slow := &corev1.PodSpec{}
				if err := convert(p, slow); err != nil {
					t.Errorf("%s: %s: the quick way reads what cannot be converted: %v", name, o.Ref, err)
				}
				for _, control := range policy.DefaultChecks() {
					for _, v := range control.Versions {
						if got, want := v.CheckPod(&metav1.ObjectMeta{}, fast), v.CheckPod(&metav1.ObjectMeta{}, slow); got != want {
							t.Errorf("%s: %s: %s: %+v; converted %+v", name, o.Ref, control.ID, got, want)
						}
					}
				}
			}
		}
	}
	if quick < 20 {
		t.Errorf("%d pods were read the quick way; wanted most", quick)
	}
}

// FuzzQuickly gives pods of any shape to both ways.
func FuzzQuickly(f *testing.F) {
	f.Add([]byte(`{"securityContext":{"runAsUser":0,"runAsNonRoot":true},"containers":[{"name":"a","securityContext":{"privileged":true,"capabilities":{"add":["SYS_ADMIN"]}}}]}`))
	f.Add([]byte(`{"hostNetwork":"yes","containers":[{"name":"a","ports":[{"hostPort":1}]}],"volumes":[{"name":"a","emptyDir":{}},{"name":"b","hostPath":{"path":"/"}}]}`))
	f.Add([]byte(`{"containers":[{"name":1,"securityContext":{"procMount":"Unmasked","seccompProfile":{"type":"Unconfined"}}},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var u unstructured.Unstructured
		if err := u.UnmarshalJSON([]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":` + string(data) + `}`)); err != nil {
			return
		}
		p := check.PodOf(&u)
		if p == nil {
			return
		}
		fast, ok := quickly(p)
		if !ok {
			return
		}
		slow := &corev1.PodSpec{}
		if err := convert(p, slow); err != nil {
			return // what is of no matter to the controls has a wrong type
		}
		for _, control := range policy.DefaultChecks() {
			for _, v := range control.Versions {
				if got, want := v.CheckPod(&metav1.ObjectMeta{}, fast), v.CheckPod(&metav1.ObjectMeta{}, slow); got != want {
					t.Errorf("%s: %+v; converted %+v", control.ID, got, want)
				}
			}
		}
	})
}

// TestControls proves that no control of the library goes without a rule, and none of ours without a control.
func TestControls(t *testing.T) {
	known := map[policy.CheckID]bool{}
	for _, c := range policy.DefaultChecks() {
		known[c.ID] = true
		if _, ours := controls()[c.ID]; ours != (c.Level == api.LevelBaseline) {
			t.Errorf("control %s of level %s: in the table of baseline: %v", c.ID, c.Level, ours)
		}
	}
	for id, c := range controls() {
		if !known[id] {
			t.Errorf("rule %s is of control %s, which there is not", c.id(), id)
		}
	}
	for id := range lacks() {
		if !known[id] {
			t.Errorf("the words for control %s are of none that there is", id)
		}
	}
	for restricted, baseline := range overridden() {
		if !known[restricted] || !known[baseline] {
			t.Errorf("%s and %s are not both controls", restricted, baseline)
		}
	}
}

// manifest is a workload as careful teams write it: what is in order costs most, as every rule looks at all of it.
const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      serviceAccountName: web
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: registry.example.com/web:v1.2.3
        env: [{name: A, value: a}, {name: B, value: b}]
        ports: [{name: http, containerPort: 8080}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
        livenessProbe: {httpGet: {path: /alive, port: 8080}}
        securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: tmp, mountPath: /tmp}, {name: config, mountPath: /etc/web}]
      volumes:
      - {name: tmp, emptyDir: {}}
      - {name: config, configMap: {name: web}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`
