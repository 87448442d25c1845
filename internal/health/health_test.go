package health

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
)

// world is the cluster around an object: it holds the EndpointSlices of every Service and the time.
type world struct {
	slices []*unstructured.Unstructured
	known  bool
	now    time.Time
	script func(*unstructured.Unstructured) (Result, bool)
}

func (w world) Script(obj *unstructured.Unstructured) (Result, bool) {
	if w.script == nil {
		return Result{}, false
	}
	return w.script(obj)
}

func (w world) EndpointSlices(string, string) ([]*unstructured.Unstructured, bool) {
	return w.slices, w.known
}
func (w world) Now() time.Time { return w.now }

func noon() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	return u
}

type kase struct {
	name, obj, slices string
	want              string // "Status", "Status: message" or "none"
}

func (r Result) brief() string {
	if r.Message == "" {
		return string(r.Status)
	}
	return string(r.Status) + ": " + r.Message
}

func run(t *testing.T, header string, cases []kase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := world{now: noon(), known: c.slices != ""}
			for _, doc := range strings.Split(c.slices, "---\n") {
				if strings.TrimSpace(doc) != "" {
					w.slices = append(w.slices, parse(t, doc))
				}
			}
			res, ok := Assess(parse(t, header+c.obj), w)
			got := "none"
			if ok {
				got = res.brief()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("health (-want +got):\n%s", diff)
			}
			if again, _ := Assess(parse(t, header+c.obj), w); again != res {
				t.Errorf("second look gave %v, first %v", again, res)
			}
		})
	}
}

const deploymentHead = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: a, generation: 2}, "

func TestDeployment(t *testing.T) {
	run(t, deploymentHead, []kase{
		{name: "ready", obj: `spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2, readyReplicas: 2}}`, want: "Healthy"},
		{name: "scaled to zero", obj: `spec: {replicas: 0}, status: {observedGeneration: 2}}`, want: "Healthy"},
		{name: "paused", obj: `spec: {replicas: 2, paused: true}, status: {observedGeneration: 1}}`, want: "Suspended: Deployment is paused"},
		{name: "spec not seen", obj: `spec: {replicas: 2}, status: {observedGeneration: 1}}`, want: "Progressing: waiting for the Deployment controller to see the new spec"},
		{name: "no pod yet", obj: `spec: {replicas: 2}, status: {observedGeneration: 2}}`, want: "Progressing: 0 of 2 replicas are updated"},
		{name: "old pods left", obj: `spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 2}}`, want: "Progressing: 1 old replicas are still to be terminated"},
		{name: "not available", obj: `spec: {replicas: 2}, status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 1}}`, want: "Progressing: 1 of 2 updated replicas are available"},
		{name: "quota", obj: `spec: {replicas: 2}, status: {observedGeneration: 2, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: exceeded quota}]}}`, want: "Progressing: 0 of 2 replicas are updated: exceeded quota"},
		{name: "deadline", obj: `spec: {replicas: 2}, status: {observedGeneration: 2, availableReplicas: 1, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`,
			want: `Degraded: Deployment "web" exceeded its progress deadline: 1 of 2 replicas are available`},
		{name: "deadline by quota", obj: `spec: {replicas: 1}, status: {observedGeneration: 2, conditions: [{type: ReplicaFailure, status: "True", message: exceeded quota}, {type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`,
			want: `Degraded: Deployment "web" exceeded its progress deadline: 0 of 1 replicas are available: exceeded quota`},
		{name: "status is a string", obj: `spec: {replicas: 2}, status: fine}`, want: "Unknown: cannot judge: field status is a string, want an object"},
		{name: "replicas is a string", obj: `spec: {replicas: "2"}, status: {observedGeneration: 2}}`, want: "Unknown: cannot judge: field spec.replicas is a string, want a whole number"},
		{name: "condition is a string", obj: `spec: {replicas: 0}, status: {conditions: [ready]}}`, want: "Unknown: cannot judge: field status.conditions is a string, want an object in the list"},
		{name: "condition status is a boolean", obj: `spec: {replicas: 0}, status: {conditions: [{type: Progressing, status: true}]}}`, want: "Unknown: cannot judge: field status is a boolean, want a string"},
		{name: "no spec, no status", obj: `}`, want: "Healthy"},
	})
}

func TestReplicaSet(t *testing.T) {
	run(t, "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web, generation: 1}, ", []kase{
		{name: "ready", obj: `spec: {replicas: 1}, status: {observedGeneration: 1, availableReplicas: 1}}`, want: "Healthy"},
		{name: "spec not seen", obj: `spec: {replicas: 1}, status: {observedGeneration: 0}}`, want: "Progressing: waiting for the ReplicaSet controller to see the new spec"},
		{name: "waiting", obj: `spec: {replicas: 3}, status: {observedGeneration: 1, availableReplicas: 1}}`, want: "Progressing: 1 of 3 replicas are available"},
		{name: "cannot create", obj: `spec: {replicas: 3}, status: {observedGeneration: 1, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate}]}}`, want: "Degraded: pods cannot be created: FailedCreate"},
	})
}

func TestStatefulSet(t *testing.T) {
	run(t, "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 2}, ", []kase{
		{name: "ready", obj: `spec: {replicas: 1}, status: {observedGeneration: 2, readyReplicas: 1, updatedReplicas: 1, currentRevision: r2, updateRevision: r2}}`, want: "Healthy"},
		{name: "never seen", obj: `spec: {replicas: 1}}`, want: "Progressing: waiting for the StatefulSet controller to see the new spec"},
		{name: "old spec seen", obj: `spec: {replicas: 1}, status: {observedGeneration: 1, readyReplicas: 1}}`, want: "Progressing: waiting for the StatefulSet controller to see the new spec"},
		{name: "not ready", obj: `spec: {replicas: 3}, status: {observedGeneration: 2, readyReplicas: 1}}`, want: "Progressing: 1 of 3 replicas are ready"},
		{name: "rolling", obj: `spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}}, status: {observedGeneration: 2, readyReplicas: 3, updatedReplicas: 1, currentRevision: r1, updateRevision: r2}}`, want: "Progressing: 1 of 3 replicas are updated to revision r2"},
		{name: "partition rolling", obj: `spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 1}}}, status: {observedGeneration: 2, readyReplicas: 3, updatedReplicas: 1, currentRevision: r1, updateRevision: r2}}`, want: "Progressing: 1 of 2 replicas above partition 1 are updated"},
		{name: "partition done", obj: `spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}, status: {observedGeneration: 2, readyReplicas: 3, updatedReplicas: 1, currentRevision: r1, updateRevision: r2}}`, want: "Healthy"},
		{name: "on delete", obj: `spec: {replicas: 3, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 2, readyReplicas: 3, currentRevision: r1, updateRevision: r2}}`, want: "Healthy"},
	})
}

func TestDaemonSet(t *testing.T) {
	run(t, "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, generation: 1}, ", []kase{
		{name: "ready", obj: `status: {observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2}}`, want: "Healthy"},
		{name: "no node", obj: `status: {observedGeneration: 1, desiredNumberScheduled: 0}}`, want: "Healthy"},
		{name: "spec not seen", obj: `status: {observedGeneration: 0}}`, want: "Progressing: waiting for the DaemonSet controller to see the new spec"},
		{name: "updating", obj: `status: {observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 1}}`, want: "Progressing: 1 of 2 pods are updated"},
		{name: "starting", obj: `status: {observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 0}}`, want: "Progressing: 0 of 2 pods are available"},
		{name: "on delete", obj: `spec: {updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, desiredNumberScheduled: 2}}`, want: "Healthy"},
	})
}

func TestJob(t *testing.T) {
	run(t, "{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, ", []kase{
		{name: "running", obj: `status: {active: 1}}`, want: "Progressing: Job is running"},
		{name: "no status", obj: `}`, want: "Progressing: Job is running"},
		{name: "retrying", obj: `spec: {backoffLimit: 3}, status: {active: 1, failed: 2}}`, want: "Progressing: Job is running; 2 pods failed, 3 retries are allowed"},
		{name: "complete", obj: `status: {conditions: [{type: SuccessCriteriaMet, status: "True"}, {type: Complete, status: "True"}]}}`, want: "Healthy"},
		{name: "failed", obj: `status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}}`, want: "Degraded: Job failed: Job has reached the specified backoff limit"},
		{name: "failing", obj: `status: {conditions: [{type: FailureTarget, status: "True", reason: DeadlineExceeded}]}}`, want: "Progressing: Job is failing, its pods are being stopped: DeadlineExceeded"},
		{name: "suspended", obj: `spec: {suspend: true}, status: {conditions: [{type: Suspended, status: "True"}]}}`, want: "Suspended: Job is suspended"},
		{name: "resumed", obj: `spec: {suspend: false}, status: {active: 1, conditions: [{type: Suspended, status: "False"}]}}`, want: "Progressing: Job is running"},
		{name: "complete once suspended", obj: `spec: {suspend: false}, status: {conditions: [{type: Suspended, status: "False"}, {type: Complete, status: "True"}]}}`, want: "Healthy"},
	})
}

func TestCronJob(t *testing.T) {
	run(t, "{apiVersion: batch/v1, kind: CronJob, metadata: {name: report}, ", []kase{
		{name: "never ran", obj: `spec: {schedule: "0 3 * * *"}}`, want: "Healthy: CronJob has not run yet"},
		{name: "suspended", obj: `spec: {suspend: true}, status: {active: [{name: x}]}}`, want: "Suspended: CronJob is suspended"},
		{name: "running", obj: `status: {active: [{name: x}], lastScheduleTime: "2026-05-04T03:00:00Z"}}`, want: "Progressing: waiting for 1 running Jobs"},
		{name: "succeeded", obj: `status: {lastScheduleTime: "2026-05-04T03:00:00Z", lastSuccessfulTime: "2026-05-04T03:01:00Z"}}`, want: "Healthy"},
		{name: "failed", obj: `status: {lastScheduleTime: "2026-05-04T03:00:00Z", lastSuccessfulTime: "2026-05-03T03:01:00Z"}}`, want: "Degraded: the last run of the CronJob did not succeed"},
		{name: "never succeeded", obj: `status: {lastScheduleTime: "2026-05-04T03:00:00Z"}}`, want: "Degraded: the last run of the CronJob did not succeed"},
		{name: "time is no time", obj: `status: {lastScheduleTime: soon}}`, want: "Unknown: cannot judge: field status.lastScheduleTime is a string, want a time"},
	})
}

func TestPod(t *testing.T) {
	run(t, "{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: a}, ", []kase{
		{name: "ready", obj: `spec: {restartPolicy: Always}, status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: app, ready: true}]}}`, want: "Healthy"},
		{name: "not ready", obj: `spec: {restartPolicy: Always}, status: {phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: app, ready: false}, {name: side, ready: true}]}}`, want: `Progressing: containers not ready: "app"`},
		{name: "restarts", obj: `spec: {restartPolicy: Always}, status: {phase: Running, containerStatuses: [{name: app, ready: false, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}`, want: `Degraded: container "app" restarts: it ended with exit code 137 (OOMKilled)`},
		{name: "restarted once, another is not ready", obj: `spec: {restartPolicy: Always}, status: {phase: Running, containerStatuses: [{name: app, ready: true, lastState: {terminated: {exitCode: 1}}}, {name: side, ready: false}]}}`, want: `Progressing: containers not ready: "side"`},
		{name: "crash loop", obj: `status: {phase: Running, containerStatuses: [{name: app, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff, message: back-off 5m0s restarting failed container}}, lastState: {terminated: {exitCode: 2, reason: Error}}}]}}`, want: `Degraded: container "app" waits: CrashLoopBackOff: it ended with exit code 2`},
		{name: "image, old message", obj: `status: {phase: Pending, containerStatuses: [{name: app, image: "shop:v9", state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "shop:v9"'}}}]}}`, want: `Degraded: container "app" waits: ImagePullBackOff: cannot pull image "shop:v9"`},
		{name: "image, back-off", obj: `status: {phase: Pending, containerStatuses: [{name: app, image: "shop:v9", state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "shop:v9": ErrImagePull: not found'}}}]}}`, want: `Degraded: container "app" waits: ImagePullBackOff: cannot pull image "shop:v9": not found`},
		{name: "image, same message between back-offs", obj: `status: {phase: Pending, containerStatuses: [{name: app, image: "shop:v9", state: {waiting: {reason: ErrImagePull, message: not found}}}]}}`, want: `Degraded: container "app" waits: ImagePullBackOff: cannot pull image "shop:v9": not found`},
		{name: "missing Secret", obj: `status: {phase: Pending, containerStatuses: [{name: app, state: {waiting: {reason: CreateContainerConfigError, message: secret "db" not found}}}]}}`, want: `Degraded: container "app" waits: CreateContainerConfigError: secret "db" not found`},
		{name: "image of a hook", obj: `spec: {restartPolicy: Never}, status: {phase: Pending, containerStatuses: [{name: app, image: x, state: {waiting: {reason: ErrImagePull}}}]}}`, want: `Progressing: container "app" waits: ImagePullBackOff: cannot pull image "x"`},
		{name: "init container", obj: `spec: {restartPolicy: Always}, status: {phase: Pending, initContainerStatuses: [{name: wait, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}], containerStatuses: [{name: app, state: {waiting: {reason: PodInitializing}}}]}}`, want: `Progressing: container "wait" waits: CrashLoopBackOff: it ended with exit code 1`},
		{name: "not scheduled", obj: `status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/3 nodes are available}]}}`, want: "Progressing: Pod is not scheduled: 0/3 nodes are available"},
		{name: "starting", obj: `status: {phase: Pending, containerStatuses: [{name: app, state: {waiting: {reason: ContainerCreating}}}]}}`, want: "Progressing: Pod is starting"},
		{name: "no status", obj: `spec: {}}`, want: "Progressing: Pod is starting"},
		{name: "succeeded", obj: `spec: {restartPolicy: Never}, status: {phase: Succeeded}}`, want: "Healthy"},
		{name: "hook runs", obj: `spec: {restartPolicy: OnFailure}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`, want: "Progressing: Pod is running"},
		{name: "evicted", obj: `status: {phase: Failed, reason: Evicted, message: The node was low on memory}}`, want: "Degraded: Evicted: The node was low on memory"},
		{name: "failed with exit code", obj: `spec: {restartPolicy: Never}, status: {phase: Failed, containerStatuses: [{name: ok, state: {terminated: {exitCode: 0}}}, {name: app, state: {terminated: {exitCode: 3, message: no such table}}}]}}`, want: `Degraded: container "app" ended with exit code 3: no such table`},
		{name: "failed in an init container", obj: `spec: {restartPolicy: Never}, status: {phase: Failed, initContainerStatuses: [{name: init, state: {terminated: {exitCode: 1}}}]}}`, want: `Degraded: container "init" ended with exit code 1`},
		{name: "failed without reason", obj: `status: {phase: Failed}}`, want: "Degraded: Pod failed"},
		{name: "node lost", obj: `status: {phase: Unknown}}`, want: "Unknown: Pod phase is Unknown: the node does not report"},
		{name: "exit code is a string", obj: `status: {phase: Running, containerStatuses: [{name: app, lastState: {terminated: {exitCode: "2"}}}]}}`, want: "Unknown: cannot judge: field exitCode is a string, want a whole number"},
		{name: "containers are an object", obj: `status: {phase: Running, containerStatuses: {name: app}}}`, want: "Unknown: cannot judge: field status.containerStatuses is an object, want a list"},
	})
}

const (
	serviceHead = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: a, creationTimestamp: \"2026-05-04T10:00:00Z\"}, "
	noEndpoints = "{metadata: {name: s}, endpoints: null}\n"
	oneReady    = "{metadata: {name: s}, endpoints: [{conditions: {ready: true}, targetRef: {kind: Pod, name: p1}}, {conditions: {ready: false}, targetRef: {name: p2}}]}\n"
	newUnready  = "{metadata: {name: s, creationTimestamp: \"2026-05-04T10:00:00Z\", annotations: {endpoints.kubernetes.io/last-change-trigger-time: \"2026-05-04T11:51:00Z\"}}, endpoints: [{conditions: {ready: false}, targetRef: {name: p2}}, {conditions: {ready: false}, targetRef: {name: p1}}]}\n"
	oldUnready  = "{metadata: {name: s, creationTimestamp: \"2026-05-04T11:50:00Z\"}, endpoints: [{conditions: {ready: false}, targetRef: {name: p1}}]}\n"
	manyUnready = "{metadata: {name: s, creationTimestamp: \"2026-05-04T11:50:00Z\"}, endpoints: [{conditions: {ready: false}, targetRef: {name: p5}}, {conditions: {ready: false}, targetRef: {name: p4}}, {conditions: {ready: false}, targetRef: {name: p3}}, {conditions: {ready: false}, targetRef: {name: p2}}, {conditions: {ready: false}, targetRef: {name: p1}}]}\n"
)

func TestService(t *testing.T) {
	run(t, serviceHead, []kase{
		{name: "ready endpoint", obj: `spec: {selector: {app: web}}}`, slices: oneReady, want: "Healthy"},
		{name: "ready unknown counts as ready", obj: `spec: {selector: {app: web}}}`, slices: "{endpoints: [{targetRef: {name: p1}}]}", want: "Healthy"},
		{name: "slices not known", obj: `spec: {selector: {app: web}}}`, want: "Healthy"},
		{name: "no pod", obj: `spec: {selector: {app: web}}}`, slices: noEndpoints, want: "Healthy: warning: no running pod matches the selector"},
		{name: "only terminating pods", obj: `spec: {selector: {app: web}}}`, slices: "{endpoints: [{conditions: {ready: false, serving: true, terminating: true}, targetRef: {name: p1}}]}", want: "Healthy: warning: no running pod matches the selector"},
		{name: "new and unready", obj: `spec: {selector: {app: web}}}`, slices: newUnready, want: "Progressing: none of 2 endpoints is ready: not ready: Pods p1, p2"},
		{name: "unready for too long", obj: `spec: {selector: {app: web}}}`, slices: oldUnready, want: "Degraded: none of 1 endpoints is ready: not ready: Pods p1"},
		{name: "dual stack counts a pod once", obj: `spec: {selector: {app: web}}}`, slices: oldUnready + "---\n" + oldUnready, want: "Degraded: none of 1 endpoints is ready: not ready: Pods p1"},
		{name: "names are bounded", obj: `spec: {selector: {app: web}}}`, slices: manyUnready, want: "Degraded: none of 5 endpoints is ready: not ready: Pods p1, p2, p3 and 2 more"},
		{name: "a newer slice moves the deadline", obj: `spec: {selector: {app: web}}}`, slices: oldUnready + "---\n" + newUnready, want: "Progressing: none of 2 endpoints is ready: not ready: Pods p1, p2"},
		{name: "age of the Service when slices tell none", obj: `spec: {selector: {app: web}}}`, slices: "{endpoints: [{conditions: {ready: false}, targetRef: {name: p1}}]}", want: "Degraded: none of 1 endpoints is ready: not ready: Pods p1"},
		{name: "without selector", obj: `spec: {}}`, slices: noEndpoints, want: "Healthy"},
		{name: "external name", obj: `spec: {type: ExternalName, externalName: db.example.com, selector: {app: web}}}`, slices: oldUnready, want: "Healthy"},
		{name: "publishes unready pods", obj: `spec: {selector: {app: db}, clusterIP: None, publishNotReadyAddresses: true}}`, slices: oldUnready, want: "Healthy"},
		{name: "load balancer pending", obj: `spec: {type: LoadBalancer, selector: {app: web}}, status: {loadBalancer: {}}}`, slices: oneReady, want: "Progressing: waiting for a load balancer address"},
		{name: "load balancer empty entry", obj: `spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{}]}}}`, want: "Progressing: waiting for a load balancer address"},
		{name: "load balancer", obj: `spec: {type: LoadBalancer, selector: {app: web}}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`, slices: oneReady, want: "Healthy"},
		{name: "load balancer to nobody ready", obj: `spec: {type: LoadBalancer, selector: {app: web}}, status: {loadBalancer: {ingress: [{hostname: lb.example.com}]}}}`, slices: oldUnready, want: "Degraded: none of 1 endpoints is ready: not ready: Pods p1"},
		{name: "odd slices", obj: `spec: {selector: {app: web}}}`, slices: "{metadata: 3, endpoints: [1, {conditions: yes, targetRef: [x]}]}", want: "Healthy"},
		{name: "odd ingress", obj: `spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [7]}}}`, want: "Unknown: cannot judge: field status.loadBalancer.ingress is a number, want an object in the list"},
	})
}

func TestServiceRecheck(t *testing.T) {
	obj := parse(t, serviceHead+`spec: {selector: {app: web}}}`)
	w := world{known: true, now: noon(), slices: []*unstructured.Unstructured{parse(t, newUnready)}}
	res, _ := Assess(obj, w)
	if want := time.Minute; res.Recheck != want {
		t.Fatalf("recheck after %v, want %v: the pods are unready since 11:51", res.Recheck, want)
	}
	w.now = w.now.Add(res.Recheck)
	if res, _ = Assess(obj, w); res.Status != v1alpha1.HealthDegraded || res.Recheck != 0 {
		t.Errorf("after the deadline: %+v, want Degraded and no recheck", res)
	}
	if res, _ = Assess(obj, nil); res.Status != v1alpha1.HealthHealthy {
		t.Errorf("without signals: %+v, want Healthy", res)
	}
}

func TestOtherKinds(t *testing.T) {
	const (
		hpa = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, "
		pdb = "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, generation: 1}, "
		crd = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: as.example.com}, "
		ing = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, "
		pvc = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, "
		api = "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.metrics}, "
		wf  = "{apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: w}, "
		ro  = "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: r, generation: 3}, "
		app = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: child}, "
	)
	run(t, "", []kase{
		{name: "ConfigMap", obj: `{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}`, want: "Healthy"},
		{name: "Secret", obj: `{apiVersion: v1, kind: Secret, metadata: {name: c}}`, want: "Healthy"},
		{name: "ServiceAccount", obj: `{apiVersion: v1, kind: ServiceAccount, metadata: {name: c}}`, want: "none"},
		{name: "Role", obj: `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: c}}`, want: "none"},
		{name: "AppProject", obj: `{apiVersion: argoproj.io/v1alpha1, kind: AppProject, metadata: {name: c}}`, want: "none"},
		{name: "Namespace active", obj: `{apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Active}}`, want: "none"},
		{name: "Namespace terminating", obj: `{apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Terminating}}`, want: "Progressing: Namespace is terminating"},

		{name: "Ingress", obj: ing + `spec: {rules: [{host: a.example.com}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`, want: "Healthy"},
		{name: "Ingress without address", obj: ing + `spec: {rules: [{host: a.example.com}]}}`, want: "Healthy: no controller has published an address yet"},
		{name: "Ingress default backend", obj: ing + `spec: {defaultBackend: {service: {name: web}}}, status: {loadBalancer: {ingress: [{hostname: lb}]}}}`, want: "Healthy"},
		{name: "Ingress without rules", obj: ing + `spec: {rules: []}}`, want: "Degraded: Ingress has neither rules nor a default backend"},
		{name: "Ingress of another group", obj: `{apiVersion: config.openshift.io/v1, kind: Ingress, metadata: {name: c}}`, want: "none"},

		{name: "PVC bound", obj: pvc + `status: {phase: Bound}}`, want: "Healthy"},
		{name: "PVC pending", obj: pvc + `status: {phase: Pending}}`, want: "Progressing: PersistentVolumeClaim is waiting to be bound"},
		{name: "PVC new", obj: pvc + `spec: {}}`, want: "Progressing: PersistentVolumeClaim is waiting to be bound"},
		{name: "PVC lost", obj: pvc + `spec: {volumeName: pv1}, status: {phase: Lost}}`, want: `Degraded: PersistentVolumeClaim has lost volume "pv1"`},
		{name: "PVC odd", obj: pvc + `status: {phase: Limbo}}`, want: "Unknown: PersistentVolumeClaim phase is Limbo"},

		{name: "HPA new", obj: hpa + `status: {}}`, want: "Progressing: waiting for the autoscaler's first look"},
		{name: "HPA works", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "True"}, {type: ScalingLimited, status: "False"}]}}`, want: "Healthy"},
		{name: "HPA limited", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingLimited, status: "True", reason: TooManyReplicas}]}}`, want: "Healthy"},
		{name: "HPA without metrics", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "False", reason: FailedGetResourceMetric, message: no metrics returned}]}}`, want: "Degraded: condition ScalingActive is False: FailedGetResourceMetric: no metrics returned"},
		{name: "HPA without target", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "False", reason: FailedGetScale, message: deployments.apps "web" not found}]}}`, want: `Degraded: condition AbleToScale is False: FailedGetScale: deployments.apps "web" not found`},
		{name: "HPA selector", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "False", reason: InvalidSelector}]}}`, want: "Degraded: condition ScalingActive is False: InvalidSelector"},
		{name: "HPA off", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "True"}, {type: ScalingActive, status: "False", reason: ScalingDisabled, message: the replica count of the target is zero}]}}`, want: "Healthy: scaling is off: the replica count of the target is zero"},
		{name: "HPA stabilising", obj: hpa + `status: {conditions: [{type: AbleToScale, status: "False", reason: BackoffBoth}]}}`, want: "Progressing: waiting to autoscale"},

		{name: "PDB met", obj: pdb + `status: {observedGeneration: 1, currentHealthy: 2, desiredHealthy: 2, disruptionsAllowed: 0, conditions: [{type: DisruptionAllowed, status: "False", reason: InsufficientPods}]}}`, want: "Healthy"},
		{name: "PDB not met", obj: pdb + `status: {observedGeneration: 1, currentHealthy: 1, desiredHealthy: 2}}`, want: "Progressing: 1 of 2 pods that the budget asks for are healthy"},
		{name: "PDB broken", obj: pdb + `status: {observedGeneration: 1, conditions: [{type: DisruptionAllowed, status: "False", reason: SyncFailed, message: jobs do not have a scale}]}}`, want: "Degraded: condition DisruptionAllowed is False: SyncFailed: jobs do not have a scale"},
		{name: "PDB not seen", obj: pdb + `status: {observedGeneration: 0}}`, want: "Progressing: waiting for the disruption controller to see the new spec"},

		{name: "APIService new", obj: api + `spec: {}}`, want: "Progressing: waiting for the API server to look at the APIService"},
		{name: "APIService available", obj: api + `status: {conditions: [{type: Available, status: "True", reason: Passed}]}}`, want: "Healthy"},
		{name: "APIService down", obj: api + `status: {conditions: [{type: Available, status: "False", reason: MissingEndpoints, message: no addresses}]}}`, want: "Progressing: condition Available is False: MissingEndpoints: no addresses"},

		{name: "CRD new", obj: crd + `spec: {}}`, want: "Progressing: waiting for the CustomResourceDefinition to be established"},
		{name: "CRD established", obj: crd + `status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "True"}]}}`, want: "Healthy"},
		{name: "CRD installing", obj: crd + `status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "False", reason: Installing}]}}`, want: "Progressing: condition Established is False: Installing"},
		{name: "CRD not accepted", obj: crd + `status: {conditions: [{type: NamesAccepted, status: "False", reason: ListKindConflict, message: in use}, {type: Established, status: "False", reason: NotAccepted}]}}`, want: "Degraded: condition NamesAccepted is False: ListKindConflict: in use"},
		{name: "CRD refused", obj: crd + `status: {conditions: [{type: Established, status: "False", reason: NotAccepted}]}}`, want: "Degraded: condition Established is False: NotAccepted"},
		{name: "CRD terminating", obj: crd + `status: {conditions: [{type: Established, status: "True"}, {type: Terminating, status: "True", reason: InstanceDeletionInProgress}]}}`, want: "Progressing: condition Terminating is True: InstanceDeletionInProgress"},
		{name: "CRD schema", obj: crd + `status: {conditions: [{type: Established, status: "True"}, {type: NonStructuralSchema, status: "True", reason: Violations}]}}`, want: "Degraded: condition NonStructuralSchema is True: Violations"},

		{name: "child Application", obj: app + `status: {health: {status: Degraded, message: "apps/Deployment/a/web: broken"}}}`, want: "Degraded: apps/Deployment/a/web: broken"},
		{name: "child Application of which a child is broken", want: "Degraded: apps/Deployment/a/web: broken (twice)",
			obj: app + `status: {health: {status: Degraded, message: "argoproj.io/Application/a/x: argoproj.io/Application/a/y: apps/Deployment/a/web: broken (twice) (and 2 more Degraded)"}}}`},
		{name: "child Application of which a child says nothing", obj: app + `status: {health: {status: Progressing, message: "argoproj.io/Application/a/x"}}}`, want: "Progressing"},
		{name: "child Application new", obj: app + `spec: {}}`, want: "none"},
		{name: "child Application odd", obj: app + `status: {health: {status: Splendid}}}`, want: `Unknown: the Application reports the health "Splendid", which is none`},

		{name: "Rollout", obj: ro + `status: {phase: Healthy, observedGeneration: "3"}}`, want: "Healthy"},
		{name: "Rollout not seen", obj: ro + `status: {phase: Healthy, observedGeneration: "2"}}`, want: "Progressing: waiting for the Rollout controller to see the new spec"},
		{name: "Rollout of an old controller", obj: ro + `status: {phase: Healthy, observedGeneration: 5f4d8}}`, want: "Healthy"},
		{name: "Rollout paused", obj: ro + `status: {phase: Paused, message: CanaryPauseStep, observedGeneration: "3"}}`, want: "Suspended: CanaryPauseStep"},
		{name: "Rollout aborted", obj: ro + `status: {phase: Degraded, message: RolloutAborted, observedGeneration: "3"}}`, want: "Degraded: RolloutAborted"},
		{name: "Rollout invalid", obj: ro + `status: {observedGeneration: "3", conditions: [{type: InvalidSpec, status: "True", reason: InvalidSpec, message: no strategy}]}}`, want: "Degraded: condition InvalidSpec is True: InvalidSpec: no strategy"},
		{name: "Rollout new", obj: ro + `spec: {}}`, want: "Progressing: Rollout is progressing"},
		{name: "Rollout odd", obj: ro + `status: {phase: Dancing}}`, want: "Unknown: Rollout phase is Dancing"},

		{name: "Workflow", obj: wf + `status: {phase: Succeeded}}`, want: "Healthy"},
		{name: "Workflow new", obj: wf + `spec: {}}`, want: "Progressing: Workflow is running"},
		{name: "Workflow error", obj: wf + `status: {phase: Error, message: no such template}}`, want: "Degraded: no such template"},
		{name: "Workflow odd", obj: wf + `status: {phase: Odd}}`, want: "Unknown: Workflow phase is Odd"},
	})
}

func TestGeneric(t *testing.T) {
	run(t, "{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, generation: 4}, ", []kase{
		{name: "no status", obj: `spec: {}}`, want: "none"},
		{name: "status without conditions", obj: `status: {state: fine}}`, want: "none"},
		{name: "other conditions", obj: `status: {conditions: [{type: Blue, status: "False"}]}}`, want: "none"},
		{name: "observed, no conditions", obj: `status: {observedGeneration: 4}}`, want: "none"},
		{name: "not observed", obj: `status: {observedGeneration: 3, conditions: [{type: Ready, status: "True"}]}}`, want: "Progressing: waiting for the controller of Widget to see the new spec"},
		{name: "ready", obj: `status: {observedGeneration: 4, conditions: [{type: Ready, status: "True"}]}}`, want: "Healthy"},
		{name: "available", obj: `status: {conditions: [{type: Available, status: "True"}]}}`, want: "Healthy"},
		{name: "ready before available", obj: `status: {conditions: [{type: Available, status: "True"}, {type: Ready, status: "Unknown", reason: Starting}]}}`, want: "Progressing: condition Ready is Unknown: Starting"},
		{name: "ready for an old spec", obj: `status: {conditions: [{type: Ready, status: "True", observedGeneration: 3}]}}`, want: "Progressing: waiting for condition Ready to be about the new spec"},
		{name: "not ready yet", obj: `status: {conditions: [{type: Ready, status: "False", reason: Issuing, message: waiting for the issuer, lastTransitionTime: "2026-05-04T11:59:00Z"}]}}`, want: "Progressing: condition Ready is False: Issuing: waiting for the issuer"},
		{name: "not ready for long", obj: `status: {conditions: [{type: Ready, status: "False", reason: Denied, lastTransitionTime: "2026-05-04T11:00:00Z"}]}}`, want: "Degraded: condition Ready is False: Denied"},
		{name: "not ready since nobody knows when", obj: `status: {conditions: [{type: Ready, status: "False", reason: Denied}]}}`, want: "Progressing: condition Ready is False: Denied"},
		{name: "stalled", obj: `status: {conditions: [{type: Ready, status: "True"}, {type: Stalled, status: "True", reason: BadSpec, message: no such size}]}}`, want: "Degraded: condition Stalled is True: BadSpec: no such size"},
		{name: "not stalled", obj: `status: {conditions: [{type: Stalled, status: "False"}, {type: Ready, status: "True"}]}}`, want: "Healthy"},
		{name: "reconciling", obj: `status: {conditions: [{type: Reconciling, status: "True", reason: Scaling}, {type: Ready, status: "True"}]}}`, want: "Progressing: condition Reconciling is True: Scaling"},
		{name: "status is a string", obj: `status: Running}`, want: "none"},
		{name: "conditions are strings", obj: `status: {conditions: [Ready]}}`, want: "none"},
		{name: "conditions are an object", obj: `status: {conditions: {Ready: true}}}`, want: "none"},
		{name: "condition status is a boolean", obj: `status: {conditions: [{type: Ready, status: true}]}}`, want: "Progressing: condition Ready is"},
		{name: "observedGeneration is a string", obj: `status: {observedGeneration: "3", conditions: [{type: Ready, status: "True"}]}}`, want: "Healthy"},
	})
}

func TestDeletionAndAbsence(t *testing.T) {
	run(t, "", []kase{
		{name: "pending deletion", obj: `{apiVersion: v1, kind: ConfigMap, metadata: {name: c, deletionTimestamp: "2026-05-04T11:00:00Z"}}`, want: "Progressing: Pending deletion"},
		{name: "pending deletion of a kind without health", obj: `{apiVersion: v1, kind: ServiceAccount, metadata: {name: c, deletionTimestamp: "2026-05-04T11:00:00Z"}}`, want: "Progressing: Pending deletion"},
		{name: "hook held by our finalizer", obj: `{apiVersion: batch/v1, kind: Job, metadata: {name: c, deletionTimestamp: "2026-05-04T11:00:00Z", finalizers: [argocd.argoproj.io/hook-finalizer]}, status: {conditions: [{type: Complete, status: "True"}]}}`, want: "Healthy"},
		{name: "no kind", obj: `{}`, want: "none"},
		{name: "metadata is a string", obj: `{apiVersion: v1, kind: ConfigMap, metadata: odd}`, want: "Healthy"},
	})
	for _, obj := range []*unstructured.Unstructured{nil, {}} {
		if res, ok := Assess(obj, nil); !ok || res.Status != v1alpha1.HealthMissing {
			t.Errorf("Assess(%v) = %v, %v, want Missing", obj, res, ok)
		}
	}
}

func TestMessagesAreOneBoundedLine(t *testing.T) {
	obj := parse(t, `{apiVersion: example.com/v1, kind: Widget, status: {conditions: [{type: Stalled, status: "True"}]}}`)
	conds := obj.Object["status"].(map[string]any)["conditions"].([]any)
	conds[0].(map[string]any)["message"] = "first\n\tsecond " + strings.Repeat("ä", 1<<20) + "\xff"
	res, _ := Assess(obj, nil)
	if !strings.HasPrefix(res.Message, "condition Stalled is True: first second ä") {
		t.Errorf("message %.60q", res.Message)
	}
	if len(res.Message) > maxMessage+3 || !utf8.ValidString(res.Message) || strings.ContainsAny(res.Message, "\n\t") {
		t.Errorf("message of %d bytes, valid %v", len(res.Message), utf8.ValidString(res.Message))
	}
}

func TestIgnoredByAnnotation(t *testing.T) {
	for text, want := range map[string]bool{
		`{metadata: {annotations: {argocd.argoproj.io/ignore-healthcheck: "true"}}}`:  true,
		`{metadata: {annotations: {argocd.argoproj.io/ignore-healthcheck: "false"}}}`: false,
		`{metadata: {name: a}}`:                 false,
		`{metadata: {annotations: [true]}}`:     false,
		`{metadata: {annotations: {other: 1}}}`: false,
	} {
		if got := IgnoredByAnnotation(parse(t, text)); got != want {
			t.Errorf("IgnoredByAnnotation(%s) = %v, want %v", text, got, want)
		}
	}
	if IgnoredByAnnotation(nil) {
		t.Error("IgnoredByAnnotation(nil) = true")
	}
}

// TestScriptComesFirst: the user's own check wins over a built-in one, and an object that is about to go is not asked about.
func TestScriptComesFirst(t *testing.T) {
	says := func(res Result, found bool) world {
		return world{script: func(*unstructured.Unstructured) (Result, bool) { return res, found }}
	}
	bound := "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Bound}}"
	leaving := "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, deletionTimestamp: '2026-05-04T12:00:00Z'}}"
	suspended := Result{Status: v1alpha1.HealthSuspended, Message: "mine"}
	for _, c := range []struct {
		obj  string
		sig  world
		want string
		has  bool
	}{
		{bound, says(suspended, true), "Suspended: mine", true},
		{bound, says(Result{}, true), "", false},
		{bound, says(Result{}, false), "Healthy", true},
		{leaving, says(suspended, true), "Progressing: Pending deletion", true},
	} {
		res, has := Assess(parse(t, c.obj), c.sig)
		if res.brief() != c.want || has != c.has {
			t.Errorf("%s: %q %v, want %q %v", c.obj, res.brief(), has, c.want, c.has)
		}
	}
}
