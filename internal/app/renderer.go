package app

import (
	"time"

	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/helm"
	"github.com/belaycd/belay/internal/render/jsonnet"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
)

// newRenderer stacks the renderers: a kept result first, then a turn among the concurrent ones, then the work.
func newRenderer(concurrent int) *render.Cache {
	by := render.New(render.Renderers{Directory: plain.New(jsonnet.New()), Kustomize: kustomize.New(), Helm: helm.New()})
	return render.NewCache(render.Limit(by, render.LimitOptions{Concurrent: concurrent}), render.CacheOptions{Now: time.Now})
}
