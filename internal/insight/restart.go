package insight

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// restart tells of pods that would be replaced, and by what.
func (j *judged) restart(add addWarning) {
	causes := restartCauses(j.Item)
	if len(causes) == 0 {
		return
	}
	if strategy, _, err := unstructured.NestedString(subject(j.Item).Object, "spec", "strategy", "type"); err == nil && strategy == "Recreate" {
		add(Warning, Restart, "all pods of %s would be stopped before new ones start (strategy Recreate): %s", j.name(), strings.Join(causes, ", "))
		return
	}
	add(Info, Restart, "pods of %s would be replaced: %s", j.name(), strings.Join(causes, ", "))
}

// restartCauses are what of a workload's pod template would change, in words; none when its pods would stay.
func restartCauses(i *diff.Item) []string {
	if i.Action != diff.Update || !replacesPods(i) {
		return nil
	}
	var causes []string
	add := func(cause string) {
		if !slices.Contains(causes, cause) {
			causes = append(causes, cause)
		}
	}
	for _, c := range i.Changes {
		rest, inTemplate := strings.CutPrefix(c.Path, "spec.template")
		if !inTemplate || rest != "" && rest[0] != '.' {
			continue
		}
		switch {
		case strings.HasSuffix(rest, ".image"):
			add("image")
		case changesName(c, "configMap", "secret"):
			add("configuration " + textOf(c.Desired))
		case strings.Contains(rest, ".env"):
			add("environment variables")
		case strings.Contains(rest, ".resources"):
			add("resources")
		case strings.Contains(rest, "kubectl.kubernetes.io/restartedAt"):
			add("restart by hand")
		case strings.HasPrefix(rest, ".metadata"):
			add("labels or annotations of the pods")
		default:
			add("pod template")
		}
	}
	return causes
}

// replacesPods reports whether a change of the pod template of the workload replaces pods that run.
func replacesPods(i *diff.Item) bool {
	live := i.Live.Object.Object
	switch i.Ref.GroupKind().String() {
	case "Deployment.apps", "StatefulSet.apps", "Rollout.argoproj.io":
		if n, found, err := unstructured.NestedInt64(live, "spec", "replicas"); err == nil && found && n == 0 {
			return false
		}
		if paused, _, err := unstructured.NestedBool(live, "spec", "paused"); err == nil && paused {
			return false
		}
	case "DaemonSet.apps":
	default:
		return false
	}
	strategy, _, err := unstructured.NestedString(subject(i).Object, "spec", "updateStrategy", "type")
	return err != nil || strategy != "OnDelete"
}

// changesName reports whether a field that refers to an object of one of these kinds would name another one.
func changesName(c object.Change, kinds ...string) bool {
	if textOf(c.Live) == "" || textOf(c.Desired) == "" {
		return false
	}
	for _, k := range kinds {
		for _, field := range []string{"." + k + ".name", "." + k + "Name", "." + k + "Ref.name", "." + k + "KeyRef.name", "." + k + ".secretName"} {
			if strings.HasSuffix(c.Path, field) {
				return true
			}
		}
	}
	return false
}

// renames are the ConfigMaps and Secrets that a plan replaces by others of another name: the name ends with a hash of the
// content, as Kustomize's generators make them.
type renames struct{ created map[string]string }

func newRenames(p *diff.Plan) renames {
	r := renames{created: map[string]string{}}
	for _, i := range p.Items {
		if stem := hashStem(i.Ref); stem != "" && i.Action != diff.Delete {
			r.created[stem] = i.Ref.Kind + " " + i.Ref.Name
		}
	}
	return r
}

// successor names the object that takes the place of one to be deleted.
func (r renames) successor(ref object.Ref) string {
	if stem := hashStem(ref); stem != "" {
		return r.created[stem]
	}
	return ""
}

// hashStem is the identity of a ConfigMap or Secret without the hash that its name ends with.
func hashStem(ref object.Ref) string {
	if ref.Group != "" || ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
		return ""
	}
	// The alphabet and length of Kustomize's hashes.
	if m := regexp.MustCompile(`^(.+)-[2456789bcdfghkmt]{10}$`).FindStringSubmatch(ref.Name); m != nil {
		return ref.Kind + "/" + ref.Namespace + "/" + m[1]
	}
	return ""
}
