package reconcile

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// destination finds the application's destination. With impersonation, what is written there, and every dry-run, goes in the name
// of the service account that the project names; what is read stays Belay's own. Where no account is named, s.nobody says so, and
// nothing can be written.
func (r *Reconciler) destination(ctx context.Context, s *run) (*Destination, error) {
	dest, err := r.Destinations.Destination(ctx, s.app.Spec.Destination)
	if err != nil || !s.Config.Impersonation.Enabled {
		return dest, err
	}
	out := *dest
	s.user, s.nobody = Account(s.Request, dest.Server)
	switch {
	case s.nobody != nil:
		out.Writer = refusing{s.nobody}
	case s.user == "":
	case dest.As == nil:
		out.Writer = refusing{fault.New(fault.Internal, "nothing is written in the name of %s here", s.user)}
	default:
		if out.Writer, out.Predictor, err = dest.As(s.user); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// Account returns the user as whom the application of a request is written to its destination at the address of server: "" for
// Belay itself. An error is of kind Invalid: only a change of the project or of the settings helps.
func Account(q Request, server string) (user string, err error) {
	if !q.Config.Impersonation.Enabled {
		return "", nil
	}
	spec := q.App.Spec
	if q.Project == nil {
		return "", fault.New(fault.Invalid, "project %s does not exist, so that it is not known as whom to write; create it or change spec.project", spec.ProjectName())
	}
	user, err = q.Project.ServiceAccount(server, spec.Destination.Namespace, q.App.Namespace)
	switch {
	case err == nil:
		return user, nil
	case fault.Is(err, fault.NotFound) && !q.Config.Impersonation.Enforced:
		return "", nil
	}
	// Of one kind, whatever is the matter: a writer that answers NotFound would say that an object is gone.
	return "", fault.New(fault.Invalid, "nothing is written without a service account to write as, since %s is true in ConfigMap %s: %w",
		settings.ImpersonationKey, settings.ConfigMapName, err)
}

// refusing writes nothing.
type refusing struct{ why error }

var _ apply.Writer = refusing{}

func (w refusing) Apply(context.Context, *unstructured.Unstructured, apply.WriteOptions) (*object.Live, error) {
	return nil, w.why
}

func (w refusing) Delete(context.Context, *object.Live, string, bool) error { return w.why }

func (w refusing) Release(context.Context, *object.Live, string) error { return w.why }

func (w refusing) AwaitKind(context.Context, schema.GroupKind, []string) error { return w.why }
