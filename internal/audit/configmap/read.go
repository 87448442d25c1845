package configmap

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
)

// Activities implements audit.Log. It reads the chunks from the last one on until the page is full.
func (s *Store) Activities(ctx context.Context, q audit.Query, visible func(*audit.Activity) bool) (*audit.Page, error) {
	from := cursor{}
	if q.Before != "" {
		var ok bool
		if from, ok = parseCursor(q.Before); !ok {
			return nil, fault.New(fault.Invalid, "before: %q is not where a page ended", q.Before)
		}
	}
	chunks, err := s.chunks(ctx)
	if err != nil {
		return nil, fault.As(fault.Transient, err)
	}
	page := &audit.Page{Items: []audit.Activity{}}
	size := q.PageSize()
	for i := len(chunks) - 1; i >= 0; i-- {
		c := chunks[i]
		if from.number > 0 && c.number > from.number {
			continue
		}
		cm, err := s.read(ctx, c.name)
		if apierrors.IsNotFound(err) {
			continue // it was deleted since it was listed
		}
		if err != nil {
			return nil, fault.As(fault.Transient, err)
		}
		items := decode(cm.Data[dataKey])
		end := len(items)
		if c.number == from.number {
			end = min(end, from.line)
		}
		for line := end - 1; line >= 0; line-- {
			a := &items[line]
			if a.Kind == "" || !q.Match(a) || visible != nil && !visible(a) {
				continue
			}
			if page.Items = append(page.Items, *a); len(page.Items) == size {
				page.Next = cursor{c.number, line}.String()
				return page, nil
			}
		}
	}
	return page, nil
}
