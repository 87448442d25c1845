package permission

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", Checker{}) }

// TestOrder proves that the order of objects, containers and volumes does not matter.
func TestOrder(t *testing.T) { checktest.Order(t, "testdata/*.txtar", Checker{}) }

func BenchmarkCheck(b *testing.B) { checktest.Bench(b, manifest, 200, Checker{}) }

const manifest = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments, statefulsets], verbs: [get, list, watch, patch]}
- {apiGroups: [""], resources: [secrets], resourceNames: [web], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web}]
`
