package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// node is an object of an application or one that such an object owns.
type node struct {
	ref      object.Ref
	version  string
	uid      types.UID
	created  time.Time
	status   string
	health   string
	message  string
	children []*node
}

// maxDepth bounds chains of owners, which can be cyclic.
const maxDepth = 16

// treeOf reads what the objects of an application own. skipped names kinds that could not be read.
func treeOf(ctx context.Context, cp ControlPlane, app *v1alpha1.Application) (roots []*node, skipped []string, err error) {
	owned, skipped, err := cp.Tree(ctx, app)
	if err != nil {
		return nil, nil, err
	}
	owned = slices.DeleteFunc(owned, func(o Owned) bool { return slices.Contains(unlisted(), o.Ref.GroupKind()) })
	roots = rootsOf(app)
	grow(roots, owned)
	return roots, skipped, nil
}

func rootsOf(app *v1alpha1.Application) []*node {
	roots := make([]*node, len(app.Status.Resources))
	for i := range app.Status.Resources {
		r := &app.Status.Resources[i]
		roots[i] = &node{ref: refOf(r), version: r.Version, status: string(r.Status), health: healthWord(r)}
		if r.Health != nil {
			roots[i].message = r.Health.Message
		}
	}
	return roots
}

// grow hangs every item below its owner, beginning at the roots.
func grow(roots []*node, items []Owned) {
	byRef := map[object.Ref]*node{}
	for _, r := range roots {
		byRef[r.ref] = r
	}
	byOwner := map[types.UID][]*node{}
	for _, item := range items {
		if root, ok := byRef[item.Ref]; ok {
			root.uid, root.created = item.UID, item.Created
			continue
		}
		n := &node{ref: item.Ref, version: item.Version, uid: item.UID, created: item.Created, health: item.Health, message: item.Message}
		for _, owner := range item.Owners {
			byOwner[owner] = append(byOwner[owner], n)
		}
	}
	hung := map[*node]bool{}
	level := roots
	for depth := 0; depth < maxDepth && len(level) > 0; depth++ {
		var next []*node
		for _, parent := range level {
			if parent.uid == "" {
				continue
			}
			for _, child := range byOwner[parent.uid] {
				if !hung[child] {
					hung[child] = true
					parent.children = append(parent.children, child)
					next = append(next, child)
				}
			}
			slices.SortFunc(parent.children, func(a, b *node) int { return strings.Compare(a.ref.String(), b.ref.String()) })
		}
		level = next
	}
}

// printTree prints an application's objects and what they own.
func (c *cli) printTree(ctx context.Context, conn ControlPlane, app *v1alpha1.Application, detailed bool) error {
	roots, skipped, err := treeOf(ctx, conn, app)
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Fprintf(c.Err, "warning: not permitted to list %s\n", clean(joinWords(skipped)))
	}
	return writeTree(c.Out, roots, c.Now(), detailed)
}

// writeTree prints nodes as an indented table.
func writeTree(out io.Writer, roots []*node, now time.Time, detailed bool) error {
	header := []string{"KIND/NAME", "STATUS", "HEALTH", "MESSAGE"}
	if detailed {
		header = []string{"KIND/NAME", "STATUS", "HEALTH", "AGE", "MESSAGE"}
	}
	var rows [][]string
	var add func(n *node, head, indent string)
	add = func(n *node, head, indent string) {
		row := []string{head + n.ref.Kind + "/" + n.ref.Name, n.status, n.health, n.message}
		if detailed {
			age := ""
			if !n.created.IsZero() {
				age = ageWord(now.Sub(n.created))
			}
			row = []string{row[0], n.status, n.health, age, n.message}
		}
		rows = append(rows, row)
		for i, child := range n.children {
			if i == len(n.children)-1 {
				add(child, indent+"└─", indent+"  ")
			} else {
				add(child, indent+"├─", indent+"│ ")
			}
		}
	}
	for _, r := range roots {
		add(r, "", "")
	}
	return table(out, header, rows)
}

// ageWord writes an age as kubectl does, in its largest unit.
func ageWord(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
