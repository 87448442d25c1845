package metrics

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/compatibility"
	clientrest "k8s.io/client-go/rest"
	definitions "k8s.io/kubernetes/pkg/generated/openapi"
	api "k8s.io/metrics/pkg/apis/metrics"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// ServerConfig describes the HTTPS server.
type ServerConfig struct {
	// CertFile and KeyFile identify the server. Only the aggregator of the API server may ask, by a certificate of
	// ClientAuthorityFile: it has authenticated and authorized the caller before it passes a request on
	// (https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/).
	CertFile, KeyFile, ClientAuthorityFile string
	Log                                    *slog.Logger
}

// Server answers the API server.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// NewServer makes the API on the listener, which it owns from then on. Requests wait until Serve.
func NewServer(c cluster, listener net.Listener, config ServerConfig) (*Server, error) {
	security, err := security(config)
	if err == nil {
		var handler http.Handler
		if handler, err = newHandler(c, listener.Addr().String()); err == nil {
			return &Server{listener: listener, http: &http.Server{
				Handler:           handler,
				ReadHeaderTimeout: 10 * time.Second,
				TLSConfig:         security,
				ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelDebug),
			}}, nil
		}
	}
	_ = listener.Close() // nothing was served
	return nil, fmt.Errorf("make metrics API: %w", err)
}

// Port is the port that the server listens on.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Serve answers until the context ends.
func (s *Server) Serve(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() }) // connections are cut at the end, and that is meant
	defer stop()
	if err := s.http.ServeTLS(s.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics API: %w", err)
	}
	return nil
}

func security(config ServerConfig) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(config.CertFile, config.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	authority, err := os.ReadFile(config.ClientAuthorityFile)
	if err != nil {
		return nil, fmt.Errorf("read client authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
	}, nil
}

// newHandler makes the API from the library that Kubernetes' own API servers are made from: discovery, content types,
// tables and schemas are theirs.
func newHandler(c cluster, address string) (http.Handler, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	config := genericapiserver.NewConfig(codecs)
	config.ExternalAddress = address
	config.LoopbackClientConfig = &clientrest.Config{} // no hook of the library calls back
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	config.EnableIndex, config.EnableProfiling, config.EnableMetrics = false, false, false
	namer := openapi.NewDefinitionNamer(scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title, config.OpenAPIV3Config.Info.Title = "belay-sandbox metrics", "belay-sandbox metrics"
	if config.Authentication.Authenticator, err = headerrequest.New(
		[]string{"X-Remote-User"}, []string{"X-Remote-Uid"}, []string{"X-Remote-Group"}, []string{"X-Remote-Extra-"}); err != nil {
		return nil, fmt.Errorf("make authenticator: %w", err)
	}
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer() // see ServerConfig

	server, err := config.Complete(nil).New("belay-sandbox-metrics", genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(api.GroupName, scheme, runtime.NewParameterCodec(scheme), codecs)
	group.VersionedResourcesStorageMap[v1beta1.SchemeGroupVersion.Version] = map[string]rest.Storage{
		"pods":  newPodStorage(c, time.Now),
		"nodes": newNodeStorage(c, time.Now),
	}
	if err := server.InstallAPIGroup(&group); err != nil {
		return nil, err
	}
	server.PrepareRun()
	return server.Handler, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	unversioned := schema.GroupVersion{Version: "v1"}
	meta.AddToGroupVersion(scheme, unversioned)
	scheme.AddUnversionedTypes(unversioned,
		&meta.Status{}, &meta.APIVersions{}, &meta.APIGroupList{}, &meta.APIGroup{}, &meta.APIResourceList{})
	err := errors.Join(api.AddToScheme(scheme), v1beta1.AddToScheme(scheme), scheme.SetVersionPriority(v1beta1.SchemeGroupVersion))
	if err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	return scheme, nil
}
