package network

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", Checker{}) }

// TestOrder proves that the order of objects, containers and volumes does not matter.
func TestOrder(t *testing.T) { checktest.Order(t, "testdata/*.txtar", Checker{}) }

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, Checker{}) }

const manifest = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: app, image: "registry.example.com/web:v1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls: [{hosts: [web.example.com], secretName: web}]
  rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}
`
