package app

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// TestNames: each user acts in a name of its own, all of them over the same connections, and not too many are kept.
func TestNames(t *testing.T) {
	var connections atomic.Int64
	var user atomic.Value
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user.Store(r.Header.Get("Impersonate-User") + " by " + r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	n, err := newNames(&rest.Config{Host: server.URL, BearerToken: "belay", QPS: -1, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := n.writer("system:serviceaccount:shop:user-0")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := n.writer("system:serviceaccount:shop:user-0"); err != nil || again != first {
		t.Errorf("a client was made twice: %v", err)
	}
	for i := range mostNames + 10 {
		name := fmt.Sprintf("system:serviceaccount:shop:user-%d", i)
		c, err := n.writer(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("shop").Get(t.Context(), "a", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if want := name + " by Bearer belay"; user.Load() != want {
			t.Fatalf("asked as %v, want %s", user.Load(), want)
		}
	}
	if got := connections.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	if got := n.kept.Len(); got != mostNames {
		t.Errorf("%d users are kept, want %d", got, mostNames)
	}
}
