package cli

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
)

type PlannerFunc func() error

func (c *cli) printTree(ctx context.Context, conn *Connection, app *v1alpha1.Application, detailed bool) error {
	return nil
}
func (c *cli) previewSync(ctx context.Context, conn *Connection, key appKey, o *syncOptions) (bool, error) {
	return false, nil
}
func (c *cli) confirm(found, yes bool) (bool, error) { return true, nil }
func (c *cli) fromPlanner(ctx context.Context, conn *Connection, key appKey, r *syncRequest) error {
	return nil
}
