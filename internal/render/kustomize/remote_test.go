package kustomize

import (
	"testing"

	"github.com/belaycd/belay/internal/render"
)

func TestParseRemote(t *testing.T) {
	for ref, want := range map[string]struct {
		kind                render.RemoteKind
		url, version, below string
	}{
		"https://github.com/example/app//base?ref=v1":          {render.RemoteGit, "https://github.com/example/app", "v1", "base"},
		"https://github.com/example/app/base/x?ref=v1":         {render.RemoteGit, "https://github.com/example/app", "v1", "base/x"},
		"https://github.com/example/app":                       {render.RemoteGit, "https://github.com/example/app", "", ""},
		"https://github.com/example/app/":                      {render.RemoteGit, "https://github.com/example/app", "", ""},
		"github.com/example/app//base":                         {render.RemoteGit, "https://github.com/example/app", "", "base"},
		"github.com:example/app?ref=x":                         {render.RemoteGit, "https://github.com/example/app", "x", ""},
		"https://git.example.com/a/b/c.git/base?version=v2":    {render.RemoteGit, "https://git.example.com/a/b/c.git", "v2", "base"},
		"https://git.example.com/a/b/c.git":                    {render.RemoteGit, "https://git.example.com/a/b/c.git", "", ""},
		"git::https://git.example.com/a/b//x?ref=y&timeout=5s": {render.RemoteGit, "https://git.example.com/a/b", "y", "x"},
		"git@git.example.com:team/app.git//base?ref=v1":        {render.RemoteGit, "git@git.example.com:team/app.git", "v1", "base"},
		"git@git.example.com:team/app/base":                    {render.RemoteGit, "git@git.example.com:team/app", "", "base"},
		"ssh://git@git.example.com/team/app//base":             {render.RemoteGit, "ssh://git@git.example.com/team/app", "", "base"},
		"https://git.example.com/a/b//../../../etc?ref=v1":     {render.RemoteGit, "https://git.example.com/a/b", "v1", "etc"},
		"https://files.example.com/x/y.yaml":                   {render.RemoteFile, "https://files.example.com/x/y.yaml", "", ""},
		"https://files.example.com/x/y.yaml?token=1":           {render.RemoteFile, "https://files.example.com/x/y.yaml?token=1", "", ""},
	} {
		got, below, err := parseRemote(ref)
		if err != nil || got.Kind != want.kind || got.URL != want.url || got.Version != want.version || below != want.below {
			t.Errorf("parseRemote(%q) = %+v, %q, %v; want %+v", ref, got, below, err, want)
		}
	}
	for _, ref := range []string{"file:///etc", "https://x.example.com/a?%zz", "?ref=x"} {
		if got, _, err := parseRemote(ref); err == nil {
			t.Errorf("parseRemote(%q) = %+v", ref, got)
		}
	}
}

func FuzzParseRemote(f *testing.F) {
	f.Add("https://github.com/example/app//base?ref=v1")
	f.Add("git@git.example.com:team/app.git//base")
	f.Fuzz(func(t *testing.T, ref string) {
		_, below, err := parseRemote(ref)
		if err == nil && (below == ".." || len(below) > 2 && below[:3] == "../") {
			t.Fatalf("%q leaves the repository: %q", ref, below)
		}
	})
}
