package live

import (
	"context"
	"log/slog"
)

// quiet takes what client-go says on its way: for every watch, several lines at each interruption. What counts of it
// the feeds report themselves, once, so that it is logged at debug level, errors and all.
type quiet struct{ slog.Handler }

// Enabled reports whether debug records are wanted.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo && q.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle writes a record at debug level.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that stays quiet.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup returns a handler that stays quiet.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }
