package ssa

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// classify names the action and the object of a failed request and gives the error its kind; nil stays nil.
func (w *Writer) classify(action string, ref object.Ref, err error) error {
	if err == nil {
		return nil
	}
	next := remedy(err)
	if w.user != "" && apierrors.IsForbidden(err) {
		next = apply.MissingRight(w.user, err.Error())
	}
	if ref.Group == "" && ref.Kind == "Secret" {
		return fault.New(kindOf(err), "%s %s: %s%s", action, ref, withoutValues(err), next)
	}
	return fault.As(kindOf(err), fmt.Errorf("%s %s: %w%s", action, ref, err, next))
}

// missingNamespace is how the API server says that an object's namespace does not exist.
var missingNamespace = regexp.MustCompile(`namespaces? "[^"]*" not found`)

// remedy tells what helps against refusals whose message does not say so.
func remedy(err error) string {
	switch {
	case apierrors.IsNotFound(err) && missingNamespace.MatchString(err.Error()):
		return "; create the namespace or, if it is the destination's, add CreateNamespace=true to spec.syncPolicy.syncOptions"
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "field is immutable"):
		return "; take the change back, or have the object deleted and created anew by its annotation " + v1alpha1.AnnotationSyncOptions + ": Force=true"
	}
	return ""
}

// harmless are the parts of a server's message that name fields and types, never values.
var harmless = regexp.MustCompile(`unknown field "[^"]*"|duplicate field "[^"]*"|\.[\w.\-\[\]]+: (?:expected \w+|field not declared in schema)|illegal base64 data at input byte \d+` +
	`|User "[^"]*" cannot [\w-]+ resource "[^"]*" in API group "[^"]*"(?: in the namespace "[^"]*")?` +
	`|field is immutable when .immutable. is set|namespaces? "[^"]*" not found|it is being terminated|already exists`)

// withoutValues tells what a server said about a Secret. Its own words may quote the values (a number where text belongs,
// a policy that prints what it refuses), so only the reason and what surely is no value are repeated.
func withoutValues(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error() // it never got to the server
	}
	st := status.Status()
	parts := harmless.FindAllString(st.Message, -1)
	if st.Details != nil {
		for _, c := range st.Details.Causes {
			if c.Field != "" {
				parts = append(parts, fmt.Sprintf("%s: %s", c.Field, c.Type))
			}
		}
	}
	slices.Sort(parts)
	text := fmt.Sprintf("the API server answered %s", strings.TrimSpace(fmt.Sprintf("%d %s", st.Code, st.Reason)))
	if parts = slices.Compact(parts); len(parts) > 0 {
		text += " (" + strings.Join(parts, "; ") + ")"
	}
	return text + "; its message is left out, since it may quote the Secret"
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

// refusesChange reports whether the server refused to change an existing object as wanted. A conflict is no such refusal: it
// is a lost race, or a quota's, and passes.
func refusesChange(err error) bool { return apierrors.IsInvalid(err) }
