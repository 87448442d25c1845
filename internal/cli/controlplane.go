package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/action"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/object"
)

// AppKey names an Application.
type AppKey = types.NamespacedName

// ControlPlane is what the verbs need of the control plane. There are two: Connection, over the Kubernetes API, and that of
// package remote, over the API server.
type ControlPlane interface {
	Applications
	Objects
	Projects
	Insights
	// Home is the namespace of the control plane, where unqualified applications are.
	Home() string
	// URL is the address of the user interface; empty when it is not known.
	URL(ctx context.Context) string
	// Planner opens what plans and renders.
	Planner(ctx context.Context) (Planner, error)
}

// Sentinels of a ControlPlane, which its errors wrap.
var (
	ErrNoApplication = errors.New("the application does not exist")
	ErrNoProject     = errors.New("the project does not exist")
	ErrExists        = errors.New("it exists already")
)

// Applications reads applications and acts on them. Objects that are read have every field that the other side has, also
// those that this program does not know.
type Applications interface {
	// Application reads one; ErrNoApplication when there is none.
	Application(ctx context.Context, key AppKey) (*unstructured.Unstructured, error)
	// ListApplications lists those of a namespace, or of all without one, in any order.
	ListApplications(ctx context.Context, namespace string, selector labels.Selector) ([]unstructured.Unstructured, error)
	// ApplicationNames lists names alone, perhaps not all of very many.
	ApplicationNames(ctx context.Context, namespace string) ([]AppKey, error)
	// WatchApplication calls see with every state of an application, first the present one, until see says done or fails. An
	// application that does not exist (any more) is nil. It survives short outages.
	WatchApplication(ctx context.Context, key AppKey, see func(*v1alpha1.Application) (done bool, err error)) error
	// CreateApplication creates one; ErrExists when there is one of that name.
	CreateApplication(ctx context.Context, app *unstructured.Unstructured, o CreateOptions) (*unstructured.Unstructured, error)
	// ChangeApplication reads an application, asks decide for a merge patch of specification, labels, annotations or finalizers,
	// and applies it; it begins again when somebody else was faster. A nil patch changes nothing.
	ChangeApplication(ctx context.Context, key AppKey, decide func(*v1alpha1.Application) (map[string]any, error)) (*v1alpha1.Application, error)
	// PatchApplication applies a JSON or merge patch as it is given.
	PatchApplication(ctx context.Context, key AppKey, kind types.PatchType, patch []byte) (*unstructured.Unstructured, error)
	// DeleteApplication deletes one, with its objects if cascade says so. One that is gone already is no error.
	DeleteApplication(ctx context.Context, key AppKey, cascade bool, propagation string) error
	// Refresh asks for a comparison and waits for it.
	Refresh(ctx context.Context, key AppKey, hard bool) error
	// Start starts the operation that decide makes of the application's present state, unless there is one.
	Start(ctx context.Context, key AppKey, decide func(*v1alpha1.Application) (Start, error), now time.Time) (*v1alpha1.Application, error)
	// Terminate ends the running operation.
	Terminate(ctx context.Context, key AppKey) error
}

// CreateOptions are of CreateApplication.
type CreateOptions struct {
	// Validate refuses what could not be reconciled, where the other side can tell.
	Validate bool
}

// Start is an operation to start.
type Start struct {
	Operation *v1alpha1.Operation
	// Deployment is the one of the history that the operation goes back to; nil for a sync.
	Deployment *v1alpha1.RevisionHistory
}

// Objects reads and changes the objects of an application in the cluster that they are in.
type Objects interface {
	// Tree lists what the objects of an application own, perhaps these objects themselves, and perhaps more than that. skipped
	// names kinds that could not be read.
	Tree(ctx context.Context, app *v1alpha1.Application) (owned []Owned, skipped []string, err error)
	// LiveObject reads an object as it is; an error of kind NotFound when it is not there.
	LiveObject(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error)
	// MaskedAnnotations names annotations of Secrets whose values must not be shown.
	MaskedAnnotations(ctx context.Context) ([]string, error)
	// PatchObject patches a live object.
	PatchObject(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, kind types.PatchType, patch []byte) error
	// DeleteObject deletes a live object; one that is gone already is no error.
	DeleteObject(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, force, orphan bool) error
	// ResourceActions lists what can be done to a live object besides.
	ResourceActions(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured) ([]action.Action, error)
	// RunAction does it, as the project of the application permits it.
	RunAction(ctx context.Context, app *v1alpha1.Application, live *unstructured.Unstructured, name string, params map[string]string) error
	// PodFinder finds the pods that the selected objects of an application are or own.
	PodFinder(app *v1alpha1.Application, selected []object.Ref) PodFinder
	// PodLog opens the log of a container. Its lines begin with their time, as the kubelet writes them.
	PodLog(ctx context.Context, app *v1alpha1.Application, pod object.Ref, o *corev1.PodLogOptions) (io.ReadCloser, error)
}

// PodFinder finds pods, again and again.
type PodFinder interface {
	// Pods are the present pods, by namespace and name.
	Pods(ctx context.Context) ([]corev1.Pod, error)
}

// Owned is an object in the tree of an application.
type Owned struct {
	Ref     object.Ref
	Version string
	UID     types.UID
	// Owners are the UIDs of its owners.
	Owners  []types.UID
	Created time.Time
	// Health and Message are empty for kinds without health.
	Health, Message string
}

// Projects reads projects and changes them.
type Projects interface {
	// Project reads one; ErrNoProject when there is none.
	Project(ctx context.Context, name string) (*unstructured.Unstructured, error)
	// ListProjects lists them by name.
	ListProjects(ctx context.Context) ([]v1alpha1.AppProject, error)
	// GlobalProjects are those that a project takes over from, in the order in which they count; one that does not exist is left out.
	GlobalProjects(ctx context.Context, p *v1alpha1.AppProject) ([]*v1alpha1.AppProject, error)
	// CreateProject creates one; ErrExists when there is one of that name.
	CreateProject(ctx context.Context, p *unstructured.Unstructured) (*unstructured.Unstructured, error)
	// DeleteProject deletes one.
	DeleteProject(ctx context.Context, name string) error
	// Replace writes what differs between two states of an application or a project, or creates it when before has no
	// resourceVersion. It is a conflict when somebody else was faster.
	Replace(ctx context.Context, before, after *unstructured.Unstructured) (changed bool, err error)
}

// Insights tell what would happen, why something is as it is, and what happened.
type Insights interface {
	// Review plans a sync, or going back to a deployment of the history.
	Review(ctx context.Context, app *v1alpha1.Application, o ReviewOptions) (*insight.Plan, error)
	// Why explains an application. left says what could not be read and is left out of the explanation.
	Why(ctx context.Context, app *v1alpha1.Application) (why *insight.Why, left []string, err error)
	// Activities reads a page of the record.
	Activities(ctx context.Context, q audit.Query) (*audit.Page, error)
}

// ReviewOptions say what is planned.
type ReviewOptions struct {
	PlanOptions
	// Deployment is the one to go back to; nil plans a sync.
	Deployment *v1alpha1.RevisionHistory
}

// getRaw reads an Application with every field. One that does not exist gives near names as a hint.
func getRaw(ctx context.Context, cp ControlPlane, key appKey) (*unstructured.Unstructured, error) {
	raw, err := cp.Application(ctx, key)
	if err != nil {
		return nil, explained(ctx, cp, key, err)
	}
	return raw, nil
}

// getApp reads an Application. One that does not exist gives near names as a hint.
func getApp(ctx context.Context, cp ControlPlane, key appKey) (*v1alpha1.Application, error) {
	raw, err := getRaw(ctx, cp, key)
	if err != nil {
		return nil, err
	}
	return typed(raw)
}

func typed(raw *unstructured.Unstructured) (*v1alpha1.Application, error) {
	app := &v1alpha1.Application{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, app); err != nil {
		return nil, fmt.Errorf("read application %s/%s: %w", raw.GetNamespace(), raw.GetName(), err)
	}
	return app, nil
}

// changeApp changes an Application. One that does not exist gives near names as a hint.
func changeApp(
	ctx context.Context, cp ControlPlane, key appKey, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	app, err := cp.ChangeApplication(ctx, key, decide)
	return app, explained(ctx, cp, key, err)
}

// explained makes of an error about an Application that does not exist one with a hint; others stay.
func explained(ctx context.Context, cp ControlPlane, key appKey, err error) error {
	if !errors.Is(err, ErrNoApplication) {
		return err
	}
	return appNotFound(ctx, cp, key)
}

// appNotFound is the failure for an Application that does not exist, with the names that were perhaps meant.
func appNotFound(ctx context.Context, cp ControlPlane, key appKey) error {
	f := &Failure{Exit: ExitAPI, Code: "AppNotFound", Err: fmt.Errorf("application %s does not exist", key)}
	f.Hint = "see belay app list"
	// A second failure adds nothing: the first is the answer, and the hint stays general.
	list, err := cp.ApplicationNames(ctx, "")
	if err != nil {
		if list, err = cp.ApplicationNames(ctx, key.Namespace); err != nil {
			return f
		}
	}
	var here, elsewhere []string
	for _, item := range list {
		switch {
		case item.Namespace == key.Namespace:
			here = append(here, item.Name)
		case item.Name == key.Name:
			elsewhere = append(elsewhere, item.Namespace+"/"+item.Name)
		}
	}
	if names := append(nearest(key.Name, here), elsewhere...); len(names) > 0 {
		f.Hint = "did you mean " + strings.Join(names[:min(3, len(names))], " or ") + "?"
	}
	return f
}

// appURL is the page of the application in the user interface, when the settings say where that is.
func appURL(ctx context.Context, cp ControlPlane, app *v1alpha1.Application) string {
	url := cp.URL(ctx)
	if url == "" {
		return ""
	}
	return strings.TrimRight(url, "/") + "/applications/" + qualified(app)
}
