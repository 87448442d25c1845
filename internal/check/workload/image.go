package workload

import (
	"fmt"
	"path"
	"strings"

	"github.com/distribution/reference"

	"github.com/belaycd/belay/internal/check"
)

// image is a reference to an image, read as the kubelet reads it.
type image struct {
	// name holds registry and repository: docker.io/library/nginx.
	name, tag, digest string
	err               error
	// allowed tells whether the registries of the team have it.
	allowed bool
}

// images keeps what was read: the same reference is in many pods.
type images struct {
	registries [][]string
	known      map[string]image
}

func newImages(registries []string) *images {
	i := &images{known: map[string]image{}}
	for _, r := range registries {
		r = strings.Trim(strings.TrimPrefix(r, "index."), "/")
		i.registries = append(i.registries, strings.Split(r, "/"))
	}
	return i
}

func (i *images) read(text string) image {
	if known, ok := i.known[text]; ok {
		return known
	}
	var out image
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		out.err = err
	} else {
		out.name = named.Name()
		if t, ok := named.(reference.Tagged); ok {
			out.tag = t.Tag()
		}
		if d, ok := named.(reference.Digested); ok {
			out.digest = d.Digest().String()
		}
		out.allowed = i.allow(out.name)
	}
	i.known[text] = out
	return out
}

// allow compares step by step, so that registry.example.com.evil.example is not registry.example.com.
func (i *images) allow(name string) bool {
	steps := strings.Split(name, "/")
	for _, r := range i.registries {
		if len(r) > len(steps) {
			continue
		}
		same := true
		for n, want := range r {
			if ok, err := path.Match(want, steps[n]); err != nil || !ok {
				same = false
			}
		}
		if same {
			return true
		}
	}
	return len(i.registries) == 0
}

// eachImage calls f for the image of every container and image volume: who runs or mounts it, where it is written, what it is.
func (w *work) eachImage(f func(who, at, text string, i image)) {
	for _, c := range w.containers {
		if text := check.TextAt(c.Fields, "image"); text != "" {
			f("container "+c.Name+" runs", check.Join(c.Path, "image"), text, w.images.read(text))
		}
	}
	for n, v := range check.ListAt(w.pod.Spec, "volumes") {
		v, _ := v.(map[string]any)
		if text := check.TextAt(v, "image", "reference"); text != "" {
			name := check.TextAt(v, "name")
			f("volume "+name+" mounts", check.Join(w.pod.Path, "spec", "volumes", check.Element(n, "name", name), "image", "reference"), text, w.images.read(text))
		}
	}
}

func imageTag() rule {
	return rule{
		Rule: check.Rule{
			ID: "image-tag", Title: "image without a fixed tag", Severity: check.Error,
			Why:       "An image without a tag, or with the tag latest, is whatever was pushed last: two pods of one deployment may run different programs, and a rollback brings nothing back.",
			Fix:       "Name the release: a tag that is never moved, or better a digest.",
			Standards: []string{"kube-linter latest-tag", "KSV-0013"},
		},
		judge: func(w *work, report reporter) {
			w.eachImage(func(who, at, text string, i image) {
				if i.err != nil || i.digest != "" || i.tag != "" && i.tag != "latest" {
					return
				}
				what := "which has no tag"
				if i.tag == "latest" {
					what = "whose tag moves"
				}
				report(check.Finding{Path: at, Message: fmt.Sprintf("%s %s, %s", who, text, what),
					Fix: fmt.Sprintf("Write the release that was tested: %s:<release>, or %s@sha256:<digest>.", bare(text), bare(text))})
			})
		},
	}
}

// bare returns a reference without tag, as the author writes it.
func bare(text string) string {
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, '/') {
		return text[:i]
	}
	return text
}

func imageName() rule {
	return rule{
		Rule: check.Rule{
			ID: "image-name", Title: "image that cannot be pulled", Severity: check.Error,
			Why: "The API server accepts any text as an image, and the kubelet refuses it later: the pod stays in InvalidImageName.",
			Fix: "Write [registry/]repository:tag, the repository in lower case, with every variable filled in.",
		},
		judge: func(w *work, report reporter) {
			w.eachImage(func(who, at, text string, i image) {
				if i.err != nil {
					report(check.Finding{Path: at, Message: fmt.Sprintf("%s %q, which is no reference to an image: %v", who, text, i.err)})
				}
			})
		},
	}
}

func imageDigest() rule {
	return rule{
		Rule: check.Rule{
			ID: "image-digest", Title: "image without a digest", Severity: check.Off,
			Profiles:  map[check.Profile]check.Severity{check.Restricted: check.Warning},
			Why:       "A tag can be pushed again. A digest names the bytes, so that what was reviewed and scanned is what runs.",
			Fix:       "Add the digest behind the tag: image: registry/repository:tag@sha256:<digest>.",
			Standards: []string{"gatekeeper imagedigests"},
		},
		judge: func(w *work, report reporter) {
			w.eachImage(func(who, at, text string, i image) {
				if i.err == nil && i.digest == "" {
					report(check.Finding{Path: at, Message: fmt.Sprintf("%s %s without a digest", who, text),
						Fix: fmt.Sprintf("Write %s@sha256:<digest>, with the digest that the registry gives for it.", text)})
				}
			})
		},
	}
}

func imageRegistry() rule {
	return rule{
		Rule: check.Rule{
			ID: "image-registry", Title: "image from a registry that is not allowed", Severity: check.Error,
			Why: "A team that names its registries wants every image to come through them, where it is scanned and kept. Short names count as what they stand for: nginx is docker.io/library/nginx. " +
				"The rule finds nothing until the setting registries names some.",
			Fix:       "Copy the image to an allowed registry and name it there, or add its registry to registries in " + check.ConfigFile + ".",
			Standards: []string{"CIS 5.5.1", "KSV-0125"},
		},
		judge: func(w *work, report reporter) {
			w.eachImage(func(who, at, text string, i image) {
				if i.err == nil && !i.allowed {
					report(check.Finding{Path: at, Message: fmt.Sprintf("%s %s; allowed are %s", who, i.name, strings.Join(w.config.Registries, ", "))})
				}
			})
		},
	}
}
