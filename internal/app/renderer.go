package app

import (
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
)

func buildRenderer(_ int) render.Renderer {
	return render.New(render.Renderers{Directory: plain.New(), Kustomize: kustomize.New()})
}
