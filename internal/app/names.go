package app

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mostNames bounds the users whose clients are kept. A client is small: it holds no connection of its own.
const mostNames = 512

// names are the clients of one cluster that act in other names than Belay's, over the connections of Belay's own client.
type names struct {
	rest *rest.Config
	base *http.Client
	mu   sync.Mutex
	kept *lru.Cache // *named by user
}

// named are the clients that act in the name of one user, each made when it is first asked for.
type named struct {
	http    *http.Client
	dynamic dynamic.Interface
	objects client.WithWatch
	pods    kubernetes.Interface
}

func newNames(rc *rest.Config) (*names, error) {
	base, err := rest.HTTPClientFor(rc)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return &names{rest: rest.CopyConfig(rc), base: base, kept: lru.New(mostNames)}, nil
}

// get returns the clients of a user, of which some may not be made yet. n.mu is held.
func (n *names) get(user string) *named {
	if have, ok := n.kept.Get(user); ok {
		return have.(*named)
	}
	as := *n.base
	as.Transport = transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{UserName: user}, cmp.Or(n.base.Transport, http.DefaultTransport))
	out := &named{http: &as}
	n.kept.Add(user, out)
	return out
}

// writer returns the client that applies.
func (n *names) writer(user string) (dynamic.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	as := n.get(user)
	if as.dynamic == nil {
		c, err := dynamic.NewForConfigAndClient(n.rest, as.http)
		if err != nil {
			return nil, fmt.Errorf("act as %s: %w", user, err)
		}
		as.dynamic = c
	}
	return as.dynamic, nil
}

// caller returns the clients with which the API server does what people ask for. Which resource a kind is, is looked up in
// Belay's own name.
func (n *names) caller(user string, mapper meta.RESTMapper) (client.WithWatch, kubernetes.Interface, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	as := n.get(user)
	if as.pods != nil {
		return as.objects, as.pods, nil
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, nil, err
	}
	objects, err := client.NewWithWatch(n.rest, client.Options{Scheme: scheme, HTTPClient: as.http, Mapper: mapper, FieldOwner: "belay"})
	if err != nil {
		return nil, nil, fmt.Errorf("act as %s: %w", user, err)
	}
	pods, err := kubernetes.NewForConfigAndClient(n.rest, as.http)
	if err != nil {
		return nil, nil, fmt.Errorf("act as %s: %w", user, err)
	}
	as.objects, as.pods = objects, pods
	return as.objects, as.pods, nil
}
