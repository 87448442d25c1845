// Package health judges objects: a live object and what is known around it go in; a health status and the cause of
// it come out, for one object (Assess) and for an application (Aggregate).
//
// Kinds that Argo CD judges are judged by its rules, in the words of Kubernetes' own conditions; every other kind is
// judged by the kstatus conventions. A message names the cause, is the same for the same state, and holds nothing
// that changes by itself (times, restart counts), because every new message is a write to the Application.
package health

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Deadline is how long an object that reports no deadline of its own may be unready before it counts as Degraded.
// It is the default progressDeadlineSeconds of a Deployment.
const Deadline = 10 * time.Minute

// Result is the health of one object.
type Result struct {
	Status  v1alpha1.HealthStatusCode
	Message string
	// Recheck is when the result changes although no object does; zero when it does not.
	Recheck time.Duration
}

// Signals is what Assess must know besides the object itself. Implementations are safe for concurrent use and answer
// from memory.
type Signals interface {
	// EndpointSlices returns the discovery.k8s.io EndpointSlices of a Service. The second value is false when they
	// are not known, for example because the cluster forbids reading them.
	EndpointSlices(namespace, service string) ([]*unstructured.Unstructured, bool)
	// Script returns what the user's own check says of obj, and false when there is none for its kind. A result without
	// a status says that obj has no health.
	Script(obj *unstructured.Unstructured) (Result, bool)
	// Now is the present time.
	Now() time.Time
}

// Assess returns the health of obj, and false when its kind has none (RBAC, a custom resource without conditions). A check
// that the user wrote comes before the ones of this package, but does not see objects that are about to go.
// A nil obj is Missing. A nil sig knows nothing. A field of a wrong type makes a built-in kind Unknown.
func Assess(obj *unstructured.Unstructured, sig Signals) (Result, bool) {
	if obj == nil || obj.Object == nil {
		return Result{Status: v1alpha1.HealthMissing, Message: "the object is not in the cluster"}, true
	}
	if deleting(obj) {
		return progressing("Pending deletion"), true
	}
	if sig != nil {
		if res, found := sig.Script(obj); found {
			return res, res.Status != ""
		}
	}
	in := input{fields: &fields{root: obj.Object}, obj: obj, sig: sig}
	judge := judgeOf(obj.GroupVersionKind().GroupKind())
	if judge == nil {
		return generic(in)
	}
	res := judge(in)
	if in.wrong != "" {
		return unknown("cannot judge: %s", in.wrong), true
	}
	return res, res.Status != ""
}

// IgnoredByAnnotation reports whether obj asks to be left out of its application's health.
func IgnoredByAnnotation(obj *unstructured.Unstructured) bool {
	return obj != nil && obj.Object != nil && obj.GetAnnotations()[v1alpha1.AnnotationIgnoreHealth] == "true"
}

// deleting leaves out hooks that wait for our own finalizer: they are judged by how they ended.
func deleting(obj *unstructured.Unstructured) bool {
	if obj.GetDeletionTimestamp() == nil {
		return false
	}
	for _, f := range obj.GetFinalizers() {
		if f == v1alpha1.FinalizerHook {
			return false
		}
	}
	return true
}

// input is what a judge of one kind sees.
type input struct {
	*fields
	obj *unstructured.Unstructured
	sig Signals
}

type judge func(input) Result

// judgeOf returns the judge of a built-in kind, or nil. The group counts: a Service of another group is another kind.
func judgeOf(gk schema.GroupKind) judge {
	switch gk.Group {
	case "":
		return judgeOfCore(gk.Kind)
	case "apps":
		return judgeOfApps(gk.Kind)
	case "batch":
		switch gk.Kind {
		case "Job":
			return job
		case "CronJob":
			return cronJob
		}
	case v1alpha1.Group:
		switch gk.Kind {
		case v1alpha1.ApplicationKind:
			return application
		case "Rollout":
			return rollout
		case "Workflow":
			return workflow
		}
	}
	switch gk {
	case schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}, schema.GroupKind{Group: "extensions", Kind: "Ingress"}:
		return ingress
	case schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
		return autoscaler
	case schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}:
		return disruptionBudget
	case schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}:
		return apiService
	case schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
		return customResourceDefinition
	}
	return judgeOfExtension(gk)
}

func judgeOfCore(kind string) judge {
	switch kind {
	case "Pod":
		return pod
	case "Service":
		return service
	case "PersistentVolumeClaim":
		return volumeClaim
	case "Namespace":
		return namespace
	case "ConfigMap", "Secret":
		return present
	}
	return nil
}

func judgeOfApps(kind string) judge {
	switch kind {
	case "Deployment":
		return deployment
	case "StatefulSet":
		return statefulSet
	case "DaemonSet":
		return daemonSet
	case "ReplicaSet":
		return replicaSet
	}
	return nil
}

// present judges kinds that are healthy when they exist.
func present(input) Result { return healthy("") }

// none is the result of a kind that has no health in this state.
func none() Result { return Result{} }

func healthy(format string, args ...any) Result {
	return result(v1alpha1.HealthHealthy, format, args)
}

func suspended(format string, args ...any) Result {
	return result(v1alpha1.HealthSuspended, format, args)
}

func progressing(format string, args ...any) Result {
	return result(v1alpha1.HealthProgressing, format, args)
}

func degraded(format string, args ...any) Result {
	return result(v1alpha1.HealthDegraded, format, args)
}

func unknown(format string, args ...any) Result {
	return result(v1alpha1.HealthUnknown, format, args)
}

func result(status v1alpha1.HealthStatusCode, format string, args []any) Result {
	return Result{Status: status, Message: Line(fmt.Sprintf(format, args...))}
}

// maxMessage bounds a message in bytes: messages of conditions are written by others and end up in the Application.
const maxMessage = 500

// Line makes text one line of at most maxMessage bytes of valid UTF-8.
func Line(text string) string {
	if len(text) > 4*maxMessage {
		text = text[:4*maxMessage]
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "..."
}

// overdue turns a state that began at since from Progressing into Degraded once Deadline has passed. Without a known
// beginning or clock it stays Progressing.
func (in input) overdue(since time.Time, format string, args ...any) Result {
	res := progressing(format, args...)
	if in.sig == nil || since.IsZero() {
		return res
	}
	if left := since.Add(Deadline).Sub(in.sig.Now()); left > 0 {
		res.Recheck = left
		return res
	}
	return degraded(format, args...)
}
