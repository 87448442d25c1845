package rest

import (
	"context"
	"net/http"
	"reflect"
)

// Route is one line of the table: a method and a path, and the procedure behind them.
type Route struct {
	Method, Path string
	// Name is the procedure's in Argo CD's API, such as ApplicationService_List; it is the operation's in OpenAPI.
	Name, Summary string
	// Public routes are served to callers whom nobody knows.
	Public bool
	// Stream says that the answer is a sequence.
	Stream bool

	// media is the type of an answer that is no JSON.
	media             string
	request, response reflect.Type
	serve             func(h *Handler, w http.ResponseWriter, r *http.Request) error
}

// public marks a route that needs no caller.
func (r Route) public() Route {
	r.Public = true
	return r
}

// call makes a route of a procedure with one answer.
func call[Q, A any](method, path, name, summary string, procedure func(context.Context, *Q) (A, error)) Route {
	return Route{
		Method: method, Path: path, Name: name, Summary: summary, request: reflect.TypeFor[Q](), response: reflect.TypeFor[A](),
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
			defer cancel()
			q := new(Q)
			if err := decode(r, q); err != nil {
				return err
			}
			answer, err := procedure(ctx, q)
			if err != nil {
				return err
			}
			return h.answer(w, r, answer)
		},
	}
}

// flow makes a route of a procedure with a sequence of answers.
func flow[Q, A any](path, name, summary string, procedure func(context.Context, *Q, func(A) error) error) Route {
	return Route{
		Method: http.MethodGet, Path: path, Name: name, Summary: summary, Stream: true,
		request: reflect.TypeFor[Q](), response: reflect.TypeFor[A](),
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) error {
			q := new(Q)
			if err := decode(r, q); err != nil {
				return err
			}
			return h.stream(w, r, func(ctx context.Context, s *sequence) error {
				return procedure(ctx, q, func(a A) error {
					// No element at all says that the caller was admitted: the answer begins.
					if v := reflect.ValueOf(a); v.Kind() == reflect.Pointer && v.IsNil() {
						return s.open()
					}
					return s.send(a)
				})
			})
		},
	}
}

// endpoint is the handler of a route.
func (h *Handler) endpoint(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := h.authenticate(r, route.Public)
		if err == nil {
			err = route.serve(h, w, r)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	})
}
