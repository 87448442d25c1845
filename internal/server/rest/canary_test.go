package rest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server/rest"
)

// credentials makes a repository, credentials for many, a cluster and an account that hold a secret value.
func (b *bench) credentials(value string) {
	b.t.Helper()
	config, err := json.Marshal(map[string]any{"bearerToken": value, "password": value, "tlsClientConfig": map[string]any{"insecure": true}})
	if err != nil {
		b.t.Fatal(err)
	}
	for name, data := range map[string]map[string]string{
		"repository":       {"url": "https://deploy:" + url.QueryEscape(value) + "@git.example.com/secret.git", "username": "deploy", "password": value, "sshPrivateKey": value},
		"repository.plain": {"url": "https://git.example.com/plain.git", "password": value},
		"repo-creds":       {"url": "https://git.example.com/", "password": value, "bearerToken": value},
		"cluster":          {"name": "far", "server": "https://far.example.com", "config": string(config)},
		"argocd-secret": {"admin.password": value, "server.secretkey": value, "accounts.ci.password": value,
			"accounts.ci.tokens": `[{"id":"one","iat":1700000000,"token":"` + value + `"}]`, "webhook.github.secret": value},
	} {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: b.Namespace, Annotations: map[string]string{}}, StringData: data}
		if name != "argocd-secret" {
			kind, _, _ := strings.Cut(name, ".")
			s.Labels = map[string]string{v1alpha1.LabelSecretType: kind}
			s.Annotations[corev1.LastAppliedConfigAnnotation] = `{"stringData":{"password":"` + value + `"}}`
		}
		if err := b.Client.Create(b.t.Context(), s); err != nil && !apierrors.IsAlreadyExists(err) {
			b.t.Fatal(err)
		}
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "argocd-cm", Namespace: b.Namespace}, Data: map[string]string{
		"accounts.ci": "apiKey,login", "statusbadge.enabled": "true",
		"oidc.config": "name: IdP\nissuer: https://id.example.com\nclientID: belay\nclientSecret: " + value + "\n",
	}}
	if err := b.Client.Create(b.t.Context(), cm); err != nil && !apierrors.IsAlreadyExists(err) {
		b.t.Fatal(err)
	}
}

// forms are the ways in which a value could be written into an answer.
func forms(value string) map[string]string {
	quoted, _ := json.Marshal(value) // a string can be encoded
	return map[string]string{
		"raw": value, "JSON": strings.Trim(string(quoted), `"`), "query": url.QueryEscape(value), "path": url.PathEscape(value),
		"base64": base64.StdEncoding.EncodeToString([]byte(value)), "raw base64": base64.RawStdEncoding.EncodeToString([]byte(value)),
		"URL base64": base64.URLEncoding.EncodeToString([]byte(value)),
	}
}

// formIn returns the form in which a text has the value, or none.
func formIn(text, value string) string {
	for form, written := range forms(value) {
		if strings.Contains(text, written) {
			return form
		}
	}
	return ""
}

// TestCanary plants a secret value wherever secrets are, asks everything as the one who may all, and looks for it in every
// answer, whatever comes of it, and in the log.
func TestCanary(t *testing.T) {
	const canary = `canary "7f3a" <&> /+=%é`
	b := newBench(t)
	b.fixture(canary)
	b.credentials(canary)
	found := func(where, text string) {
		if form := formIn(text, canary); form != "" {
			t.Errorf("%s holds the secret in the form %s: %s", where, form, text)
		}
	}
	// What the sweep looks for is found where it is.
	var live corev1.Secret
	if err := b.Client.Get(t.Context(), types.NamespacedName{Namespace: b.Namespace, Name: "db"}, &live); err != nil {
		t.Fatal(err)
	}
	if shown, err := json.Marshal(live); err != nil || formIn(string(shown), canary) == "" {
		t.Fatalf("the secret is not found in its own Secret (%v)", err)
	}
	in := "&namespace=" + b.Namespace
	secret := "version=v1&kind=Secret&resourceName=db" + in
	all := probes(b.Namespace)
	more := map[string][]probe{
		"ApplicationService_GetResource":         {{query: secret}},
		"ApplicationService_ManagedResources":    {{query: "kind=Secret"}},
		"ApplicationService_ListResourceActions": {{query: secret}},
		"ApplicationService_PatchResource": {
			{query: secret, body: `"{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"`},
			// The API server repeats values that it refuses.
			{query: secret + "&patchType=application/merge-patch%2Bjson", body: jsonString(`{"data":{"password":` + jsonString(canary) + `}}`)},
			{query: secret, body: jsonString(`{"metadata":{"labels":{"a":` + jsonString(canary) + `}}}`)},
			{query: secret, body: jsonString(canary)},
		},
		"ApplicationService_Sync": {{body: obj{"manifests": []string{`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"password":` +
			jsonString(canary) + `}}`, canary}}}},
		"AccountService_UpdatePassword": {{body: obj{"currentPassword": "correct horse", "newPassword": canary}}, {body: obj{"currentPassword": canary, "newPassword": canary}}},
		"SessionService_Create":         {{body: obj{"username": "admin", "password": canary}}, {body: obj{"token": canary}}},
	}
	for _, route := range rest.Routes(b.server) {
		for _, p := range append([]probe{all[route.Name]}, more[route.Name]...) {
			_, text := b.try("admin", route, p)
			found(route.Name, text)
			if route.Name == "ApplicationService_Sync" {
				// What an operation was given is in the application from now on.
				for _, path := range []string{"/api/v1/applications", "/api/v1/applications/shop", "/api/belay/v1/deployments", "/api/belay/v1/deployments/table"} {
					found(path, string(b.as("admin", "GET", path, nil).body))
				}
			}
			b.fixture(canary)
		}
	}
	b.as("", "GET", "/api/v1/applications?token="+url.QueryEscape(canary), nil)
	found("the log", b.log.String())
	for _, token := range []string{b.sessions.token("admin")} {
		if strings.Contains(b.log.String(), token) {
			t.Error("the log holds a token")
		}
	}
}

func jsonString(s string) string {
	data, _ := json.Marshal(s) // a string can be encoded
	return string(data)
}
