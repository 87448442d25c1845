package app

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/helm"
	"github.com/belaycd/belay/internal/render/jsonnet"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
	"github.com/belaycd/belay/internal/render/plugin"
)

// newRenderer stacks the renderers: a kept result first, then what is needed from elsewhere, then a turn among the concurrent
// ones, then the work. plugins is nil where they are switched off.
func newRenderer(concurrent int, remotes render.Remotes, plugins *plugin.Renderer) *render.Cache {
	by := render.Renderers{Directory: plain.New(jsonnet.New()), Kustomize: kustomize.New(), Helm: helm.New()}
	limits, cache := render.LimitOptions{Concurrent: concurrent}, render.CacheOptions{Now: time.Now, Remotes: remotes}
	if plugins != nil {
		by.Plugins = plugins
		limits.Timeout = plugin.DefaultTimeout + 30*time.Second // a plugin's own limit ends it with a better message
		cache.Version = plugins.Version()
	}
	limited := render.Limit(render.New(by), limits)
	if remotes == nil { // offline
		return render.NewCache(limited, cache)
	}
	return render.NewCache(render.WithRemotes(limited, remotes), cache)
}

// openPlugins reads the definitions of plugins; without a directory of them there are none.
func openPlugins(cfg Config) (*plugin.Renderer, error) {
	if cfg.PluginsDir == "" {
		return nil, nil
	}
	defs, err := plugin.Load(cfg.PluginsDir)
	if err != nil {
		return nil, err
	}
	return plugin.New(defs, plugin.Options{TempDir: filepath.Join(cfg.CacheDir, "plugins"), Path: lookup(cfg.Env, "PATH")}), nil
}

// lookup returns the value of a variable; the last one counts.
func lookup(env []string, name string) string {
	value := ""
	for _, v := range env {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			value = rest
		}
	}
	return value
}
