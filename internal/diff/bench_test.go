package diff

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

const benchDesired = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}, annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/web"}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        ports: [{containerPort: 8080, name: http, protocol: TCP}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: C, value: "3"}]
        resources: {requests: {cpu: 1000m, memory: 1024Mi}, limits: {memory: 1Gi}}
`

const benchLive = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  uid: 0b1e5f1c-0000-4000-8000-000000000000
  resourceVersion: "4711"
  generation: 1
  labels: {app: web, tier: front}
  annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/web", deployment.kubernetes.io/revision: "1"}
  managedFields:
  - manager: argocd-controller
    operation: Apply
    apiVersion: apps/v1
    fieldsType: FieldsV1
    fieldsV1: {"f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}, "f:labels": {"f:app": {}, "f:tier": {}}},
      "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {},
        "f:ports": {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {}}},
        "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}, 'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}}, 'k:{"name":"C"}': {".": {}, "f:name": {}, "f:value": {}}},
        "f:resources": {"f:limits": {"f:memory": {}}, "f:requests": {"f:cpu": {}, "f:memory": {}}}}}}}}}
spec:
  progressDeadlineSeconds: 600
  replicas: 3
  revisionHistoryLimit: 10
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}, type: RollingUpdate}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        imagePullPolicy: IfNotPresent
        ports: [{containerPort: 8080, name: http, protocol: TCP}]
        env: [{name: A, value: "1"}, {name: B, value: "2"}, {name: C, value: "3"}]
        resources: {requests: {cpu: "1", memory: 1Gi}, limits: {memory: 1Gi}}
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
status: {observedGeneration: 1, replicas: 3, readyReplicas: 3}
`

func benchInput(b *testing.B, rules Rules) Input {
	b.Helper()
	desired, live := parseOne(b, benchDesired), object.NewLive(parseOne(b, benchLive))
	targets, err := NewTargets([]*unstructured.Unstructured{desired}, TargetOptions{
		Namespace: "shop", Track: same, Scope: func(schema.GroupVersionKind) (bool, bool) { return true, true },
	})
	if err != nil {
		b.Fatal(err)
	}
	return Input{Targets: targets, Live: func(object.Ref) (*object.Live, bool) { return live, true }, Rules: rules, Memory: NewMemory()}
}

// BenchmarkCovers compares the content of an object in step.
func BenchmarkCovers(b *testing.B) {
	in := benchInput(b, Rules{})
	live, _ := in.Live(object.Ref{})
	desired := in.Targets.Objects[0].Object.Object
	b.ReportAllocs()
	for b.Loop() {
		if !coversObject(desired, live.Object.Object, true) {
			b.Fatal("it differs")
		}
	}
}

// BenchmarkCompareInStep compares an object in step for the first time, without a question to the server.
func BenchmarkCompareInStep(b *testing.B) { benchCompare(b, Rules{}) }

// BenchmarkCompareIgnoring does so under a rule that concerns the object.
func BenchmarkCompareIgnoring(b *testing.B) {
	rules, err := NewRules(Options{Ignore: v1alpha1.IgnoreDifferences{{Group: "*", Kind: "*", JSONPointers: []string{"/status"}}}})
	if err != nil {
		b.Fatal(err)
	}
	benchCompare(b, rules)
}

func benchCompare(b *testing.B, rules Rules) {
	in := benchInput(b, rules)
	b.ReportAllocs()
	for b.Loop() {
		plan, err := Compare(in)
		if err != nil {
			b.Fatal(err)
		}
		if len(plan.Suspects()) > 0 || !plan.InSync() {
			b.Fatal("it differs")
		}
	}
}
