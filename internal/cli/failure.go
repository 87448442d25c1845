package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/operation"
)

// Exit codes, a compatible superset of argocd's.
const (
	ExitOK          = 0
	ExitDifferent   = 1 // a difference was found, an operation failed, or objects still require pruning
	ExitUsage       = 2
	ExitAPI         = 20 // API, connection or credentials; a wait that timed out
	ExitInterrupted = 130
)

// Failure is an error with all that a person or a script needs: the exit code, a stable code, and what to do next.
type Failure struct {
	Exit int
	Code string // stable, for scripts: AppNotFound, OperationInProgress, ...
	Err  error  // nil prints nothing, for an exit code that is a result
	Hint string
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Code
	}
	return f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

// usageError is a wrong command line.
func usageError(format string, args ...any) *Failure {
	return &Failure{Exit: ExitUsage, Code: "Usage", Err: fmt.Errorf(format, args...)}
}

// different is the exit code of a diff that found something; it is no error to report.
func different() *Failure { return &Failure{Exit: ExitDifferent, Code: "Different"} }

// report prints err in the form of the running command and returns the exit code.
func (c *cli) report(err error) int {
	if err == nil {
		return ExitOK
	}
	f := classify(err)
	if f.Err == nil {
		return f.Exit
	}
	if c.output == "json" || c.output == "jsonl" {
		data, jerr := json.Marshal(map[string]any{"error": failureJSON(f)})
		if jerr == nil {
			fmt.Fprintln(c.Err, string(data))
			return f.Exit
		}
	}
	fmt.Fprint(c.Err, failureText(f))
	return f.Exit
}

// failureText gives the lines that people read: error, cause and hint.
func failureText(f *Failure) string {
	what, cause := splitCause(f.Err)
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", cleanText(what))
	if cause != "" {
		fmt.Fprintf(&b, "cause: %s\n", cleanText(cause))
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", cleanText(f.Hint))
	}
	return b.String()
}

func failureJSON(f *Failure) map[string]any {
	what, cause := splitCause(f.Err)
	out := map[string]any{"code": f.Code, "message": cleanText(what)}
	if cause != "" {
		out["cause"] = cleanText(cause)
	}
	if f.Hint != "" {
		out["hint"] = cleanText(f.Hint)
	}
	return out
}

// splitCause parts the text of err into what failed and the innermost message.
func splitCause(err error) (what, cause string) {
	inner := err
	for {
		next := errors.Unwrap(inner)
		if next == nil {
			break
		}
		inner = next
	}
	all, last := mask.Text(err.Error()), mask.Text(inner.Error())
	if rest, ok := strings.CutSuffix(all, ": "+last); ok {
		return rest, last
	}
	return all, ""
}

// classify gives err its exit code, stable code and hint: the one table from error kinds to both.
func classify(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		// The outer text says more than the failure inside.
		return &Failure{Exit: f.Exit, Code: f.Code, Hint: f.Hint, Err: textOf(err, f)}
	}
	api := func(code, hint string) *Failure {
		return &Failure{Exit: ExitAPI, Code: code, Err: err, Hint: hint}
	}
	var netErr net.Error
	var refusal *operation.Refusal
	switch {
	case errors.As(err, &refusal):
		return api(refusal.Code, refusal.Hint)
	case errors.Is(err, context.Canceled):
		return &Failure{Exit: ExitInterrupted, Code: "Interrupted", Err: errors.New("interrupted")}
	case apierrors.IsUnauthorized(err):
		return api("Unauthorized", "the cluster does not accept the credentials of this kubeconfig context: log in again")
	case apierrors.IsForbidden(err):
		return api("Forbidden", "ask for a role that allows this in that namespace")
	case apierrors.IsConflict(err):
		return api("Conflict", "somebody else changed the object at the same time: try again")
	case meta.IsNoMatchError(err), isMissingKind(err):
		return api("NotInstalled", "the cluster does not know this kind; install it with: belay install --crds-only | kubectl apply --server-side -f -")
	case apierrors.IsNotFound(err):
		return api("NotFound", "")
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return api("Invalid", "")
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return api("Timeout", "")
	case errors.As(err, &netErr):
		return api("Unreachable", "check --kubeconfig and --kube-context, and that the cluster can be reached from here")
	}
	return api(fault.KindOf(err).String(), "")
}

// textOf keeps a failure without text silent and gives the others the whole text of err.
func textOf(err error, f *Failure) error {
	if f.Err == nil {
		return nil
	}
	var direct *Failure
	if d, ok := err.(*Failure); ok {
		direct = d
	}
	if direct != nil {
		return direct.Err
	}
	return err
}

// isMissingKind tells the 404 of a path that is not served from the 404 of an object that is not there.
func isMissingKind(err error) bool {
	return apierrors.IsNotFound(err) && strings.Contains(err.Error(), "could not find the requested resource")
}
