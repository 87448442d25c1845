package health

import "fmt"

func deployment(in input) Result {
	if in.truth("spec", "paused") {
		return suspended("Deployment is paused")
	}
	if !in.observed() {
		return progressing("waiting for the Deployment controller to see the new spec")
	}
	conds := in.conditions()
	if c := conds["Progressing"]; c.Reason == "ProgressDeadlineExceeded" {
		return degraded("Deployment %q exceeded its progress deadline: %s%s", in.obj.GetName(), deploymentCounts(in), because(conds))
	}
	want, wantKnown := in.num("spec", "replicas")
	updated := in.count("status", "updatedReplicas")
	switch all, available := in.count("status", "replicas"), in.count("status", "availableReplicas"); {
	case wantKnown && updated < want:
		return progressing("%d of %d replicas are updated%s", updated, want, because(conds))
	case all > updated:
		return progressing("%d old replicas are still to be terminated", all-updated)
	case available < updated:
		return progressing("%d of %d updated replicas are available%s", available, updated, because(conds))
	}
	return healthy("")
}

func deploymentCounts(in input) string {
	return fmt.Sprintf("%d of %d replicas are available", in.count("status", "availableReplicas"), in.count("spec", "replicas"))
}

// because returns the reason for which pods cannot be created, such as an exceeded quota, as the end of a sentence.
func because(conds map[string]condition) string {
	if c := conds["ReplicaFailure"]; c.isTrue() {
		return ": " + c.cause()
	}
	return ""
}

func replicaSet(in input) Result {
	if !in.observed() {
		return progressing("waiting for the ReplicaSet controller to see the new spec")
	}
	if c := in.conditions()["ReplicaFailure"]; c.isTrue() {
		return degraded("pods cannot be created: %s", c.cause())
	}
	want, known := in.num("spec", "replicas")
	if available := in.count("status", "availableReplicas"); known && available < want {
		return progressing("%d of %d replicas are available", available, want)
	}
	return healthy("")
}

func statefulSet(in input) Result {
	if seen := in.count("status", "observedGeneration"); seen == 0 || !in.observed() {
		return progressing("waiting for the StatefulSet controller to see the new spec")
	}
	want, known := in.num("spec", "replicas")
	ready := in.count("status", "readyReplicas")
	if known && ready < want {
		return progressing("%d of %d replicas are ready", ready, want)
	}
	if in.text("spec", "updateStrategy", "type") == "OnDelete" {
		return healthy("")
	}
	updated := in.count("status", "updatedReplicas")
	if partition := in.count("spec", "updateStrategy", "rollingUpdate", "partition"); partition > 0 && known {
		if due := want - partition; updated < due {
			return progressing("%d of %d replicas above partition %d are updated", updated, due, partition)
		}
		return healthy("")
	}
	if next, now := in.text("status", "updateRevision"), in.text("status", "currentRevision"); next != now {
		return progressing("%d of %d replicas are updated to revision %s", updated, want, next)
	}
	return healthy("")
}

func daemonSet(in input) Result {
	if !in.observed() {
		return progressing("waiting for the DaemonSet controller to see the new spec")
	}
	if in.text("spec", "updateStrategy", "type") == "OnDelete" {
		return healthy("")
	}
	want := in.count("status", "desiredNumberScheduled")
	if updated := in.count("status", "updatedNumberScheduled"); updated < want {
		return progressing("%d of %d pods are updated", updated, want)
	}
	if available := in.count("status", "numberAvailable"); available < want {
		return progressing("%d of %d pods are available", available, want)
	}
	return healthy("")
}

func job(in input) Result {
	conds := in.conditions()
	if c := conds["Failed"]; c.isTrue() {
		return degraded("Job failed: %s", orElse(c.cause(), "no reason given"))
	}
	if c := conds["Complete"]; c.isTrue() {
		return healthy("%s", c.Message)
	}
	if c := conds["Suspended"]; c.isTrue() || in.truth("spec", "suspend") {
		return suspended("Job is suspended")
	}
	if c := conds["FailureTarget"]; c.isTrue() {
		return progressing("Job is failing, its pods are being stopped: %s", c.cause())
	}
	if failed := in.count("status", "failed"); failed > 0 {
		limit := int64(6) // the API server's default of spec.backoffLimit
		if n, ok := in.num("spec", "backoffLimit"); ok {
			limit = n
		}
		return progressing("Job is running; %d pods failed, %d retries are allowed", failed, limit)
	}
	return progressing("Job is running")
}

// cronJob follows the last run: while it runs the CronJob is Progressing, after it the CronJob is as good as the run.
func cronJob(in input) Result {
	if in.truth("spec", "suspend") {
		return suspended("CronJob is suspended")
	}
	if active := len(in.list("status", "active")); active > 0 {
		return progressing("waiting for %d running Jobs", active)
	}
	scheduled := in.instant("status", "lastScheduleTime")
	if scheduled.IsZero() {
		return healthy("CronJob has not run yet")
	}
	if in.instant("status", "lastSuccessfulTime").Before(scheduled) {
		return degraded("the last run of the CronJob did not succeed")
	}
	return healthy("")
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
