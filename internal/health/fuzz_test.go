package health

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzAssess feeds any JSON object, as every judged kind, to Assess: it answers the same twice, within bounds.
func FuzzAssess(f *testing.F) {
	for _, seed := range []string{
		`{}`,
		`{"metadata":7,"spec":[],"status":"x"}`,
		`{"metadata":{"generation":"2"},"spec":{"replicas":"3","paused":1},"status":{"conditions":[null,1,{"type":["a"]}],"replicas":1.5}}`,
		`{"spec":{"selector":{"a":1},"type":5},"status":{"phase":[],"active":3,"loadBalancer":{"ingress":{"ip":1}}}}`,
		`{"status":{"phase":"Running","containerStatuses":[{"name":1,"state":{"waiting":"no"},"lastState":{"terminated":{"exitCode":1e400}}}]}}`,
		`{"endpoints":[{"conditions":{"ready":"no"},"targetRef":1},7],"status":{"observedGeneration":"9999999999999999999"}}`,
	} {
		f.Add([]byte(seed))
	}
	kinds := []string{"v1/Pod", "v1/Service", "v1/PersistentVolumeClaim", "v1/Namespace", "v1/Secret", "apps/v1/Deployment",
		"apps/v1/StatefulSet", "apps/v1/DaemonSet", "apps/v1/ReplicaSet", "batch/v1/Job", "batch/v1/CronJob",
		"networking.k8s.io/v1/Ingress", "autoscaling/v2/HorizontalPodAutoscaler", "policy/v1/PodDisruptionBudget",
		"apiregistration.k8s.io/v1/APIService", "apiextensions.k8s.io/v1/CustomResourceDefinition",
		"argoproj.io/v1alpha1/Application", "argoproj.io/v1alpha1/Rollout", "argoproj.io/v1alpha1/Workflow", "example.com/v1/Widget"}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range kinds {
			var content map[string]any
			if json.Unmarshal(data, &content) != nil || content == nil {
				return
			}
			cut := strings.LastIndex(kind, "/")
			content["apiVersion"], content["kind"] = kind[:cut], kind[cut+1:]
			obj := &unstructured.Unstructured{Object: content}
			w := world{now: noon(), known: true, slices: []*unstructured.Unstructured{obj, nil, {}}}
			res, ok := Assess(obj, w)
			if again, _ := Assess(obj, w); again != res {
				t.Fatalf("%s: %v, then %v", kind, res, again)
			}
			if ok == (res.Status == "") {
				t.Fatalf("%s: judged %v, status %q", kind, ok, res.Status)
			}
			if len(res.Message) > maxMessage+3 || !utf8.ValidString(res.Message) || strings.Contains(res.Message, "\n") {
				t.Fatalf("%s: message %q", kind, res.Message)
			}
		}
	})
}
