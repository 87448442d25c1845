// Package fault gives errors a kind: an error and what went wrong go in; what a caller may do about it
// (retry, report, map to an exit code or an HTTP status) comes out.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind says whose problem an error is, so that callers branch on it and not on texts.
type Kind int

// Kinds of errors. The zero value is Internal: an error that nobody classified is ours.
const (
	// Internal is a defect or an unforeseen state of Belay itself.
	Internal Kind = iota
	// Invalid is input that cannot work however often it is tried: a broken manifest, a bad field.
	Invalid
	// Denied is a refusal: RBAC, a project, an admission policy, wrong credentials.
	Denied
	// NotFound is a name that does not exist: a revision, a path, a kind, an object.
	NotFound
	// Conflict is a lost race or a claim by someone else.
	Conflict
	// Transient is expected to pass by itself: a timeout, a refused connection, an overloaded server.
	Transient
	// Unauthenticated is a caller whom nobody knows: to sign in may help.
	Unauthenticated
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "Invalid"
	case Denied:
		return "Denied"
	case NotFound:
		return "NotFound"
	case Conflict:
		return "Conflict"
	case Transient:
		return "Transient"
	case Unauthenticated:
		return "Unauthenticated"
	case Internal:
		return "Internal"
	}
	return "Internal"
}

type fault struct {
	kind Kind
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// New formats an error of kind k; %w wraps as with fmt.Errorf.
func New(k Kind, format string, args ...any) error {
	return &fault{kind: k, err: fmt.Errorf(format, args...)}
}

// As gives err the kind k and keeps its text; nil stays nil.
func As(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return &fault{kind: k, err: err}
}

// KindOf returns the outermost kind in err's chain. Deadlines are Transient; anything unmarked is Internal.
func KindOf(err error) Kind {
	var f *fault
	if errors.As(err, &f) {
		return f.kind
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Transient
	}
	return Internal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Retryable reports whether trying again without any change may help.
func Retryable(err error) bool {
	k := KindOf(err)
	return k == Transient || k == Conflict
}
