package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/belaycd/belay/api/v1alpha1"
)

// retryFlags say how often and how fast a failed sync is tried again.
type retryFlags struct {
	limit      int64
	refresh    bool
	backoff    seconds
	maxBackoff seconds
	factor     int64
	set        func(string) bool
}

func (r *retryFlags) bind(fs *pflag.FlagSet) {
	r.backoff, r.maxBackoff = seconds(5*time.Second), seconds(3*time.Minute)
	fs.Int64Var(&r.limit, "retry-limit", 0, "how often a failed sync is tried again; negative: without limit")
	fs.BoolVar(&r.refresh, "retry-refresh", false, "resolve the revision again for each retry")
	fs.Var(&r.backoff, "retry-backoff-duration", "wait before the first retry")
	fs.Var(&r.maxBackoff, "retry-backoff-max-duration", "longest wait before a retry")
	fs.Int64Var(&r.factor, "retry-backoff-factor", 2, "each wait is this times the one before")
	r.set = fs.Changed
}

func (r *retryFlags) check() error {
	if r.factor < 1 {
		return usageError("--retry-backoff-factor %d would not grow: it is at least 1", r.factor)
	}
	return nil
}

// strategy is what the flags ask for, or the policy of the application when they say nothing.
func (r *retryFlags) strategy(app *v1alpha1.Application) v1alpha1.RetryStrategy {
	if !r.set("retry-limit") && !r.set("retry-refresh") {
		if app.Spec.SyncPolicy != nil && app.Spec.SyncPolicy.Retry != nil {
			return *app.Spec.SyncPolicy.Retry
		}
		return v1alpha1.RetryStrategy{}
	}
	return *r.explicit()
}

// explicit is the strategy that the flags describe.
func (r *retryFlags) explicit() *v1alpha1.RetryStrategy {
	factor := r.factor
	return &v1alpha1.RetryStrategy{Limit: r.limit, Refresh: r.refresh, Backoff: &v1alpha1.Backoff{
		Duration: r.backoff.duration().String(), MaxDuration: r.maxBackoff.duration().String(), Factor: &factor,
	}}
}
