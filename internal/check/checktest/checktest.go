// Package checktest serves tests of checkers: txtar files of a repository and of what is to be found in it go in; it is read,
// rendered and judged as belay check does it, and every difference comes out.
//
// An archive holds the files of the repository and two of its own:
//
//	kube: 1.37.2                  a header, all of it optional: the version of Kubernetes,
//	rules: image-tag, probes      the only rules to look at,
//	profile: restricted           the profile,
//	paths: overlays/prod          what is judged, instead of all,
//	base: before                  the directory of the base revision, instead of "base"
//	-- app/deployment.yaml --
//	...
//	-- base/app/deployment.yaml --
//	...
//	-- want --
//	app/deployment.yaml:12 error image-tag whose tag moves
//
// A line of want names the file, the line, the severity, the rule and a part of the message. The line is left out where none is
// known, and "-" stands for no file. Every finding must be wanted and every wanted one found. Files below base/ are the whole
// tree of the revision that the others are merged into. A repository with a directory of that name keeps it, and the base
// revision gets another one, by the header "base: NAME". What cannot be rendered is always looked at, whatever rules says.
package checktest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/configfile"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/check/locate"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/helm"
	"github.com/belaycd/belay/internal/render/jsonnet"
	"github.com/belaycd/belay/internal/render/kustomize"
	"github.com/belaycd/belay/internal/render/plain"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// Case is an archive, read.
type Case struct {
	Files map[string]string
	// Base is nil without a base revision.
	Base map[string]string
	// Rules are the only ones to look at; empty means all.
	Rules []string
	Paths []string
	// Kube is the version of Kubernetes.
	Kube   string
	Config check.Config
	Want   []string

	baseConfig check.Config
}

// Run runs the archives that pattern, such as testdata/*.txtar, matches, each as a test of its own.
func Run(t *testing.T, pattern string, checkers ...check.Checker) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no archive matches %s: %v", pattern, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(archive)
			if err != nil {
				t.Fatal(err)
			}
			report, err := c.Judge(t.Context(), checkers...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := c.Diff(report); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Parse reads an archive.
func Parse(archive *txtar.Archive) (*Case, error) {
	c := &Case{Files: map[string]string{}, Kube: "1.37.2"}
	base := "base"
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if value = strings.TrimSpace(value); !ok {
			continue // prose
		}
		switch key {
		case "kube":
			c.Kube = value
		case "rules":
			c.Rules = list(value)
		case "paths":
			c.Paths = list(value)
		case "profile":
			c.Config.Profile = check.Profile(value)
		case "base":
			base = value
		}
	}
	wanted := false
	for _, f := range archive.Files {
		name, inBase := strings.CutPrefix(f.Name, base+"/")
		switch {
		case f.Name == "want":
			wanted = true
			for line := range strings.Lines(string(f.Data)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					c.Want = append(c.Want, line)
				}
			}
		case inBase:
			if c.Base == nil {
				c.Base = map[string]string{}
			}
			c.Base[name] = string(f.Data)
		default:
			c.Files[f.Name] = string(f.Data)
		}
	}
	if !wanted {
		return nil, fmt.Errorf("the archive has no file want; an empty one says that nothing is found")
	}
	return c, c.config()
}

func list(value string) (out []string) {
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// config reads the settings of the repository, and those of its base; the header counts more.
func (c *Case) config() (err error) {
	profile := c.Config.Profile
	read := func(files map[string]string) (check.Config, error) {
		config, err := configfile.Parse(check.ConfigFile, []byte(files[check.ConfigFile]), nil)
		config.Profile = cmp.Or(profile, config.Profile)
		return config, err
	}
	if c.Config, err = read(c.Files); err == nil {
		c.baseConfig, err = read(c.Base)
	}
	return err
}

// Renderer returns the renderers of a product, with nothing kept between renders.
func Renderer() render.Renderer {
	by := render.Renderers{Directory: plain.New(jsonnet.New()), Kustomize: kustomize.New(), Helm: helm.New()}
	return render.Limit(render.New(by), render.LimitOptions{Concurrent: runtime.GOMAXPROCS(0)})
}

// Load finds and renders what the repository deploys, at both revisions if there is a base.
func (c *Case) Load(ctx context.Context) (*check.Repository, error) {
	var base *discover.Base
	if c.Base != nil {
		base = &discover.Base{Files: rendertest.Files(c.Base), Revision: "base", Config: c.baseConfig}
	}
	return discover.Load(ctx, rendertest.Files(c.Files), base, discover.Options{
		Renderer: Renderer(), Revision: "local", Paths: c.Paths, KubeVersion: c.Kube, Config: c.Config})
}

// Judge loads the repository and runs the checkers, and the one that tells what cannot be rendered.
func (c *Case) Judge(ctx context.Context, checkers ...check.Checker) (*check.Report, error) {
	if !slices.Contains(checkers, check.Checker(discover.Checker{})) {
		checkers = append(slices.Clone(checkers), discover.Checker{})
	}
	repo, err := c.Load(ctx)
	if err != nil {
		return nil, err
	}
	return check.Judge(ctx, repo, locate.New(repo.Files), checkers...)
}

// Diff says how a report differs from what is wanted; it is empty when it does not.
func (c *Case) Diff(report *check.Report) string {
	var out bytes.Buffer
	known := map[string]bool{}
	for _, r := range report.Rules {
		known[r.ID] = true
	}
	for _, id := range c.Rules {
		if !known[id] {
			fmt.Fprintf(&out, "the header names rule %s, which no checker has\n", id)
		}
	}
	if report.Objects == 0 && len(c.Want) == 0 {
		out.WriteString("nothing was judged: the repository renders no object\n")
	}
	left := slices.Clone(c.Want)
	for i := range report.Results {
		r := &report.Results[i]
		if len(c.Rules) > 0 && !slices.Contains(c.Rules, r.Rule.ID) && !fatal(r.Rule.ID) {
			continue
		}
		at := slices.IndexFunc(left, func(line string) bool { return matches(line, r) })
		if at < 0 {
			fmt.Fprintf(&out, "found, not wanted: %s %s\n", head(r), r.Message)
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, line := range left {
		fmt.Fprintf(&out, "wanted, not found: %s\n", line)
	}
	return out.String()
}

// fatal rules say that something was not judged.
func fatal(id string) bool {
	return slices.ContainsFunc(discover.Checker{}.Rules(), func(r check.Rule) bool { return r.ID == id })
}

// head is the beginning of a line of want.
func head(r *check.Result) string {
	place := r.Place
	place.Column = 0
	name := place.String()
	if name == "" {
		name = "-"
	}
	return name + " " + r.Severity.String() + " " + r.Rule.ID
}

func matches(line string, r *check.Result) bool {
	fields := strings.SplitN(line, " ", 4)
	if len(fields) < 3 || strings.Join(fields[:3], " ") != head(r) {
		return false
	}
	return len(fields) == 3 || strings.Contains(r.Message, strings.TrimSpace(fields[3]))
}
