package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/operation"
)

// errTooLarge is a body beyond the limit.
type errTooLarge struct{ limit int64 }

func (e errTooLarge) Error() string { return fmt.Sprintf("the body is larger than %d bytes", e.limit) }

// errMethod is a path that is there, but not for this method.
type errMethod struct {
	method  string
	allowed []string
}

func (e errMethod) Error() string {
	return fmt.Sprintf("method %s is not served here: %s", e.method, strings.Join(e.allowed, ", "))
}

// Problem is the body of an answer that is an error, as Argo CD's gateway writes it.
type Problem struct {
	// Error and Message are the same text.
	Error string `json:"error"`
	// Code is that of gRPC.
	Code    int    `json:"code"`
	Message string `json:"message"`
	// Hint says what to do next.
	Hint string `json:"hint,omitempty"`
}

// outcome is how an error is told over HTTP.
type outcome struct {
	status, code int
}

// outcomes is the one table from kinds of errors to the status of HTTP and the code of gRPC.
func outcomes() map[fault.Kind]outcome {
	return map[fault.Kind]outcome{
		fault.Invalid:         {http.StatusBadRequest, 3},
		fault.NotFound:        {http.StatusNotFound, 5},
		fault.Denied:          {http.StatusForbidden, 7},
		fault.Conflict:        {http.StatusConflict, 10},
		fault.Internal:        {http.StatusInternalServerError, 13},
		fault.Transient:       {http.StatusServiceUnavailable, 14},
		fault.Unauthenticated: {http.StatusUnauthorized, 16},
	}
}

// outcomeOf adds what is not told by kinds: a body that is too large, a caller who has left, and the state of an application
// in which an operation is not started, which Argo CD calls a failed precondition.
func outcomeOf(err error) outcome {
	var tooLarge errTooLarge
	var method errMethod
	var refusal *operation.Refusal
	switch {
	case errors.As(err, &method):
		return outcome{http.StatusMethodNotAllowed, 12}
	case errors.As(err, &tooLarge):
		return outcome{http.StatusRequestEntityTooLarge, 8}
	case errors.Is(err, context.Canceled):
		return outcome{499, 1}
	case errors.As(err, &refusal) && fault.Is(err, fault.Conflict):
		return outcome{http.StatusBadRequest, 9}
	}
	return outcomes()[fault.KindOf(err)]
}

// problem is what a caller is told. The text of an internal error is for the log alone.
func problem(err error, request string) (outcome, Problem) {
	o := outcomeOf(err)
	text := mask.Text(err.Error())
	if o.status == http.StatusInternalServerError {
		text = "internal error; the log of the server has it under request " + request
	}
	p := Problem{Error: text, Code: o.code, Message: text}
	var refusal *operation.Refusal
	if errors.As(err, &refusal) {
		p.Hint = refusal.Hint
	}
	return o, p
}

// fail answers with an error, unless the answer has begun.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := requestOf(r.Context()).id
	o, p := problem(err, id)
	if o.status >= http.StatusInternalServerError {
		h.Log.LogAttrs(r.Context(), levelOf(o.status), "request failed", slogError(err), slogRequest(id))
	}
	if began(w) {
		panic(http.ErrAbortHandler) // the caller must not take a part for the whole
	}
	data, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	if o.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if o.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(o.status)
	_, _ = w.Write(data) // the caller is gone
}
