package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
)

// away is a cluster that cannot be reached, but for one application that every name is taken for: requests are read to their end.
type away struct{ client.WithWatch }

func errAway() error { return fault.New(fault.Transient, "the cluster is away") }

func (away) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if app, ok := out.(*v1alpha1.Application); ok {
		app.Name, app.Namespace, app.Spec.Project = key.Name, key.Namespace, "dev"
		app.Spec.Source = &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "app"}
	}
	return nil // settings are empty
}

func (away) List(_ context.Context, out client.ObjectList, _ ...client.ListOption) error {
	if _, ok := out.(*v1alpha1.ApplicationList); ok {
		return errAway()
	}
	return meta.SetList(out, nil)
}
func (away) Create(context.Context, client.Object, ...client.CreateOption) error { return errAway() }
func (away) Delete(context.Context, client.Object, ...client.DeleteOption) error { return errAway() }
func (away) Update(context.Context, client.Object, ...client.UpdateOption) error { return errAway() }
func (away) Patch(context.Context, client.Object, client.Patch, ...client.PatchOption) error {
	return errAway()
}
func (away) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errAway()
}

func (away) Preview(context.Context, *v1alpha1.Application, []string, bool) (*server.Preview, error) {
	return nil, errAway()
}
func (away) Tree(context.Context, *v1alpha1.Application) ([]server.Node, error) {
	return nil, errAway()
}
func (away) Live(context.Context, *v1alpha1.Application, object.Ref, string) (*unstructured.Unstructured, error) {
	return nil, errAway()
}
func (away) Destination(context.Context, *v1alpha1.Application) (server.Destination, error) {
	return server.Destination{}, errAway()
}
func (away) Commit(context.Context, v1alpha1.ApplicationSource, string, string) (server.RevisionMetadata, error) {
	return server.RevisionMetadata{}, errAway()
}
func (away) MaskedAnnotations() []string { return nil }

// lasting are sessions that no request ends.
type lasting struct{ *sessions }

func (lasting) Revoke(context.Context, string) error { return nil }

// streamable is a connection without deadlines.
type streamable struct{ *httptest.ResponseRecorder }

func (streamable) SetReadDeadline(time.Time) error  { return nil }
func (streamable) SetWriteDeadline(time.Time) error { return nil }

// FuzzRequest sends any bytes as a request to the whole handler: a path, a query, headers and a body. It must answer, never by a
// panic; what it answers must be a status of the API, and hold nothing of a body that was refused.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/api/v1/applications/shop", "refresh=hard&fields=-x", "Bearer t", "argocd.token=t", "", "")
	f.Add("POST", "/api/v1/session", "", "", "", "", `{"username":"admin","password":"correct horse"}`)
	f.Add("PATCH", "/api/v1/applications/..%2f..", "appNamespace=%00", "bearer  x", "argocd.token=\"", "7", `{"patch":"[]"}`)
	f.Add("GET", "/api/belay/v1/stream", "cursor=18446744073709551615", "Basic x", "", "1.1", "")
	f.Add("GET", "/api/badge", "name=%3Cscript%3E&project=a&project=b", "", "", "", "")
	f.Add("DELETE", "/api/v1/session", "", "Bearer", "a=b; argocd.token=", "", "")
	f.Add("GET", "/api/v1/account/can-i/a/b/c/d/e", "", "Bearer t", "", "", "")
	f.Add("POST", "/api/webhook", "", "", "", "", `{}`)
	for _, route := range rest.Routes(server.New(server.Options{})) {
		path := strings.NewReplacer("{name}", "shop", "...}", "}").Replace(route.Path)
		f.Add(route.Method, path, "name=shop&kind=ConfigMap&resourceName=x&q=shop&from=a&to=b", "Bearer t", "", "5", `{"patch":"{}","patchType":"merge","metadata":{"name":"shop"},"spec":{},"project":{"metadata":{"name":"dev"}}}`)
	}
	h, log := offline(f, func(o *rest.Options) {
		o.Server = server.New(server.Options{Namespace: "argocd", Client: away{}, Reader: away{}, Engine: away{}, Access: roles{}, Now: time.Now, Log: o.Log,
			Sessions: lasting{&sessions{tokens: map[string]string{"t": "admin"}}}})
	})
	f.Cleanup(h.Drain)
	f.Fuzz(func(t *testing.T, method, path, query, authorization, cookie, last, body string) {
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
		r.Header = http.Header{"Authorization": {authorization}, "Cookie": {cookie}, "Last-Event-Id": {last}, "X-Forwarded-For": {last}}
		w := &streamable{httptest.NewRecorder()}
		log.Reset()
		func() {
			defer func() {
				if why := recover(); why != nil && why != http.ErrAbortHandler {
					t.Fatalf("%s %s: panic %v", method, path, why)
				}
			}()
			h.ServeHTTP(w, r)
		}()
		if strings.Contains(log.String(), `"msg":"panic"`) {
			t.Fatalf("%s %s: %s", method, path, log)
		}
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("%s %s: status %d", method, path, w.Code)
		}
		if w.Code == http.StatusBadRequest && len(body) > 20 && strings.Contains(w.Body.String(), body) {
			t.Errorf("%s %s: the refusal repeats the body: %s", method, path, w.Body)
		}
	})
}
