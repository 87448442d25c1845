package pods

import (
	"encoding/json"
	"fmt"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// statusPatch is a strategic merge patch that turns the pod's status into the wanted one; nil if they are the same. It
// names the pod's UID, so that it never hits a successor of the same name.
func statusPatch(pod *core.Pod, wanted core.PodStatus) ([]byte, error) {
	from, err := json.Marshal(core.Pod{Status: pod.Status})
	if err != nil {
		return nil, fmt.Errorf("encode status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	to, err := json.Marshal(core.Pod{Status: wanted})
	if err != nil {
		return nil, fmt.Errorf("encode status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if string(from) == string(to) {
		return nil, nil
	}
	to, err = json.Marshal(core.Pod{ObjectMeta: meta.ObjectMeta{UID: pod.UID}, Status: wanted})
	if err != nil {
		return nil, fmt.Errorf("encode status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	patch, err := strategicpatch.CreateTwoWayMergePatch(from, to, core.Pod{})
	if err != nil {
		return nil, fmt.Errorf("compare status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return patch, nil
}
