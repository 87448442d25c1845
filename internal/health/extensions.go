package health

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
)

// judgeOfExtension returns the judge of a custom resource that many use and that keeps other conventions than those of
// kstatus, or nil. Each judge says what is different.
func judgeOfExtension(gk schema.GroupKind) judge {
	switch gk.Group {
	case "bitnami.com":
		if gk.Kind == "SealedSecret" {
			return sealedSecret
		}
	case "cert-manager.io":
		if gk.Kind == "Certificate" {
			return certificate
		}
	case "gateway.networking.k8s.io":
		return judgeOfGateways(gk.Kind)
	case "kafka.strimzi.io":
		return strimzi
	case "keda.sh":
		if gk.Kind == "ScaledObject" || gk.Kind == "ScaledJob" {
			return keda
		}
	case "monitoring.coreos.com":
		switch gk.Kind {
		case "Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler":
			return prometheus
		}
	case "pkg.crossplane.io":
		switch gk.Kind {
		case "Provider", "Configuration", "Function":
			return every("Installed", "Healthy")
		}
	case "apiextensions.crossplane.io":
		if gk.Kind == "CompositeResourceDefinition" {
			return every("Established")
		}
	case "postgresql.cnpg.io":
		if gk.Kind == "Cluster" {
			return cnpgCluster
		}
	case v1alpha1.Group:
		switch gk.Kind {
		case "AnalysisRun":
			return analysisRun
		case "ApplicationSet":
			return applicationSet
		}
	}
	switch {
	case strings.HasSuffix(gk.Group, ".knative.dev"):
		return knative
	case strings.HasSuffix(gk.Group, ".toolkit.fluxcd.io"):
		return flux
	case strings.HasSuffix(gk.Group, ".crossplane.io"), strings.HasSuffix(gk.Group, ".upbound.io"):
		return crossplane
	}
	return nil
}

func judgeOfGateways(kind string) judge {
	switch kind {
	case "Gateway":
		return every("Accepted", "Programmed")
	case "GatewayClass":
		return every("Accepted")
	}
	if strings.HasSuffix(kind, "Route") {
		return route
	}
	return nil
}

// conventional is the verdict of kstatus, for judges that add to it.
func conventional(in input) Result {
	res, _ := generic(in)
	return res
}

// expected is conventional for kinds that always get a condition: without one, their controller has not seen them yet.
func expected(in input) Result {
	if res := conventional(in); res.Status != "" {
		return res
	}
	return progressing("waiting for the controller of %s", in.obj.GetKind())
}

// every judges kinds that are ready when all of these conditions are true, and that have no condition for the whole.
func every(names ...string) judge {
	return func(in input) Result {
		if !in.observed() {
			return progressing("waiting for the controller of %s to see the new spec", in.obj.GetKind())
		}
		conds := in.conditions()
		for _, name := range names {
			if res := in.demand(conds, name); res.Status != "" {
				return res
			}
		}
		return healthy("")
	}
}

// demand returns why the condition is not true of the present spec, or nothing. What is not known yet (Gateway API writes
// that at the birth of an object, with a time long past) starts no deadline.
func (in input) demand(conds map[string]condition, name string) Result {
	c, ok := conds[name]
	switch {
	case !ok:
		return progressing("waiting for condition %s", name)
	case c.Observed > 0 && c.Observed < in.count("metadata", "generation"):
		return progressing("waiting for condition %s to be about the new spec", name)
	case c.isTrue():
		return Result{}
	case c.isFalse():
		return in.overdue(c.Since, "%s", c)
	}
	return progressing("%s", c)
}

// route judges the routes of Gateway API: their conditions stand in status.parents, one list for each gateway.
func route(in input) Result {
	parents := in.list("status", "parents")
	if len(parents) == 0 {
		return progressing("waiting for a gateway to accept the %s", in.obj.GetKind())
	}
	for _, parent := range parents {
		conds := map[string]condition{}
		for _, item := range in.part(parent).list("conditions") {
			c := in.condition(item)
			conds[c.Type] = c
		}
		for _, name := range []string{"Accepted", "ResolvedRefs"} {
			res := in.demand(conds, name)
			if res.Status == "" {
				continue
			}
			gateway := in.part(in.part(parent).object("parentRef")).text("name")
			res.Message = Line("gateway " + gateway + ": " + res.Message)
			return res
		}
	}
	return healthy("")
}

// sealedSecret: its condition is called Synced, and what cannot be unsealed now never can.
func sealedSecret(in input) Result {
	if !in.observed() {
		return progressing("waiting for the SealedSecret to be unsealed")
	}
	switch c := in.conditions()["Synced"]; {
	case c.isTrue():
		return healthy("")
	case c.isFalse():
		return degraded("%s", c)
	}
	return progressing("waiting for the SealedSecret to be unsealed")
}

// certificate: an issuance that has failed is tried again after an hour at the earliest.
func certificate(in input) Result {
	conds := in.conditions()
	if c := conds["Issuing"]; c.isFalse() && c.Reason == "Failed" && !conds["Ready"].isTrue() {
		return degraded("%s", c)
	}
	return expected(in)
}

// strimzi: an object that is not ready has the condition NotReady and lacks the condition Ready.
func strimzi(in input) Result {
	conds := in.conditions()
	if c := conds["ReconciliationPaused"]; c.isTrue() {
		return suspended("%s", c)
	}
	if !in.observed() {
		return progressing("waiting for the operator to see the new spec")
	}
	if c := conds["NotReady"]; c.isTrue() {
		return in.overdue(c.Since, "%s", c)
	}
	return expected(in)
}

// keda: its conditions have no times, so that no deadline can be counted, and Ready=False is a fault in the spec or in a
// trigger. A scaler that is paused by its annotation is meant to be.
func keda(in input) Result {
	conds := in.conditions()
	if c := conds["Paused"]; c.isTrue() {
		return suspended("%s", c)
	}
	if c := conds["Ready"]; c.isFalse() {
		return degraded("%s", c)
	}
	return expected(in)
}

// prometheus: Available is True, False, or Degraded when some pods are missing; a spec that cannot be carried out shows in
// Reconciled alone, while the old pods go on.
func prometheus(in input) Result {
	conds := in.conditions()
	if c := conds["Reconciled"]; c.isFalse() {
		return degraded("%s", c)
	}
	if c := conds["Available"]; c.Status == "Degraded" {
		return in.overdue(c.Since, "%s", c)
	}
	return conventional(in)
}

// cnpgCluster: a cluster in hibernation is not ready and is meant not to be.
func cnpgCluster(in input) Result {
	if c := in.conditions()["cnpg.io/hibernation"]; c.isTrue() {
		return suspended("%s", c)
	}
	return expected(in)
}

// knative: Unknown means that it is under way, False that it has failed.
func knative(in input) Result {
	if c := in.conditions()["Ready"]; c.isFalse() && in.observed() {
		return degraded("%s", c)
	}
	return expected(in)
}

// flux keeps the conventions of kstatus, and can be suspended.
func flux(in input) Result {
	if in.truth("spec", "suspend") {
		return suspended("%s is suspended", in.obj.GetKind())
	}
	return conventional(in)
}

// crossplane: a managed resource that is there and cannot be changed as wanted is Ready and not Synced.
func crossplane(in input) Result {
	if c := in.conditions()["Synced"]; c.isFalse() {
		if c.Reason == "ReconcilePaused" {
			return suspended("%s", c)
		}
		return in.overdue(c.Since, "%s", c)
	}
	return conventional(in)
}

func analysisRun(in input) Result {
	message := in.text("status", "message")
	switch phase := in.text("status", "phase"); phase {
	case "Successful":
		return healthy("%s", message)
	case "Failed", "Error", "Inconclusive":
		return degraded("%s", orElse(message, "AnalysisRun phase is "+phase))
	case "", "Pending", "Running":
		return progressing("%s", orElse(message, "AnalysisRun is running"))
	default:
		return unknown("AnalysisRun phase is %s", phase)
	}
}

// applicationSet: an error has a condition of its own, and there is none for the whole.
func applicationSet(in input) Result {
	conds := in.conditions()
	if c := conds["ErrorOccurred"]; c.isTrue() {
		return degraded("%s", c)
	}
	if c := conds["RolloutProgressing"]; c.isTrue() {
		return progressing("%s", c)
	}
	if conds["ResourcesUpToDate"].isTrue() {
		return healthy("")
	}
	return progressing("waiting for the Applications to be made")
}
