package app

import (
	"log/slog"
	"time"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/audit/configmap"
	"github.com/belaycd/belay/internal/cli"
)

// OpenAudit returns the record of activities for the command line, which only reads it.
func OpenAudit(now func() time.Time) cli.AuditFunc {
	return func(conn *cli.Connection) audit.Log {
		return configmap.New(configmap.Options{Client: conn.Client, Reader: conn.Client, Namespace: conn.Namespace, Now: now, Log: slog.New(slog.DiscardHandler)})
	}
}
