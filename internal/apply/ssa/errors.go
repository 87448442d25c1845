package ssa

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// classify names the action and the object of a failed request and gives the error its kind; nil stays nil.
func classify(action string, ref object.Ref, err error) error {
	if err == nil {
		return nil
	}
	return fault.As(kindOf(err), fmt.Errorf("%s %s: %w", action, ref, err))
}

func kindOf(err error) fault.Kind {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		if k := fault.KindOf(err); k != fault.Internal {
			return k
		}
		// No answer from the server: refused, reset, timed out.
		return fault.Transient
	}
	switch {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err),
		apierrors.IsUnsupportedMediaType(err), apierrors.IsMethodNotSupported(err), apierrors.IsNotAcceptable(err):
		return fault.Invalid
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.Denied
	case apierrors.IsNotFound(err), apierrors.IsGone(err):
		return fault.NotFound
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.Conflict
	}
	// What the API server answers to an apply of an object that its schema cannot hold is a 500 with a text about
	// types: trying again cannot help, but neither can it be told apart from a sick server by its code.
	if status.Status().Code == 500 && isTyping(status.Status().Message) {
		return fault.Invalid
	}
	return fault.Transient
}

func isTyping(message string) bool {
	for _, prefix := range []string{"failed to create typed patch object", "failed to convert new object", "failed to prune fields"} {
		if len(message) >= len(prefix) && message[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

// refusesChange reports whether the server refused to change an existing object as wanted.
func refusesChange(err error) bool { return apierrors.IsInvalid(err) || apierrors.IsConflict(err) }
