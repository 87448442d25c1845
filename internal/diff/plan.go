// Package diff compares: desired objects and live objects go in; a Plan (what a sync would create, change and delete,
// field by field, and why) comes out. Compare is pure; Confirm settles suspicions through a server-side dry-run.
package diff

import (
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

// Action is what a sync would do with an object.
type Action string

// Actions.
const (
	// None: the object is as desired.
	None Action = "none"
	// Create: the object is desired and the cluster does not have it.
	Create Action = "create"
	// Update: the object would change.
	Update Action = "update"
	// Delete: the cluster has an object of this application that is no longer desired.
	Delete Action = "delete"
)

// Item is the verdict on one object.
type Item struct {
	Ref    object.Ref
	Action Action
	// Desired is the object to apply; nil for Delete.
	Desired *unstructured.Unstructured
	// Live is the object in the cluster; nil for Create.
	Live *object.Live
	// Predicted is what the server says the object would become; nil when nobody had to ask.
	Predicted *unstructured.Unstructured
	// Changes are the fields that would change, in path order.
	Changes []object.Change
	// Reason says in one clause why Action is not None.
	Reason string
	// Refused is the server's refusal of the desired object, seen before anything was written.
	Refused error
	// Forbidden is the project's refusal of the object; no option overrides it.
	Forbidden error
	// Finished says that the object is gone because it was done: a Job removed by its own TTL.
	Finished bool
	// Extraneous says that a Delete item must not make the application OutOfSync (compare-options IgnoreExtraneous).
	Extraneous bool

	// Adopt names the managers whose fields must be made ours before an apply can remove them.
	Adopt []string

	suspect bool
	hash    string // of Desired
	ignores ignoreSet
	// mutations says that what a webhook would add counts, so that the server has to be asked.
	mutations bool
	// keepsStatus says that the status field counts.
	keepsStatus bool
	// keepsLegacy says that fields of client-side applies are to stay as they are.
	keepsLegacy bool
	// migrates is a further manager whose fields are taken over.
	migrates string
}

// InSync reports whether the object leaves the application Synced.
func (i *Item) InSync() bool { return i.Action == None || i.Extraneous }

// Plan is the comparison of an application, ordered by Ref.
type Plan struct {
	Items []*Item
	// Hooks are the application's hooks that the cluster has, of this sync or of earlier ones, ordered by Ref. They neither
	// make it OutOfSync nor are they pruned: their delete policies say what becomes of them.
	Hooks []*object.Live
}

// InSync reports whether nothing would change.
func (p *Plan) InSync() bool {
	for _, i := range p.Items {
		if !i.InSync() {
			return false
		}
	}
	return true
}

// Suspects returns the items whose verdict needs a dry-run.
func (p *Plan) Suspects() []*Item {
	var out []*Item
	for _, i := range p.Items {
		if i.suspect {
			out = append(out, i)
		}
	}
	return out
}

func (p *Plan) sort() {
	sort.Slice(p.Hooks, func(a, b int) bool { return p.Hooks[a].Ref().Less(p.Hooks[b].Ref()) })
	sort.Slice(p.Items, func(a, b int) bool { return p.Items[a].Ref.Less(p.Items[b].Ref) })
}
