package native

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
)

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, New()) }

// manifest is a workload as teams write it.
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
      serviceAccountName: web
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: registry.example/web:1.2
        ports: [{name: http, containerPort: 8080}]
        env: [{name: LEVEL, value: info}, {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]
        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}
        readinessProbe: {httpGet: {path: /ready, port: http}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
`
