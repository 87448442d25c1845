package gitops

import (
	"fmt"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
)

func duplicateRule() check.Rule {
	return check.Rule{
		ID: "duplicate-object", Title: "object that is deployed twice", Severity: check.Error,
		Why: "An object that stands twice in one application has the fields of whichever comes last. One that two applications claim on a cluster is written by both in turn: each undoes the other, and when one is removed the object is deleted under the other.",
		Fix: "Keep the object in one place. What two applications need belongs to a third one, or to one of them alone.",
	}
}

func duplicates(repo *check.Repository, report func(check.Finding)) {
	type claim struct {
		cluster string
		ref     object.Ref
	}
	claimed := map[claim]*check.Object{}
	for _, u := range repo.Units {
		own := make(map[object.Ref]*check.Object, len(u.Objects))
		for _, o := range u.Objects {
			if o.GetName() == "" {
				continue // generateName makes another one each time
			}
			if first := own[o.Ref]; first != nil {
				if u.Kind == check.FromDirectory && first.Template != o.Template {
					continue // files beside each other that nothing deploys may be there to choose from
				}
				report(check.Finding{Rule: "duplicate-object", Object: o, Message: fmt.Sprintf("%s stands twice in %s", label(o), u.Name)})
				continue
			}
			own[o.Ref] = o
			if u.App == nil || u.Cluster == "" {
				continue
			}
			key := claim{cluster(u), o.Ref}
			if first, ok := claimed[key]; ok {
				report(check.Finding{Rule: "duplicate-object", Object: o,
					Message: fmt.Sprintf("%s is claimed by the Applications %s and %s on cluster %s", label(o), first.Unit.Name, u.Name, key.cluster)})
				continue
			}
			claimed[key] = o
		}
	}
}

// inCluster is the address of the cluster that the controller runs in, which also has a name.
const inCluster = "https://kubernetes.default.svc"

func cluster(u *check.Unit) string {
	if u.Cluster == "in-cluster" {
		return inCluster
	}
	return u.Cluster
}
