package insight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Severities of warnings.
const (
	Info    = "info"
	Warning = "warning"
	Danger  = "danger"
)

// Codes of warnings.
const (
	PruneVolume    = "PruneVolume"
	PruneNamespace = "PruneNamespace"
	PruneCRD       = "PruneCRD"
	Prune          = "Prune"
	ImmutableField = "ImmutableField"
	ScaleToZero    = "ScaleToZero"
	ImageDowngrade = "ImageDowngrade"
	Restart        = "Restart"
	HookRuns       = "HookRuns"
	WindowClosed   = "WindowClosed"
	Refused        = "Refused"
	SharedResource = "SharedResource"
)

// judged is an object of a plan with what its warnings depend on.
type judged struct {
	*diff.Item
	planned *PlannedObject
	opts    apply.Options
	renames renames
	// kept says that the object is no longer in Git and stays, because its options say so.
	kept bool
}

// keep finds out what may become of an object that Git does not have.
func (j *judged) keep() {
	if j.Action != diff.Delete {
		return
	}
	switch j.opts.PrunePolicy(j.Live.Object) {
	case "false":
		j.kept = true
		j.planned.Reason = "no longer in Git; it stays, because its sync options say Prune=false"
	case "confirm":
		j.planned.Reason = "no longer in Git; to be deleted, it has to be confirmed: belay app confirm-deletion"
	}
}

func (j *judged) warnings() []PlanWarning {
	var out []PlanWarning
	ref := j.planned.ResourceRef
	add := func(severity, code, format string, args ...any) {
		out = append(out, PlanWarning{Severity: severity, Code: code, Object: &ref, Message: fmt.Sprintf(format, args...)})
	}
	if j.planned.Refused != "" {
		add(Danger, Refused, "%s would be refused: %s", j.name(), j.planned.Refused)
	}
	switch j.Action {
	case diff.Delete:
		if !j.kept {
			j.prune(add)
		}
	case diff.Update:
		j.immutable(add)
		j.scale(add)
		j.images(add)
		j.restart(add)
	case diff.Create, diff.None:
	}
	return out
}

func (j *judged) name() string { return j.Ref.Kind + " " + j.Ref.Name }

type addWarning func(severity, code, format string, args ...any)

// prune tells what a deletion takes away with the object.
func (j *judged) prune(add addWarning) {
	switch gk := j.Ref.GroupKind().String(); {
	case gk == "PersistentVolumeClaim", gk == "PersistentVolume":
		add(Danger, PruneVolume, "%s would be deleted, and with it the data, unless the volume's reclaim policy is Retain", j.name())
	case gk == "Namespace":
		add(Danger, PruneNamespace, "Namespace %s would be deleted, with everything in it", j.Ref.Name)
	case gk == "CustomResourceDefinition.apiextensions.k8s.io":
		add(Danger, PruneCRD, "CustomResourceDefinition %s would be deleted, and with it every object of its kind in the cluster", j.Ref.Name)
	case j.renames.successor(j.Ref) != "":
		add(Info, Prune, "%s would be deleted: %s takes its place", j.name(), j.renames.successor(j.Ref))
	default:
		add(Warning, Prune, "%s would be deleted: it is no longer in Git", j.name())
	}
}

// scale tells of workloads that would have no pods left.
func (j *judged) scale(add addWarning) {
	have, found, err := unstructured.NestedInt64(j.Live.Object.Object, "spec", "replicas")
	if err != nil || !found || have == 0 {
		return
	}
	for _, c := range j.Changes {
		if n, ok := integer(c.Desired); ok && c.Path == "spec.replicas" && n == 0 {
			add(Danger, ScaleToZero, "%s would be scaled from %d replicas to none", j.name(), have)
		}
	}
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == float64(int64(n))
	case int:
		return int64(n), true
	}
	return 0, false
}

// images tells of images whose tag is an older version than the one that runs.
func (j *judged) images(add addWarning) {
	want := j.Predicted
	if want == nil {
		want = j.Desired
	}
	have := containerImages(j.Live.Object)
	for _, c := range sortedKeys(containerImages(want)) {
		old, next := have[c], containerImages(want)[c]
		if older(next, old) {
			add(Warning, ImageDowngrade, "container %s of %s would go back from %s to %s", c, j.name(), old, next)
		}
	}
}

// older reports whether both are tags of one image, and the first is the older version.
func older(a, b string) bool {
	repoA, tagA := splitImage(a)
	repoB, tagB := splitImage(b)
	if repoA == "" || repoA != repoB {
		return false
	}
	va, errA := semver.NewVersion(tagA)
	vb, errB := semver.NewVersion(tagB)
	// A tag that is a plain number or a date is no version in this sense.
	return errA == nil && errB == nil && strings.Contains(tagA, ".") && strings.Contains(tagB, ".") && va.LessThan(vb)
}

// splitImage parts an image from its tag; a digest does not count.
func splitImage(image string) (repo, tag string) {
	image, _, _ = strings.Cut(image, "@")
	colon, slash := strings.LastIndexByte(image, ':'), strings.LastIndexByte(image, '/')
	if colon <= slash {
		return image, ""
	}
	return image[:colon], image[colon+1:]
}

// podSpecs are where the kinds that run pods keep what they run.
func podSpecs() [][]string {
	return [][]string{{"spec", "template", "spec"}, {"spec", "jobTemplate", "spec", "template", "spec"}, {"spec"}}
}

// containerImages are the images of an object's containers by name.
func containerImages(u *unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	if u == nil {
		return out
	}
	for _, at := range podSpecs() {
		for _, list := range []string{"containers", "initContainers"} {
			for _, c := range objectsAt(u.Object, append(slices.Clone(at), list)...) {
				name, image := textOf(c["name"]), textOf(c["image"])
				if name != "" && image != "" {
					out[name] = image
				}
			}
		}
	}
	return out
}

// objectsAt returns the objects of a list in u.
func objectsAt(u map[string]any, path ...string) []map[string]any {
	v, _, err := unstructured.NestedFieldNoCopy(u, path...)
	list, isList := v.([]any)
	if err != nil || !isList {
		return nil
	}
	var out []map[string]any
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// shared tells of objects that another application claims too.
func shared(conditions []v1alpha1.ApplicationCondition, objects []PlannedObject) []PlanWarning {
	var out []PlanWarning
	for _, c := range conditions {
		if c.Type != v1alpha1.ConditionSharedResourceWarning {
			continue
		}
		w := PlanWarning{Severity: Danger, Code: SharedResource, Message: mask.Text(c.Message)}
		for i := range objects {
			if strings.HasPrefix(c.Message, objects[i].Ref().String()+" ") {
				ref := objects[i].ResourceRef
				w.Object = &ref
			}
		}
		out = append(out, w)
	}
	return out
}

// order puts the gravest warnings first.
func order(warnings []PlanWarning) {
	weight := func(w PlanWarning) int { return slices.Index([]string{Danger, Warning, Info}, w.Severity) }
	ref := func(w PlanWarning) object.Ref {
		if w.Object == nil {
			return object.Ref{}
		}
		return w.Object.Ref()
	}
	slices.SortStableFunc(warnings, func(a, b PlanWarning) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a.Code, b.Code), cmp.Compare(ref(a).String(), ref(b).String()))
	})
}
