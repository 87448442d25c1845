//go:build !linux

package app

import "context"

// trimming does nothing here.
func trimming(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
