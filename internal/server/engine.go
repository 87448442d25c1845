package server

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// Engine renders, compares and reads clusters, as the controller does. It writes nothing by itself.
// Objects come out as they are, Secrets unmasked: every method of Server masks what it answers.
type Engine interface {
	// Preview compares an application with its destination as a sync would. Revisions replace the target revisions, one per
	// source; an empty one keeps the source's own. fresh asks the remotes again.
	Preview(ctx context.Context, app *v1alpha1.Application, revisions []string, fresh bool) (*Preview, error)
	// Tree returns the application's objects and all that these own, from the watch cache.
	Tree(ctx context.Context, app *v1alpha1.Application) ([]Node, error)
	// Live reads one object from the destination. It is the caller of this method who checks that the object belongs to the
	// application (that it is in Tree).
	Live(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error)
	// Destination gives clients of the destination cluster, for events, logs, patches and deletions.
	Destination(ctx context.Context, app *v1alpha1.Application) (Destination, error)
	// Commit says what a revision of a Git source is: author, date, message.
	Commit(ctx context.Context, source v1alpha1.ApplicationSource, project, revision string) (RevisionMetadata, error)
	// MaskedAnnotations names annotations of Secrets whose values must not be shown.
	MaskedAnnotations() []string
}

// Preview is what a sync would do.
type Preview struct {
	Revisions  []string
	Plan       *diff.Plan
	Targets    diff.Targets
	Conditions []v1alpha1.ApplicationCondition
}

// Destination is the cluster of an application, for what no watch cache has.
type Destination struct {
	Server, Name string
	// User is in whose name Client and Pods act; "" for Belay itself.
	User string
	// Client reads and writes objects of any kind.
	Client client.WithWatch
	// Pods reads logs.
	Pods corev1client.PodsGetter
}

// Node is an object of an application, or one that such an object owns.
type Node struct {
	Ref     object.Ref
	Version string
	UID     string
	// Parents are the UIDs of the owners that are in the tree; none for a managed object.
	Parents []string
	Created time.Time
	// Object is what the watch cache has of it: metadata alone, unless the kind is managed.
	Object *unstructured.Unstructured
	Health v1alpha1.HealthStatus
	// Orphaned says that no application owns the object.
	Orphaned bool
}
