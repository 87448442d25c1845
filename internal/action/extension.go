package action

import (
	"cmp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Annotations by which the operators of custom resources are told what to do.
const (
	kedaPaused     = "autoscaling.keda.sh/paused"
	kedaReplicas   = "autoscaling.keda.sh/paused-replicas"
	cnpgLoop       = "cnpg.io/reconciliationLoop"
	cnpgHibernate  = "cnpg.io/hibernation"
	cnpgReload     = "cnpg.io/reloadedAt"
	fluxRequested  = "reconcile.fluxcd.io/requestedAt"
	secretsForce   = "force-sync"
	kubectlRestart = "kubectl.kubernetes.io/restartedAt"
)

func note(key string) []string { return []string{"metadata", "annotations", key} }

// builtinsOfExtension are the actions of custom resources that many use.
func builtinsOfExtension(gk schema.GroupKind) []builtin {
	switch {
	case gk.Group == v1alpha1.Group:
		return builtinsOfArgo(gk.Kind)
	case gk == schema.GroupKind{Group: "external-secrets.io", Kind: "ExternalSecret"}:
		never := func(s state) bool { return s.text("spec", "refreshInterval") == "0s" }
		return []builtin{{name: "refresh", disabled: never, run: stamp(note(secretsForce)...)}}
	case gk == schema.GroupKind{Group: "external-secrets.io", Kind: "PushSecret"}:
		return []builtin{{name: "push", run: stamp(note(secretsForce)...)}}
	case gk == schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}:
		return append(keda(), builtin{name: "paused-replicas", disabled: noted(kedaPaused, "true"), params: pausedReplicas, run: pauseAt})
	case gk == schema.GroupKind{Group: "keda.sh", Kind: "ScaledJob"}:
		return keda()
	case gk == schema.GroupKind{Group: "postgresql.cnpg.io", Kind: "Cluster"}:
		return []builtin{
			{name: "restart", run: stamp(note(kubectlRestart)...)},
			{name: "reload", run: stamp(note(cnpgReload)...)},
			{name: "suspend", disabled: noted(cnpgLoop, "disabled"), run: set("disabled", note(cnpgLoop)...)},
			{name: "resume", disabled: notNoted(cnpgLoop, "disabled"), run: set(nil, note(cnpgLoop)...)},
			{name: "hibernate", disabled: noted(cnpgHibernate, "on"), run: set("on", note(cnpgHibernate)...)},
			{name: "rehydrate", disabled: notNoted(cnpgHibernate, "on"), run: set("off", note(cnpgHibernate)...)},
		}
	case strings.HasSuffix(gk.Group, ".toolkit.fluxcd.io"):
		return flux(gk)
	}
	return nil
}

// flux are the kinds of Flux: those that reconcile can be asked to, and all can be suspended.
func flux(gk schema.GroupKind) []builtin {
	switch gk.Group + "/" + gk.Kind {
	case "notification.toolkit.fluxcd.io/Alert", "notification.toolkit.fluxcd.io/Provider":
		return suspension()
	case "helm.toolkit.fluxcd.io/HelmRelease", "kustomize.toolkit.fluxcd.io/Kustomization", "notification.toolkit.fluxcd.io/Receiver",
		"image.toolkit.fluxcd.io/ImageRepository", "image.toolkit.fluxcd.io/ImageUpdateAutomation",
		"source.toolkit.fluxcd.io/Bucket", "source.toolkit.fluxcd.io/GitRepository", "source.toolkit.fluxcd.io/HelmChart",
		"source.toolkit.fluxcd.io/HelmRepository", "source.toolkit.fluxcd.io/OCIRepository":
		return append(suspension(), builtin{name: "reconcile", disabled: is("spec", "suspend"), run: stamp(note(fluxRequested)...)})
	}
	return nil
}

func kedaIsPaused(s state) bool { return s.note(kedaPaused) == "true" || s.note(kedaReplicas) != "" }

func keda() []builtin {
	return []builtin{
		{name: "pause", disabled: kedaIsPaused, run: set("true", note(kedaPaused)...)},
		{name: "resume", disabled: func(s state) bool { return !kedaIsPaused(s) }, run: func(state, Input) ([]Change, error) {
			return patched(merge(map[string]any{kedaPaused: nil, kedaReplicas: nil}, "metadata", "annotations")), nil
		}},
	}
}

func pausedReplicas(s state) []Param {
	return []Param{{Name: "replicas", Default: cmp.Or(s.note(kedaReplicas), "0"), Type: "number"}}
}

func pauseAt(_ state, in Input) ([]Change, error) {
	n, err := wholeNumber(in.Params, "replicas")
	return patched(merge(strconv.FormatInt(n, 10), note(kedaReplicas)...)), err
}

// builtinsOfArgo are the kinds of Argo Rollouts and Argo Workflows.
func builtinsOfArgo(kind string) []builtin {
	switch kind {
	case "Rollout":
		return rollout()
	case "AnalysisRun":
		over := func(s state) bool {
			switch s.text("status", "phase") {
			case "Successful", "Failed", "Error", "Inconclusive":
				return true
			}
			return s.truth("spec", "terminate")
		}
		return []builtin{{name: "terminate", disabled: over, run: set(true, "spec", "terminate")}}
	case "WorkflowTemplate":
		return []builtin{{name: "create-workflow", run: workflowOfTemplate}}
	case "CronWorkflow":
		return []builtin{{name: "create-workflow", run: workflowOfCron}}
	}
	return nil
}

// rollout are the actions by which the kubectl plugin of Argo Rollouts steers one: its controller takes them from the status.
func rollout() []builtin {
	paused := func(s state) bool { return s.truth("spec", "paused") || len(s.list("status", "pauseConditions")) > 0 }
	// promoted is also what has no status yet: there is nothing to abort or to promote.
	promoted := func(s state) bool { return s.text("status", "currentPodHash") == s.text("status", "stableRS") }
	lastStep := func(s state) bool {
		at, _ := s.number("status", "currentStepIndex")
		return at >= int64(len(s.list("spec", "strategy", "canary", "steps")))
	}
	return []builtin{
		{name: "restart", run: stamp("spec", "restartAt")},
		{name: "pause", disabled: either(paused, promoted), run: set(true, "spec", "paused")},
		{name: "resume", disabled: func(s state) bool { return !paused(s) }, run: resumeRollout},
		{name: "abort", disabled: either(promoted, is("status", "abort")), run: set(true, "status", "abort")},
		{name: "retry", disabled: either(promoted, isNot("status", "abort")), run: set(false, "status", "abort")},
		{name: "promote-full", disabled: either(promoted, is("status", "promoteFull")), run: set(true, "status", "promoteFull")},
		{name: "skip-current-step", disabled: lastStep, run: func(s state, _ Input) ([]Change, error) {
			at, _ := s.number("status", "currentStepIndex")
			return patched(merge(map[string]any{"currentStepIndex": at + 1, "pauseConditions": nil}, "status")), nil
		}},
	}
}

func resumeRollout(s state, _ Input) ([]Change, error) {
	patch := map[string]any{}
	if s.truth("spec", "paused") {
		patch["spec"] = map[string]any{"paused": false}
	}
	if len(s.list("status", "pauseConditions")) > 0 {
		patch["status"] = map[string]any{"pauseConditions": nil}
	}
	return patched(patch), nil
}

func workflowOfTemplate(s state, in Input) ([]Change, error) {
	w := owned(s, in, s.u.GetAPIVersion(), "Workflow", false)
	w.SetLabels(map[string]string{"workflows.argoproj.io/workflow-template": s.u.GetName()})
	w.Object["spec"] = merge(s.u.GetName(), "workflowTemplateRef", "name")
	return []Change{{Operation: Create, Object: w}}, nil
}

func workflowOfCron(s state, in Input) ([]Change, error) {
	w := owned(s, in, s.u.GetAPIVersion(), "Workflow", false)
	labels, _, _ := unstructured.NestedStringMap(s.u.Object, "spec", "workflowMetadata", "labels")
	if labels == nil {
		labels = map[string]string{}
	}
	labels["workflows.argoproj.io/cron-workflow"] = s.u.GetName()
	if id := s.u.GetLabels()["workflows.argoproj.io/controller-instanceid"]; id != "" {
		labels["workflows.argoproj.io/controller-instanceid"] = id
	}
	w.SetLabels(labels)
	notes, _, _ := unstructured.NestedStringMap(s.u.Object, "spec", "workflowMetadata", "annotations")
	if notes == nil {
		notes = map[string]string{}
	}
	notes["workflows.argoproj.io/scheduled-time"] = timeOf(in.Now)
	w.SetAnnotations(notes)
	w.Object["spec"], _, _ = unstructured.NestedMap(s.u.Object, "spec", "workflowSpec")
	return []Change{{Operation: Create, Object: w}}, nil
}
