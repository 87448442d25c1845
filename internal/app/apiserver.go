package app

import (
	"context"

	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/cli/remote"
)

// OpenServer opens an API server for the command line.
func OpenServer(ctx context.Context, o cli.ServerOptions) (cli.Server, error) {
	return remote.Open(ctx, o)
}
