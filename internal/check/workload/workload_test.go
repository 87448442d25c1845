package workload

import (
	"testing"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", New()) }

// TestOrder proves that the order of objects, containers and volumes does not matter.
func TestOrder(t *testing.T) { checktest.Order(t, "testdata/*.txtar", New()) }

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, New()) }

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
