package policy

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/belaycd/belay/internal/check"
)

// maker is the controller that makes the pods of a kind, and the kind that owns them.
type maker struct{ account, apiVersion, owner string }

func makers() map[string]maker {
	return map[string]maker{
		"Deployment":            {"replicaset-controller", "apps/v1", "ReplicaSet"},
		"ReplicaSet":            {"replicaset-controller", "apps/v1", "ReplicaSet"},
		"StatefulSet":           {"statefulset-controller", "apps/v1", "StatefulSet"},
		"DaemonSet":             {"daemon-set-controller", "apps/v1", "DaemonSet"},
		"Job":                   {"job-controller", "batch/v1", "Job"},
		"CronJob":               {"job-controller", "batch/v1", "Job"},
		"ReplicationController": {"replication-controller", "v1", "ReplicationController"},
	}
}

// expand returns the pod that a workload makes, where its template is, and who creates it; nil if it makes none.
func expand(u *unstructured.Unstructured) (pod *unstructured.Unstructured, path string, who user.Info) {
	m, ok := makers()[u.GetKind()]
	if !ok {
		return nil, "", nil
	}
	template := check.PodOf(u)
	if template == nil {
		return nil, "", nil
	}
	// The manifest is shared: what is changed here is copied.
	metadata := maps.Clone(template.Metadata)
	if metadata == nil {
		metadata = map[string]any{}
	}
	delete(metadata, "creationTimestamp")
	metadata["generateName"] = u.GetName() + "-"
	metadata["name"] = u.GetName() + "-00000"
	if ns := u.GetNamespace(); ns != "" {
		metadata["namespace"] = ns
	}
	metadata["ownerReferences"] = []any{map[string]any{"apiVersion": m.apiVersion, "kind": m.owner, "name": u.GetName(),
		"uid": "00000000-0000-0000-0000-000000000000", "controller": true, "blockOwnerDeletion": true}}
	pod = &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.Spec}}
	return pod, template.Path, serviceAccount("kube-system", m.account)
}
