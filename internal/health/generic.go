package health

import "strconv"

// generic judges any other kind by the kstatus conventions
// (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md): observedGeneration and the
// conditions Stalled, Reconciling, Ready and Available. A kind that keeps none of them has no health. Since many
// controllers set Ready=False for "not yet" as well as for "never", that is Progressing first and Degraded later.
//
// Fields of unexpected types are taken as absent: a custom resource may call anything "status".
func generic(in input) (Result, bool) {
	if !in.observed() {
		return progressing("waiting for the controller of %s to see the new spec", in.obj.GetKind()), true
	}
	conds := in.conditions()
	if c := conds["Stalled"]; c.isTrue() {
		return degraded("%s", c), true
	}
	if c := conds["Reconciling"]; c.isTrue() {
		return progressing("%s", c), true
	}
	for _, name := range []string{"Ready", "Available"} {
		c, ok := conds[name]
		if !ok {
			continue
		}
		if c.Observed > 0 && c.Observed < in.count("metadata", "generation") {
			return progressing("waiting for condition %s to be about the new spec", name), true
		}
		switch c.Status {
		case "True":
			return healthy(""), true
		case "False":
			return in.overdue(c.Since, "%s", c), true
		default:
			return progressing("%s", c), true
		}
	}
	return none(), false
}

func parseInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
