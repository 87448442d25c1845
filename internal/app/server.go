package app

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/identity/oidc"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
	"github.com/belaycd/belay/internal/webui"
)

// newHandler puts together what is served at Address. The cache is in view.
func newHandler(ctx context.Context, cfg Config, p parts) (*rest.Handler, error) {
	e, err := newEngine(cfg.REST, p.env, p.repos, p.clusters, p.story)
	if err != nil {
		return nil, err
	}
	store := newIdentities(p.mgr.GetClient(), p.mgr.GetAPIReader(), cfg.Namespace)
	authority, err := newAuthority(store)
	if err != nil {
		return nil, err
	}
	if made, err := authority.Bootstrap(ctx); err != nil {
		return nil, fmt.Errorf("prepare accounts: %w", err)
	} else if made {
		cfg.Log.Info("the password of the account admin was made", "secret", cfg.Namespace+"/"+identity.InitialSecretName)
	}
	access, err := watchPermissions(ctx, p.mgr.GetCache(), cfg.Namespace, cfg.Log)
	if err != nil {
		return nil, err
	}
	sso := newSingleSignOn(store, access.policy.Load, cfg.Log)
	services := server.New(server.Options{
		Client: watching{Client: p.mgr.GetClient(), direct: e.direct}, Reader: p.mgr.GetAPIReader(), Namespace: cfg.Namespace,
		Engine: e, Access: access, Sessions: sessions{authority: authority, provider: sso, config: store.Config},
		Passwords: authority, Tokens: authority, Connections: connections{clusters: p.clusters, repos: p.repos},
		Build:         server.VersionMessage{Version: cfg.Version, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH},
		Notifications: func() *notify.Config { return p.env.current.Load().notify.config },
		Recorder:      p.audit, Audit: p.audit, Now: time.Now, Log: cfg.Log,
	})
	var h *rest.Handler
	h, err = rest.New(rest.Options{
		Server: services, Webhook: webhookHandler(ctx, p), UI: webui.Handler("/"), Log: cfg.Log,
		TrustForwarded: cfg.TrustForwarded,
		Mounts: map[string]http.Handler{
			"GET /auth/login": http.HandlerFunc(sso.begin),
			"GET " + oidc.CallbackPath: sso.finish(func(w http.ResponseWriter, r *http.Request, who oidc.Identity, err error) {
				services.RecordSingleSignOn(r.Context(), who.Subject, err)
				if err == nil {
					h.SignIn(w, r, who.Token, who.Ends)
				}
			}),
		},
	})
	return h, err
}

// watching reads from the cache and watches past it.
type watching struct {
	client.Client
	direct client.WithWatch
}

// Watch implements client.WithWatch.
func (w watching) Watch(ctx context.Context, list client.ObjectList, opts ...client.ListOption) (watch.Interface, error) {
	return w.direct.Watch(ctx, list, opts...)
}
