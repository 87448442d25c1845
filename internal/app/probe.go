package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/git"
)

// OpenProber returns what the command line tries repositories with: the controller's own source in this process, with the
// credentials and the trust of the cluster.
func OpenProber(env []string) cli.ProberFunc {
	return func(ctx context.Context, conn *cli.Connection, candidate *corev1.Secret) (cli.Prober, error) {
		p, _, err := openProber(ctx, env, conn, withSecret{conn.Client, candidate})
		if err != nil {
			return nil, err
		}
		return p, nil
	}
}

// openProber opens the Git repositories of a control plane whose settings are read by r, with mirrors in a directory of their own.
func openProber(ctx context.Context, env []string, conn *cli.Connection, r client.Reader) (*prober, *environment, error) {
	dir, err := os.MkdirTemp("", "belay-probe-")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory: %w", err)
	}
	cfg := Config{REST: conn.Config, Namespace: conn.Namespace, CacheDir: dir, Env: env, AllowFile: true, Log: slog.New(slog.DiscardHandler)}
	cfg.applyDefaults()
	e := newEnvironment(conn.Client, cfg)
	if err := e.load(ctx, r); err != nil {
		return nil, nil, firstOf(err, os.RemoveAll(dir))
	}
	repos, err := git.New(git.Config{
		CacheDir: filepath.Join(dir, "git"), Now: time.Now, Credentials: e, Env: env, AllowFile: true,
		Interval: e.interval(), Jitter: func() time.Duration { return 0 }, Log: cfg.Log,
	})
	if err != nil {
		return nil, nil, firstOf(err, os.RemoveAll(dir))
	}
	return &prober{repos: repos, dir: dir}, e, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prober implements cli.Prober.
type prober struct {
	repos *git.Source
	dir   string
}

// Probe implements cli.Prober.
func (p *prober) Probe(ctx context.Context, repo settings.Listed) error {
	if repo.Type != "git" {
		return fault.New(fault.Internal, "repositories of type %s are not tried", repo.Type)
	}
	_, err := p.repos.Resolve(ctx, source.Request{RepoURL: string(repo.Secret.Data["url"])}, source.Fresh)
	return err
}

// Close implements cli.Prober.
func (p *prober) Close() error { return firstOf(p.repos.Close(), os.RemoveAll(p.dir)) }

// withSecret reads as the inner reader does, with one Secret in addition to those of the cluster, or in the place of one. A
// repository is tried for the project that it is for, whose credentials so count for all.
type withSecret struct {
	client.Reader
	secret *corev1.Secret
}

// List implements client.Reader.
func (w withSecret) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := w.Reader.List(ctx, list, opts...); err != nil {
		return err
	}
	secrets, ok := list.(*corev1.SecretList)
	if !ok {
		return nil
	}
	kept := secrets.Items[:0]
	for _, s := range secrets.Items {
		if w.secret == nil || !sameRepository(&s, string(w.secret.Data["url"])) {
			kept = append(kept, s)
		}
	}
	if w.secret != nil {
		kept = append(kept, *w.secret.DeepCopy())
	}
	for i := range kept {
		delete(kept[i].Data, "project")
	}
	secrets.Items = kept
	return nil
}

func sameRepository(s *corev1.Secret, url string) bool {
	listed := settings.ListRepositories([]*corev1.Secret{s}, false)
	return len(listed) == 1 && listed[0].Is(url)
}
