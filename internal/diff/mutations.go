package diff

import (
	"slices"

	"github.com/belaycd/belay/internal/object"
)

// withoutMutations returns the changes that come from Git. A dry run also tells what a webhook, a policy or a new default
// would add or change on the way. Where Git does not name the field and we do not own it, that is no difference from
// Git, and a sync for its sake might never end: such a webhook need not say the same twice. What an apply would remove
// counts always.
func withoutMutations(changes []object.Change, desired map[string]any, managers []object.Manager) []object.Change {
	set := fieldSet(ours(managers))
	return slices.DeleteFunc(changes, func(c object.Change) bool {
		if c.Desired == nil || ownsPath(set, c.Path) {
			return false
		}
		return !named(desired, splitPath(c.Path))
	})
}

// named reports whether Git says something at a path. A list whose elements have no name of their own counts as a whole.
func named(desired any, path []step) bool {
	for _, s := range path {
		switch c := desired.(type) {
		case map[string]any:
			next, ok := c[s.name]
			if !ok {
				return false
			}
			desired = next
		case []any:
			if s.key == "" || !keyed(s.key, [][]any{c}) {
				return true
			}
			i := s.index(c)
			if i < 0 {
				return false
			}
			desired = c[i]
		default:
			return false
		}
	}
	return true
}
