package server

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
)

// Record records what the caller did: every method that changes something calls it once, whether it succeeded or not. Kind and
// Text must be set; who, when, from where and the outcome are filled in. app is what it was done to, or nil.
//
//	s.Record(ctx, app, err, Activity{Kind: audit.KindDelete, Text: "deleted ConfigMap web/settings"})
func (s *Server) Record(ctx context.Context, app *v1alpha1.Application, err error, a Activity) {
	if s.Recorder == nil {
		return
	}
	if c, ok := CallerOf(ctx); ok {
		a.Actor, a.Address = c.Name, c.Address
		if c.Anonymous && a.Actor == "" {
			a.Actor = "anonymous"
		}
	}
	a.Time = metav1.NewTime(s.Now())
	if app != nil {
		a.Application, a.Namespace, a.Project = app.Name, app.Namespace, app.Spec.ProjectName()
	}
	if a.Outcome == "" {
		a.Outcome = outcomeOf(err)
	}
	if err != nil {
		a.Text += ": " + mask.Text(err.Error())
	}
	s.Recorder.Record(ctx, a)
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return audit.Success
	case fault.Is(err, fault.Denied), fault.Is(err, fault.Unauthenticated):
		return audit.Denied
	}
	return audit.Failure
}

// RecordLogin records that somebody signed in with a password, or tried to. The name is the one that was given; the address is
// that of ctx.
func (s *Server) RecordLogin(ctx context.Context, name string, err error) {
	a := Activity{Kind: audit.KindLogin, Text: "signed in"}
	if err != nil {
		a = Activity{Kind: audit.KindLoginFailed, Text: "could not sign in", Outcome: audit.Denied}
	}
	s.Record(WithCaller(ctx, Caller{Name: name, Address: addressOf(ctx)}), nil, nil, a)
}

// RecordSingleSignOn records a sign-in at the identity provider, or why there was none: then nobody knows the name.
func (s *Server) RecordSingleSignOn(ctx context.Context, name string, err error) {
	a := Activity{Kind: audit.KindLogin, Text: "signed in at the identity provider"}
	if err != nil {
		a = Activity{Kind: audit.KindLoginFailed, Text: "could not sign in at the identity provider"}
	}
	s.Record(WithCaller(ctx, Caller{Name: name, Address: addressOf(ctx)}), nil, err, a)
}

// recordDenied records that the caller tried what is not permitted. Reading is left out: who may see little would fill the
// record by looking around.
func (s *Server) recordDenied(ctx context.Context, resource, action, object string) {
	if action == "get" {
		return
	}
	s.Record(ctx, nil, nil, Activity{Kind: audit.KindDenied, Outcome: audit.Denied, Text: "was denied: " + resource + ", " + action + ", " + object})
}
