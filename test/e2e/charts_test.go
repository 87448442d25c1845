package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source/sourcetest"
	"github.com/belaycd/belay/test/e2e/harness"
)

const configTemplate = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {version: "{{ .Chart.Version }}", colour: {{ .Values.colour }}}
`

func chart(version string) []byte {
	return sourcetest.Chart("web", version, map[string]string{
		"values.yaml": "colour: blue\n", "templates/config.yaml": configTemplate,
	})
}

// credentials makes a repository Secret in the control plane's namespace.
func credentials(t *testing.T, plane *harness.Plane, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "repo-", Namespace: plane.Namespace, Labels: map[string]string{v1alpha1.LabelSecretType: "repository"}},
		StringData: data,
	}
	if err := plane.WithWatch.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// version reads what the chart put into its ConfigMap.
func version(t *testing.T, a *harness.App, ns string) string {
	t.Helper()
	u := a.Live(t, harness.Ref("v1", "ConfigMap", ns, a.Name+"-settings"))
	if u == nil {
		return ""
	}
	v, _, _ := unstructured.NestedStringMap(u.Object, "data")
	return v["version"] + " " + v["colour"]
}

// TestCharts deploys from a Helm repository and from an OCI registry.
func TestCharts(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	t.Run("helm repository", func(t *testing.T) {
		t.Parallel()
		repo := &sourcetest.ChartRepo{Username: "reader", Password: "canary"}
		repo.Publish("web", "1.0.0", chart("1.0.0"))
		srv := harness.Serve(t, repo)
		credentials(t, plane, map[string]string{"type": "helm", "url": srv.URL, "username": "reader", "password": "canary"})
		ns := plane.Cluster.Namespace(t)
		src := v1alpha1.ApplicationSource{RepoURL: srv.URL, Chart: "web", TargetRevision: "1.*", Helm: &v1alpha1.ApplicationSourceHelm{Values: "colour: green"}}
		a := plane.App(t, "chart", ns, src, harness.SelfHeal)
		a.Wait(t, harness.Healthy("1.0.0"))
		repo.Publish("web", "1.1.0", chart("1.1.0"))
		a.Refresh(t, v1alpha1.RefreshNormal)
		app := a.Wait(t, harness.Healthy("1.1.0"))
		if h := app.Status.History; len(h) != 2 || h[0].Revision != "1.0.0" || h[1].Revision != "1.1.0" {
			t.Errorf("history %+v", h)
		}
		if got := version(t, a, ns); got != "1.1.0 green" {
			t.Fatalf("settings: %s", got)
		}
		// A repository that lies deploys nothing and deletes nothing.
		repo.Publish("web", "1.2.0", chart("1.2.0"))
		repo.Lie("web", "1.2.0", strings.Repeat("ab", 32))
		a.Refresh(t, v1alpha1.RefreshNormal)
		a.Wait(t, harness.Has(v1alpha1.ConditionComparisonError, "is not what its index lists"))
		if got := version(t, a, ns); got != "1.1.0 green" {
			t.Errorf("settings after the lie: %s", got)
		}
	})
	t.Run("oci", func(t *testing.T) {
		t.Parallel()
		reg := sourcetest.NewOCIRegistry()
		reg.Username, reg.Password, reg.Token = "reader", "canary", true
		if _, err := reg.PushChart(t.Context(), "charts/web", "1.0.0", chart("1.0.0")); err != nil {
			t.Fatal(err)
		}
		layer := sourcetest.Layer{MediaType: sourcetest.LayerGzip, Data: sourcetest.Archive(harness.Txtar(some))}
		digest, err := reg.Push(t.Context(), "team/app", "stable", "application/vnd.oci.empty.v1+json", layer)
		if err != nil {
			t.Fatal(err)
		}
		srv := harness.Serve(t, reg)
		host := strings.TrimPrefix(srv.URL, "http://")
		for _, path := range []string{"/charts", "/team/app"} {
			credentials(t, plane, map[string]string{"type": "helm", "url": host + path, "enableOCI": "true", "insecureOCIForceHttp": "true",
				"username": "reader", "password": "canary"})
		}
		ns := plane.Cluster.Namespace(t)
		a := plane.App(t, "oci-chart", ns, v1alpha1.ApplicationSource{RepoURL: host + "/charts", Chart: "web", TargetRevision: "1.0.0"}, harness.SelfHeal)
		a.Wait(t, harness.Healthy("1.0.0"))
		b := plane.App(t, "oci-files", ns, v1alpha1.ApplicationSource{RepoURL: "oci://" + host + "/team/app", TargetRevision: "stable", Path: "app"}, harness.SelfHeal)
		b.Wait(t, harness.Healthy(digest))
	})
}
