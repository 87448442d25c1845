package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	authnv1 "k8s.io/api/authentication/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// controllerPatience is how long an operation may lie untouched before the user is told that nobody takes it.
const controllerPatience = 10 * time.Second

func toMap(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(data, &m)
}

func shortRevision(r string) string {
	if isSHA(r) {
		return r[:7]
	}
	return r
}

// whoami asks the cluster for the name of the user, which the operation then carries. Unknown is no obstacle.
func (c *Connection) whoami(ctx context.Context) string {
	if c.user != nil {
		return *c.user
	}
	rctx, cancel := c.request(ctx)
	defer cancel()
	review := &authnv1.SelfSubjectReview{}
	if err := c.Client.Create(rctx, review); err != nil {
		return ""
	}
	c.user = &review.Status.UserInfo.Username
	return *c.user
}

// watchOperation follows the operation that started left behind until it has ended, and gives the last state seen.
func (c *cli) watchOperation(ctx context.Context, conn ControlPlane, started *v1alpha1.Application, p progress) (*v1alpha1.Application, error) {
	key := appKey{Namespace: started.Namespace, Name: started.Name}
	last := started
	patience := time.AfterFunc(controllerPatience, func() {
		p.note("no controller has taken up the operation for %s: is one running for namespace %s?", controllerPatience, key.Namespace)
	})
	defer patience.Stop()
	err := conn.WatchApplication(ctx, key, func(app *v1alpha1.Application) (bool, error) {
		if app == nil {
			return true, gone(key)
		}
		last = app
		if app.Status.OperationState != nil {
			patience.Stop()
		}
		p.show(app)
		return operationEnded(app), nil
	})
	return last, err
}

// operationEnded reports whether no operation is running and the record of the last one is complete.
func operationEnded(app *v1alpha1.Application) bool {
	op := app.Status.OperationState
	return app.Operation == nil && op != nil && op.Phase.Completed() && op.FinishedAt != nil
}

// operationResult turns a finished operation into an error, or nil when it succeeded.
func operationResult(app *v1alpha1.Application, what string) error {
	op := app.Status.OperationState
	if op == nil {
		return &Failure{Exit: ExitDifferent, Code: "OperationLost", Err: fmt.Errorf("%s of application %s left no record", what, qualified(app))}
	}
	if op.Phase == v1alpha1.OperationSucceeded {
		return nil
	}
	message := op.Message
	if message == "" {
		message = "no reason is recorded"
	}
	return &Failure{Exit: ExitDifferent, Code: "Operation" + string(op.Phase),
		Err:  fmt.Errorf("%s of application %s: phase %s: %w", what, qualified(app), op.Phase, errors.New(mask.Text(message))),
		Hint: failedHint(app)}
}

// failedHint points at the first object that failed.
func failedHint(app *v1alpha1.Application) string {
	for _, s := range statesOf(app) {
		if s.Failed {
			return fmt.Sprintf("%s: %s", s.Ref, mask.Text(s.Message))
		}
	}
	return "belay app get " + qualified(app) + " --show-operation"
}

// gone is the failure for an application that was deleted while a command waited for it.
func gone(key appKey) error {
	return &Failure{Exit: ExitAPI, Code: "AppDeleted", Err: fmt.Errorf("application %s was deleted meanwhile", key)}
}

// withTimeout bounds ctx; 0 means no bound.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// timedOut tells a time limit inside from an interruption outside.
func timedOut(outer context.Context, err error) bool {
	return outer.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}
