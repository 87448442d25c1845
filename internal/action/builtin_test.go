package action

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestBuiltins: what each built-in action is offered for, and what it changes.
func TestBuiltins(t *testing.T) {
	head := func(version, kind, rest string) string {
		return "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: a, namespace: ns, uid: u}, " + rest + "}"
	}
	noted := func(version, kind, note string) string {
		return "{apiVersion: " + version + ", kind: " + kind + ", metadata: {name: a, namespace: ns, uid: u, annotations: {" + note + "}}}"
	}
	const stamped = "2023-11-14T22:13:20Z"
	canary := "spec: {strategy: {canary: {steps: [{setWeight: 5}, {pause: {}}, {setWeight: 50}]}}}, status: {currentPodHash: b, stableRS: a, "
	for name, test := range map[string]struct {
		object string
		offers string
		params map[string]string
		does   map[string]string
	}{
		"Deployment": {object: head("apps/v1", "Deployment", "spec: {replicas: 2}"), offers: "pause restart resume- scale[replicas=2||number]",
			params: map[string]string{"replicas": " 4 "},
			does: map[string]string{"scale": `patch {"spec":{"replicas":4}}`, "pause": `patch {"spec":{"paused":true}}`,
				"restart": `patch {"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"` + stamped + `"}}}}}`}},
		"Deployment, paused": {object: head("apps/v1", "Deployment", "spec: {paused: true}"), offers: "pause- restart- resume scale[replicas=1||number]",
			does: map[string]string{"resume": `patch {"spec":{"paused":null}}`}},
		"DaemonSet": {object: head("apps/v1", "DaemonSet", "spec: {}"), offers: "restart"},
		"CronJob": {object: head("batch/v1", "CronJob", "spec: {jobTemplate: {metadata: {labels: {a: b}}, spec: {template: {spec: {restartPolicy: Never}}}}}"), offers: "create-job resume- suspend",
			does: map[string]string{"suspend": `patch {"spec":{"suspend":true}}`,
				"create-job": `create {"apiVersion":"batch/v1","kind":"Job","metadata":{"annotations":{"cronjob.kubernetes.io/instantiate":"manual"},"labels":{"a":"b"},"name":"a-1700000000000","namespace":"ns",` +
					`"ownerReferences":[{"apiVersion":"batch/v1","controller":true,"kind":"CronJob","name":"a","uid":"u"}]},"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`}},
		"Job": {object: head("batch/v1", "Job", "status: {startTime: x, conditions: [{type: Suspended, status: 'False'}]}"), offers: "resume- suspend terminate",
			does: map[string]string{"terminate": `patch {"status":{"conditions":[{"status":"False","type":"Suspended"},{"lastProbeTime":"` + stamped + `","lastTransitionTime":"` + stamped +
				`","message":"terminated by hand","reason":"ManuallyTerminated","status":"True","type":"FailureTarget"}]}}`}},
		"Job, complete": {object: head("batch/v1", "Job", "status: {startTime: x, conditions: [{type: Complete, status: 'True'}]}"), offers: "resume- suspend- terminate-"},
		"Rollout": {object: head("argoproj.io/v1alpha1", "Rollout", canary+"currentStepIndex: 1, pauseConditions: [{reason: CanaryPauseStep}]}"),
			offers: "abort pause- promote-full restart resume retry- skip-current-step",
			does: map[string]string{"abort": `patch {"status":{"abort":true}}`, "promote-full": `patch {"status":{"promoteFull":true}}`,
				"restart": `patch {"spec":{"restartAt":"` + stamped + `"}}`, "resume": `patch {"status":{"pauseConditions":null}}`,
				"skip-current-step": `patch {"status":{"currentStepIndex":2,"pauseConditions":null}}`}},
		"Rollout, aborted": {object: head("argoproj.io/v1alpha1", "Rollout", canary+"abort: true, currentStepIndex: 3}"), offers: "abort- pause promote-full restart resume- retry skip-current-step-",
			does: map[string]string{"retry": `patch {"status":{"abort":false}}`, "pause": `patch {"spec":{"paused":true}}`}},
		"Rollout, at rest":    {object: head("argoproj.io/v1alpha1", "Rollout", "spec: {}"), offers: "abort- pause- promote-full- restart resume- retry- skip-current-step-"},
		"AnalysisRun":         {object: head("argoproj.io/v1alpha1", "AnalysisRun", "status: {phase: Running}"), offers: "terminate", does: map[string]string{"terminate": `patch {"spec":{"terminate":true}}`}},
		"AnalysisRun, failed": {object: head("argoproj.io/v1alpha1", "AnalysisRun", "status: {phase: Failed}"), offers: "terminate-"},
		"WorkflowTemplate": {object: head("argoproj.io/v1alpha1", "WorkflowTemplate", "spec: {}"), offers: "create-workflow", does: map[string]string{
			"create-workflow": `create {"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"labels":{"workflows.argoproj.io/workflow-template":"a"},"name":"a-1700000000000","namespace":"ns",` +
				`"ownerReferences":[{"apiVersion":"argoproj.io/v1alpha1","kind":"WorkflowTemplate","name":"a","uid":"u"}]},"spec":{"workflowTemplateRef":{"name":"a"}}}`}},
		"CronWorkflow": {object: head("argoproj.io/v1alpha1", "CronWorkflow", "spec: {workflowMetadata: {labels: {a: b}}, workflowSpec: {entrypoint: x}}"), offers: "create-workflow", does: map[string]string{
			"create-workflow": `create {"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"annotations":{"workflows.argoproj.io/scheduled-time":"` + stamped +
				`"},"labels":{"a":"b","workflows.argoproj.io/cron-workflow":"a"},"name":"a-1700000000000","namespace":"ns",` +
				`"ownerReferences":[{"apiVersion":"argoproj.io/v1alpha1","kind":"CronWorkflow","name":"a","uid":"u"}]},"spec":{"entrypoint":"x"}}`}},
		"ExternalSecret": {object: head("external-secrets.io/v1", "ExternalSecret", "spec: {refreshInterval: 1h}"), offers: "refresh",
			does: map[string]string{"refresh": `patch {"metadata":{"annotations":{"force-sync":"` + stamped + `"}}}`}},
		"ExternalSecret, once": {object: head("external-secrets.io/v1", "ExternalSecret", "spec: {refreshInterval: 0s}"), offers: "refresh-"},
		"PushSecret":           {object: head("external-secrets.io/v1alpha1", "PushSecret", "spec: {}"), offers: "push"},
		"ScaledObject": {object: head("keda.sh/v1alpha1", "ScaledObject", "spec: {}"), offers: "pause paused-replicas[replicas=|0|number] resume-",
			does: map[string]string{"pause": `patch {"metadata":{"annotations":{"autoscaling.keda.sh/paused":"true"}}}`,
				"paused-replicas": `patch {"metadata":{"annotations":{"autoscaling.keda.sh/paused-replicas":"0"}}}`}},
		"ScaledJob, paused": {object: noted("keda.sh/v1alpha1", "ScaledJob", `autoscaling.keda.sh/paused: "true"`), offers: "pause- resume",
			does: map[string]string{"resume": `patch {"metadata":{"annotations":{"autoscaling.keda.sh/paused":null,"autoscaling.keda.sh/paused-replicas":null}}}`}},
		"Cluster": {object: noted("postgresql.cnpg.io/v1", "Cluster", `cnpg.io/hibernation: "on", cnpg.io/reconciliationLoop: disabled`), offers: "hibernate- rehydrate reload restart resume suspend-",
			does: map[string]string{"rehydrate": `patch {"metadata":{"annotations":{"cnpg.io/hibernation":"off"}}}`, "resume": `patch {"metadata":{"annotations":{"cnpg.io/reconciliationLoop":null}}}`,
				"reload": `patch {"metadata":{"annotations":{"cnpg.io/reloadedAt":"` + stamped + `"}}}`}},
		"HelmRelease": {object: head("helm.toolkit.fluxcd.io/v2", "HelmRelease", "spec: {}"), offers: "reconcile resume- suspend",
			does: map[string]string{"reconcile": `patch {"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"` + stamped + `"}}}`}},
		"Alert, suspended": {object: head("notification.toolkit.fluxcd.io/v1beta3", "Alert", "spec: {suspend: true}"), offers: "resume suspend-"},
		"a kind without":   {object: head("v1", "ConfigMap", "data: {}"), offers: ""},
		"another Cluster":  {object: head("cluster.x-k8s.io/v1beta1", "Cluster", "spec: {}"), offers: ""},
	} {
		t.Run(name, func(t *testing.T) {
			set, _ := Compile(nil)
			live := parseObject(t, test.object)
			found, err := set.List(live)
			if got := briefly(found); err != nil || got != test.offers {
				t.Errorf("offers %q, error %v; want %q", got, err, test.offers)
			}
			for _, action := range slices.Sorted(maps.Keys(test.does)) {
				params := test.params
				if action != "scale" {
					params = nil
				}
				if got, err := decideFor(t, set, live, action, params); err != nil || got != test.does[action] {
					t.Errorf("%s: error %v\n%s\nwant\n%s", action, err, got, test.does[action])
				}
			}
		})
	}
}

func TestBadReplicas(t *testing.T) {
	set, _ := Compile(nil)
	for _, replicas := range []string{"", "-1", "x", "1.5", "99999999999"} {
		if _, err := decideFor(t, set, parseObject(t, deployment), "scale", map[string]string{"replicas": replicas}); err == nil || !strings.Contains(err.Error(), "a number from 0 on is needed") {
			t.Errorf("%q: %v", replicas, err)
		}
	}
}
