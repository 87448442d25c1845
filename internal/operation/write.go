package operation

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Again is how a write is tried again that somebody else forestalled: for about two seconds, in which a controller and a few
// other users can have written often.
func Again() wait.Backoff {
	return wait.Backoff{Steps: 16, Duration: 10 * time.Millisecond, Factor: 1.3, Jitter: 0.5}
}

// For makes a merge patch one for the state that was read: when somebody else wrote since, it is a conflict.
func For(app *v1alpha1.Application, patch map[string]any) map[string]any {
	meta, _ := patch["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		patch["metadata"] = meta
	}
	meta["resourceVersion"] = app.ResourceVersion
	return patch
}
