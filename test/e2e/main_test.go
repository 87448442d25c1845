package e2e

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // of the client that the tests use
	os.Exit(sandbox.Main(m))
}

// directory is the source of a directory with all that is below it.
func directory(r *harness.Repo, path string) v1alpha1.ApplicationSource {
	src := r.Source(path)
	src.Directory = &v1alpha1.ApplicationSourceDirectory{Recurse: true}
	return src
}

// some is a small application of four kinds.
const some = `
-- app/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {tier: front}
data: {colour: blue, size: "3"}
-- app/deployment.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 100m, memory: 0.5Gi}}
-- app/service.yaml --
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
-- app/secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {token: not-a-secret}
`
