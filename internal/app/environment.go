package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/action"
	"github.com/belaycd/belay/internal/controller"
	"github.com/belaycd/belay/internal/health/lua"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/remote"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/registry"
	"github.com/belaycd/belay/internal/source/token"
	"github.com/belaycd/belay/internal/source/webhook"
)

// settingsSecret holds the webhook secrets, among others.
const settingsSecret = "argocd-secret"

// environment is the present state of settings, credentials and projects, replaced as a whole when one of them changes.
type environment struct {
	client  client.Client
	cfg     Config
	current atomic.Pointer[state]
	// tokens are what services logged in to repositories with.
	tokens *token.Store
	// renotify is called when notifications are set up otherwise.
	renotify func()
}

// state never changes once it is published.
type state struct {
	settings settings.Settings
	belay    settings.Belay
	config   reconcile.Config
	repos    *settings.Repositories
	clusters []settings.Cluster
	notify   notifications
	// trust changes when the certificates do that hosts are trusted by.
	trust    string
	webhooks webhook.Secrets
	problems []string
	// access changes when what repositories are reached with does.
	access string
	// quiet are the changes of live objects that concern no application.
	quiet quietUpdates
}

func newEnvironment(c client.Client, cfg Config) *environment {
	return &environment{client: c, cfg: cfg, tokens: token.NewStore(time.Now, cfg.Env), renotify: func() {}}
}

// load reads everything through r. Input that cannot be read keeps its last good value and is logged.
func (e *environment) load(ctx context.Context, r client.Reader) error {
	maps := map[string]map[string]string{}
	for _, name := range []string{settings.ConfigMapName, settings.ParamsName, settings.KnownHostsName, settings.TLSCertsName, settings.BelayName, notify.ConfigMapName} {
		var cm corev1.ConfigMap
		err := r.Get(ctx, client.ObjectKey{Namespace: e.cfg.Namespace, Name: name}, &cm)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read ConfigMap %s/%s: %w", e.cfg.Namespace, name, err)
		}
		maps[name] = cm.Data
	}
	var list corev1.SecretList
	if err := r.List(ctx, &list, client.InNamespace(e.cfg.Namespace)); err != nil {
		return fmt.Errorf("list Secrets of namespace %s: %w", e.cfg.Namespace, err)
	}
	old := e.current.Load()
	var last *settings.Settings
	if old != nil {
		last = &old.settings
	}
	next := &state{}
	var problems []settings.Problem
	collect := func(p []settings.Problem) { problems = append(problems, p...) }
	var found []settings.Problem
	next.settings, found = settings.Parse(maps[settings.ConfigMapName], maps[settings.ParamsName], last)
	collect(found)
	next.belay, found = settings.ParseBelay(maps[settings.BelayName])
	collect(found)
	trust, found := settings.NewTrust(maps[settings.KnownHostsName], maps[settings.TLSCertsName])
	collect(found)
	secrets := make([]*corev1.Secret, len(list.Items))
	versions := []string{object.Hash([]any{maps[settings.KnownHostsName], maps[settings.TLSCertsName]})}
	for i := range list.Items {
		secrets[i] = &list.Items[i]
		if secrets[i].Labels[v1alpha1.LabelSecretType] != "" {
			versions = append(versions, secrets[i].Name+" "+secrets[i].ResourceVersion)
		}
		if secrets[i].Name == settingsSecret {
			next.webhooks = webhookSecrets(secrets[i].Data)
		}
	}
	slices.Sort(versions)
	next.access = object.Hash(versions)
	next.repos, found = settings.NewRepositories(secrets, trust)
	collect(found)
	next.clusters, found = settings.NewClusters(secrets)
	collect(found)
	next.trust = object.Hash(maps[settings.TLSCertsName])
	next.notify = e.notifications(maps[notify.ConfigMapName], secrets, next)
	collect(next.notify.problems)
	checks, found := lua.Compile(next.settings.Scripts)
	collect(found)
	_, found = action.Compile(next.settings.Scripts) // whoever offers actions compiles its own
	collect(found)
	next.config = reconcileConfig(e.cfg, &next.settings, maps)
	next.config.HealthScript = checks.Assess
	next.quiet = updateRules(&next.settings)
	for _, err := range []error{next.config.RulesErr, next.quiet.err} {
		if err != nil {
			next.problems = append(next.problems, err.Error())
		}
	}
	for _, p := range problems {
		next.problems = append(next.problems, p.Error())
	}
	for _, key := range next.settings.Pending {
		next.problems = append(next.problems, key+": kept, but not acted on by this version of Belay")
	}
	if old == nil || !slices.Equal(old.problems, next.problems) {
		for _, p := range next.problems {
			e.cfg.Log.Warn("setting not used", "problem", p)
		}
	}
	e.current.Store(next)
	return nil
}

func webhookSecrets(data map[string][]byte) webhook.Secrets {
	get := func(key string) string { return string(data[key]) }
	return webhook.Secrets{
		GitHub: get("webhook.github.secret"), GitLab: get("webhook.gitlab.secret"), Gogs: get("webhook.gogs.secret"),
		BitbucketUUID: get("webhook.bitbucket.uuid"), BitbucketServer: get("webhook.bitbucketserver.secret"),
		AzureUsername: get("webhook.azuredevops.username"), AzurePassword: get("webhook.azuredevops.password"),
	}
}

func reconcileConfig(cfg Config, s *settings.Settings, maps map[string]map[string]string) reconcile.Config {
	rules, err := comparisonRules(s)
	return reconcile.Config{
		ControllerNamespace: cfg.Namespace,
		Tracking:            s.Tracking,
		Rules:               rules,
		RulesErr:            err,
		Render:              s.Render,
		SelfHeal:            reconcile.Backoff{Base: s.Controller.SelfHealBackoff, Max: s.Controller.SelfHealBackoffCap, Factor: s.Controller.SelfHealBackoffFactor},
		SyncTimeout:         s.Controller.SyncTimeout,
		Impersonation:       s.Impersonation,
		Excluded: func(group, kind string) bool {
			return s.Resources.Excluded(group, kind, v1alpha1.InClusterServer)
		},
		Version: object.Hash([]any{maps[settings.ConfigMapName], maps[settings.ParamsName], maps[settings.BelayName]}),
	}
}

// Config implements controller.Environment.
func (e *environment) Config() reconcile.Config { return e.current.Load().config }

func (e *environment) interval() time.Duration { return e.current.Load().settings.Reconciliation }
func (e *environment) jitter() time.Duration   { return max(0, e.current.Load().settings.Jitter) }

// excluded keeps kinds out of the watch cache. EndpointSlices are excluded by default from what applications show, but
// tell whether a Service works.
func (e *environment) excluded(group, kind string) bool {
	if group == "discovery.k8s.io" && kind == "EndpointSlice" {
		return false
	}
	return e.Config().Excluded(group, kind)
}

// Credentials implements git.CredentialStore.
func (e *environment) Credentials(repoURL, project string) (git.Credentials, error) {
	repos := e.current.Load().repos
	c, err := repos.For(repoURL, project)
	if err != nil {
		return git.Credentials{}, err
	}
	return git.Credentials{
		Login:    e.login(repos, c, repoURL),
		Username: c.Username.Reveal(), Password: c.Password.Reveal(), BearerToken: c.BearerToken.Reveal(),
		ForceBasicAuth: c.ForceBasicAuth, SSHPrivateKey: []byte(c.SSHPrivateKey.Reveal()), KnownHosts: []byte(c.KnownHosts),
		InsecureIgnoreHostKey: c.InsecureIgnoreHostKey, Insecure: c.Insecure, CA: []byte(c.CA),
		TLSClientCert: []byte(c.TLSClientCert.Reveal()), TLSClientKey: []byte(c.TLSClientKey.Reveal()),
		Proxy: c.Proxy.Reveal(), NoProxy: c.NoProxy, Scope: c.Project, LFS: c.EnableLFS, Depth: c.Depth,
	}, nil
}

// login returns how a service logs in to a repository, nil when the Secret holds a name, a password or a key of its own.
func (e *environment) login(repos *settings.Repositories, c settings.RepositoryCredentials, repoURL string) git.Login {
	reach := func(host string) remote.Access {
		return remote.Access{CA: []byte(repos.CA(host)), Proxy: c.Proxy.Reveal(), NoProxy: c.NoProxy}
	}
	switch {
	case !c.Username.IsEmpty(), !c.Password.IsEmpty(), !c.BearerToken.IsEmpty(), !c.SSHPrivateKey.IsEmpty():
		return nil
	case !c.GitHubApp.PrivateKey.IsEmpty():
		return secretLogin{c.SecretName, e.tokens.GitHubApp(token.GitHubApp{ID: c.GitHubApp.ID, InstallationID: c.GitHubApp.InstallationID,
			PrivateKey: c.GitHubApp.PrivateKey.Reveal(), BaseURL: c.GitHubApp.EnterpriseBaseURL, Repository: repoURL}, reach)}
	case !c.GCPServiceAccountKey.IsEmpty():
		return secretLogin{c.SecretName, e.tokens.Google(token.Google{Key: c.GCPServiceAccountKey.Reveal()}, reach)}
	case !c.Azure.ClientSecret.IsEmpty(), c.UseAzureWorkloadIdentity:
		return secretLogin{c.SecretName, e.tokens.Azure(token.Azure{ClientID: c.Azure.ClientID, TenantID: c.Azure.TenantID,
			ClientSecret: c.Azure.ClientSecret.Reveal(), Endpoint: c.Azure.ActiveDirectoryEndpoint, WorkloadIdentity: c.UseAzureWorkloadIdentity}, reach)}
	}
	return nil
}

// secretLogin says in its errors which Secret to look at.
type secretLogin struct {
	secret string
	*token.Login
}

// Obtain implements git.Login.
func (l secretLogin) Obtain(ctx context.Context) (username, password, bearer string, err error) {
	if username, password, bearer, err = l.Login.Obtain(ctx); err != nil {
		err = fmt.Errorf("Secret %s: %w", l.secret, err)
	}
	return username, password, bearer, err
}

// Access implements registry.AccessStore. An OCI registry may be written with or without a scheme, here as in its Secret.
func (e *environment) Access(repoURL, project string) (registry.Access, error) {
	repos := e.current.Load().repos
	c, err := repos.For(repoURL, project)
	if plain, ok := strings.CutPrefix(repoURL, "oci://"); err == nil && ok && c.SecretName == "" {
		c, err = repos.For(plain, project)
	}
	if err != nil {
		return registry.Access{}, err
	}
	return registry.Access{
		Access: remote.Access{
			Username: c.Username.Reveal(), Password: c.Password.Reveal(), BearerToken: c.BearerToken.Reveal(),
			Insecure: c.Insecure, CA: []byte(c.CA),
			TLSClientCert: []byte(c.TLSClientCert.Reveal()), TLSClientKey: []byte(c.TLSClientKey.Reveal()),
			Proxy: c.Proxy.Reveal(), NoProxy: c.NoProxy,
		},
		PlainHTTP: c.InsecureOCIForceHTTP, Scope: c.Project,
	}, nil
}

// watch follows projects, settings and Secrets, and asks for another look at what a change concerns.
func (e *environment) watch(ctx context.Context, c cache.Cache, ctl *controller.Controller) error {
	reload := make(chan struct{}, 1)
	wake := func(any) {
		select {
		case reload <- struct{}{}:
		default: // one is due already
		}
	}
	for _, obj := range []client.Object{&corev1.ConfigMap{}, &corev1.Secret{}} {
		if err := handle(ctx, c, obj, wake); err != nil {
			return err
		}
	}
	err := handle(ctx, c, &v1alpha1.AppProject{}, func(obj any) {
		p, ok := obj.(*v1alpha1.AppProject)
		if !ok {
			return
		}
		e.renotify()                                      // subscriptions of a project are those of its applications
		all := e.current.Load().settings.IsGlobal(p.Name) // others take over from it
		e.refresh(ctx, ctl, func(a *v1alpha1.Application) bool { return all || a.Spec.ProjectName() == p.Name })
	})
	if err != nil {
		return err
	}
	go e.reload(ctx, reload, ctl)
	return nil
}

func handle(ctx context.Context, c cache.Cache, obj client.Object, fn func(any)) error {
	informer, err := c.GetInformer(ctx, obj)
	if err != nil {
		return fmt.Errorf("watch settings: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: fn, DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			fn(obj)
		},
		UpdateFunc: func(before, after any) {
			if b, ok := before.(client.Object); ok {
				if a, ok := after.(client.Object); ok && a.GetResourceVersion() == b.GetResourceVersion() {
					return // a resync, not a change
				}
			}
			fn(after)
		},
	})
	if err != nil {
		return fmt.Errorf("watch settings: %w", err)
	}
	return nil
}

// settle is how long changes are gathered before settings are read again.
const settle = 100 * time.Millisecond

func (e *environment) reload(ctx context.Context, wake <-chan struct{}, ctl *controller.Controller) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
		before := e.current.Load()
		if err := e.load(ctx, e.client); err != nil {
			e.cfg.Log.Warn("read settings", "error", err.Error())
			continue
		}
		if e.current.Load().notify.hash != before.notify.hash {
			e.renotify()
		}
		if e.current.Load().config.Version != before.config.Version {
			e.refresh(ctx, ctl, func(*v1alpha1.Application) bool { return true })
		} else if e.current.Load().access != before.access {
			e.refresh(ctx, ctl, cannotCompare)
		}
	}
}

// cannotCompare reports whether an application waits for something that new credentials may bring. One that has not been compared
// yet may be looked at right now, with those of before.
func cannotCompare(a *v1alpha1.Application) bool {
	return a.Status.ReconciledAt == nil || slices.ContainsFunc(a.Status.Conditions, func(c v1alpha1.ApplicationCondition) bool {
		return c.Type == v1alpha1.ConditionComparisonError
	})
}

func (e *environment) refresh(ctx context.Context, ctl *controller.Controller, match func(*v1alpha1.Application) bool) {
	if err := ctl.RefreshMatching(ctx, "", match); err != nil {
		e.cfg.Log.Warn("wake applications", "error", err.Error())
	}
}
