package workload

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check"
)

// enforceLabel says what the API server asks of the pods of a namespace; enforceLabel-version by the rules of which minor.
const enforceLabel = "pod-security.kubernetes.io/enforce"

// level is one of the Pod Security Standards, in rising order. unsaid is that of a namespace without the label.
type level int

const (
	unsaid level = iota
	privileged
	baseline
	restricted
)

// enforced reads the labels of a namespace. A level that does not exist counts as restricted, as it does for the API server.
func enforced(labels map[string]any) level {
	text, ok := labels[enforceLabel].(string)
	if !ok {
		return unsaid
	}
	if i := slices.Index([]string{"privileged", "baseline", "restricted"}, text); i >= 0 {
		return level(i + 1)
	}
	return restricted
}

func (l level) String() string { return []string{"nothing", "privileged", "baseline", "restricted"}[l] }

// standards are the controls of Pod Security, those of the API server itself.
type standards struct {
	checks []policy.Check
}

func newStandards() *standards { return &standards{checks: policy.DefaultChecks()} }

func (s *standards) rules() []check.Rule {
	out := []check.Rule{restrictedRule(), unjudgedRule()}
	for _, c := range controls() {
		out = append(out, c.rule())
	}
	return out
}

// control is a check of the library at one version, with what is ours of it.
type control struct {
	id    policy.CheckID
	check policy.CheckPodFn
	about baselineControl
}

// levels are the controls that hold for a repository.
type levels struct {
	standards *standards
	version   api.Version
	// at keeps what was selected, by version: namespaces may name another one.
	at map[api.Version]*selected
}

type selected struct{ baseline, restricted []control }

// at returns the controls for the first of the versions; the latest ones if there is none.
func (s *standards) at(versions []string) *levels {
	l := &levels{standards: s, version: api.LatestVersion(), at: map[api.Version]*selected{}}
	if len(versions) > 0 {
		major, rest, _ := strings.Cut(strings.TrimPrefix(versions[0], "v"), ".")
		minor, _, _ := strings.Cut(rest, ".")
		if v, err := api.ParseVersion("v" + major + "." + minor); err == nil {
			l.version = v
		}
	}
	return l
}

// choose returns the controls of a version.
func (l *levels) choose(v api.Version) *selected {
	if known, ok := l.at[v]; ok {
		return known
	}
	out := &selected{}
	for _, c := range l.standards.checks {
		var at policy.CheckPodFn
		for _, version := range c.Versions {
			if v.Latest() || !v.Older(version.MinimumVersion) {
				at = version.CheckPod
			}
		}
		if at == nil {
			continue
		}
		if c.Level == api.LevelRestricted {
			out.restricted = append(out.restricted, control{id: c.ID, check: at})
			continue
		}
		out.baseline = append(out.baseline, control{id: c.ID, check: at, about: controls()[c.ID]})
	}
	l.at[v] = out
	return out
}

// judge reports what the standards forbid. A namespace of the repository that enforces a level has decided: what it allows is not
// reported for each of its pods, what it forbids will be refused by the API server.
func (l *levels) judge(w *work, report func(check.Finding)) {
	labels := w.around.labelsOf(w.site)
	asked := enforced(labels)
	if asked == privileged {
		return
	}
	version := l.version
	if text, ok := labels[enforceLabel+"-version"].(string); ok {
		if v, err := api.ParseVersion(text); err == nil && !v.Latest() && (version.Latest() || v.Older(version)) {
			version = v
		}
	}
	meta, spec, err := typed(w.pod)
	if err != nil {
		report(check.Finding{Rule: unjudgedRule().ID, Object: w.object, Path: check.Join(w.pod.Path, "spec"), Message: "the pod cannot be read: " + err.Error()})
		return
	}
	chosen := l.choose(version)
	p := &pod{work: w, meta: meta, spec: spec, refused: ""}
	if asked > unsaid {
		p.refused = fmt.Sprintf("; namespace %s enforces %s and will refuse the pods", w.site.Namespace, asked)
	}
	for _, c := range chosen.baseline {
		if !c.check(meta, spec).Allowed {
			p.baseline(c, report)
		}
	}
	if asked == baseline {
		return
	}
	var failed []control
	for _, c := range chosen.restricted {
		if !c.check(meta, spec).Allowed {
			failed = append(failed, c)
		}
	}
	if len(failed) > 0 {
		p.restricted(failed, chosen.baseline, asked, report)
	}
}

// pod is a pod as the library takes it.
type pod struct {
	work    *work
	meta    *metav1.ObjectMeta
	spec    *corev1.PodSpec
	refused string
}

// baseline reports each part of the pod that a control forbids: a pod with that part alone is asked for. The controls of baseline
// forbid what is set, never what is missing, so that parts can be told apart in this way.
func (p *pod) baseline(c control, report func(check.Finding)) {
	found := false
	for _, part := range p.parts() {
		result := c.check(&part.meta, &part.spec)
		if result.Allowed {
			continue
		}
		found = true
		if part.host && p.work.spareHostPath(part.volume) || c.id == "hostPorts" && p.spec.HostNetwork {
			continue // another finding has the same cause
		}
		at := part.path
		if part.container {
			at = check.Join(at, c.about.field...)
		} else if part.settings {
			at = check.Join(at, c.about.field[1:]...)
		}
		report(check.Finding{Rule: c.about.id(), Object: p.work.object, Path: at, Message: c.about.say + result.ForbiddenDetail + p.refused})
	}
	if !found { // the parts make it together; never silent
		report(check.Finding{Rule: c.about.id(), Object: p.work.object, Path: check.Join(p.work.pod.Path, "spec"), Message: c.check(p.meta, p.spec).ForbiddenDetail + p.refused})
	}
}

// spareHostPath reports whether sensitive-hostpath tells of a volume, and tells it more exactly.
func (w *work) spareHostPath(volume map[string]any) bool {
	if s, ok := w.config.Severities[sensitiveID]; ok && s == check.Off {
		return false
	}
	return w.sensitive(volume) != ""
}

// part is a pod with one thing of another pod in it.
type part struct {
	path string
	meta metav1.ObjectMeta
	spec corev1.PodSpec
	// container and settings (the security context of the pod) are where the field of a control is; host marks a volume.
	container, settings, host bool
	volume                    map[string]any
}

func (p *pod) parts() (out []part) {
	base := corev1.PodSpec{OS: p.spec.OS, HostUsers: p.spec.HostUsers}
	in := func(keys ...string) string { return check.Join(p.work.pod.Path, append([]string{"spec"}, keys...)...) }
	add := func(made part, change func(s *corev1.PodSpec)) {
		made.spec = base
		change(&made.spec)
		out = append(out, made)
	}
	add(part{path: in("hostNetwork")}, func(s *corev1.PodSpec) { s.HostNetwork = p.spec.HostNetwork })
	add(part{path: in("hostPID")}, func(s *corev1.PodSpec) { s.HostPID = p.spec.HostPID })
	add(part{path: in("hostIPC")}, func(s *corev1.PodSpec) { s.HostIPC = p.spec.HostIPC })
	add(part{path: in("securityContext"), settings: true}, func(s *corev1.PodSpec) { s.SecurityContext = p.spec.SecurityContext })
	for key, value := range p.meta.Annotations {
		add(part{path: check.Join(p.work.pod.Path, "metadata", "annotations", key), meta: metav1.ObjectMeta{Annotations: map[string]string{key: value}}},
			func(s *corev1.PodSpec) { s.Containers = names(p.spec.Containers) })
	}
	raw := check.ListAt(p.work.pod.Spec, "volumes")
	for i, v := range p.spec.Volumes {
		fields, _ := raw[i].(map[string]any)
		add(part{path: in("volumes", check.Element(i, "name", v.Name)), host: v.HostPath != nil, volume: fields}, func(s *corev1.PodSpec) { s.Volumes = []corev1.Volume{v} })
	}
	p.eachContainer(func(path string, one corev1.PodSpec) {
		add(part{path: path, container: true}, func(s *corev1.PodSpec) {
			s.InitContainers, s.Containers, s.EphemeralContainers = one.InitContainers, one.Containers, one.EphemeralContainers
		})
	})
	return out
}

// eachContainer calls f with a pod of each container alone.
func (p *pod) eachContainer(f func(path string, one corev1.PodSpec)) {
	in := func(list string, i int, name string) string {
		return check.Join(p.work.pod.Path, "spec", list, check.Element(i, "name", name))
	}
	for i := range p.spec.InitContainers {
		f(in("initContainers", i, p.spec.InitContainers[i].Name), corev1.PodSpec{InitContainers: p.spec.InitContainers[i : i+1]})
	}
	for i := range p.spec.Containers {
		f(in("containers", i, p.spec.Containers[i].Name), corev1.PodSpec{Containers: p.spec.Containers[i : i+1]})
	}
	for i := range p.spec.EphemeralContainers {
		f(in("ephemeralContainers", i, p.spec.EphemeralContainers[i].Name), corev1.PodSpec{EphemeralContainers: p.spec.EphemeralContainers[i : i+1]})
	}
}

// names returns containers with nothing but a name: annotations may refer to them.
func names(containers []corev1.Container) (out []corev1.Container) {
	for i := range containers {
		out = append(out, corev1.Container{Name: containers[i].Name})
	}
	return out
}
