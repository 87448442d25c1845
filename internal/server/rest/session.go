package rest

import (
	"context"
	"net/http"
	"reflect"

	"github.com/belaycd/belay/internal/server"
)

func sessionRoutes(s *server.Server) []Route {
	return []Route{
		createSession(s).public(),
		deleteSession(s).public(),
		call("GET", "/api/v1/session/userinfo", "SessionService_GetUserInfo", "Who the caller is", s.GetUserInfo).public(),
	}
}

// createSession signs in. Browsers get the token as a cookie too, which scripts of a page cannot read.
func createSession(s *server.Server) Route {
	return Route{
		Method: http.MethodPost, Path: "/api/v1/session", Name: "SessionService_Create", Summary: "Sign in with name and password",
		request: reflect.TypeFor[server.SessionCreateRequest](), response: reflect.TypeFor[server.SessionResponse](),
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) error {
			ctx, cancel := context.WithTimeout(r.Context(), h.Timeout)
			defer cancel()
			q := new(server.SessionCreateRequest)
			if err := decode(r, q); err != nil {
				return err
			}
			token, err := s.CreateSession(ctx, q)
			if err != nil {
				return err
			}
			h.setCookie(w, r, token.Value, token.Expires)
			return h.answer(w, r, server.SessionResponse{Token: token.Value})
		},
	}
}

// deleteSession signs out; the cookie goes in any case.
func deleteSession(s *server.Server) Route {
	return Route{
		Method: http.MethodDelete, Path: "/api/v1/session", Name: "SessionService_Delete", Summary: "Sign out",
		request: reflect.TypeFor[server.SessionDeleteRequest](), response: reflect.TypeFor[server.Empty](),
		serve: func(h *Handler, w http.ResponseWriter, r *http.Request) error {
			h.setCookie(w, r, "", h.Server.Now())
			if err := s.DeleteSession(r.Context(), &server.SessionDeleteRequest{Token: tokenOf(r)}); err != nil {
				return err
			}
			return h.answer(w, r, server.Empty{})
		},
	}
}
