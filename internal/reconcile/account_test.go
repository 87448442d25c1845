package reconcile

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// inNames is a destination whose writers note as whom they write.
type inNames struct{ place }

func (p inNames) Destination(ctx context.Context, d v1alpha1.ApplicationDestination) (*Destination, error) {
	out, err := p.place.Destination(ctx, d)
	out.As = func(user string) (apply.Writer, diff.Predictor, error) {
		return &scribe{user: user}, &scribe{user: user}, nil
	}
	return out, err
}

type scribe struct {
	apply.Writer
	user string
}

func (s *scribe) Predict(context.Context, *unstructured.Unstructured, bool) (*unstructured.Unstructured, error) {
	return nil, nil
}

func (s *scribe) Read(context.Context, *unstructured.Unstructured) (*object.Live, error) {
	return nil, nil
}

func withAccounts(accounts ...v1alpha1.ApplicationDestinationServiceAccount) *project.Project {
	return project.New(&v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.AppProjectSpec{
		SourceRepos: []string{"*"}, Destinations: []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "*"}}, DestinationServiceAccounts: accounts,
	}})
}

// TestDestinationInAName: with impersonation, nothing that writes or rehearses is Belay's own writer, whatever goes wrong.
func TestDestinationInAName(t *testing.T) {
	deployer := v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "shop", DefaultServiceAccount: "deployer"}
	other := v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "other", DefaultServiceAccount: "deployer"}
	broken := v1alpha1.ApplicationDestinationServiceAccount{Server: "*", Namespace: "*"}
	on, lax := settings.Impersonation{Enabled: true, Enforced: true}, settings.Impersonation{Enabled: true}
	for _, tc := range []struct {
		reason   string
		settings settings.Impersonation
		project  Permissions
		readOnly bool
		user     string // "" for Belay's own
		refused  string
	}{
		{reason: "off", project: withAccounts(deployer)},
		{reason: "off, without a project"},
		{reason: "on", settings: on, project: withAccounts(deployer), user: "system:serviceaccount:shop:deployer"},
		{reason: "nobody is named", settings: on, project: withAccounts(other), refused: "no entry of spec.destinationServiceAccounts"},
		{reason: "nobody is named, and need not be", settings: lax, project: withAccounts(other)},
		{reason: "somebody is named, and need not be", settings: lax, project: withAccounts(deployer), user: "system:serviceaccount:shop:deployer"},
		{reason: "an entry that cannot be used is no missing one", settings: lax, project: withAccounts(broken), refused: "names no service account"},
		{reason: "without a project", settings: lax, refused: "project default does not exist"},
		{reason: "where nothing can be written in other names", settings: on, project: withAccounts(deployer), readOnly: true, refused: "in the name of"},
	} {
		own := &eraser{}
		var destinations Destinations = inNames{place{writer: own}}
		if tc.readOnly {
			destinations = place{writer: own}
		}
		s := newRun(Request{App: shop(), Memory: NewMemory(""), Project: tc.project, Config: Config{Impersonation: tc.settings}}, time.Unix(0, 0))
		dest, err := (&Reconciler{Destinations: destinations}).destination(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", tc.reason, err)
		}
		switch w := dest.Writer.(type) {
		case *eraser:
			if tc.user != "" || tc.refused != "" {
				t.Errorf("%s: Belay writes in its own name", tc.reason)
			}
		case *scribe:
			if p := dest.Predictor.(*scribe); w.user != tc.user || p.user != tc.user {
				t.Errorf("%s: written as %q, rehearsed as %q, want %q", tc.reason, w.user, p.user, tc.user)
			}
		case refusing:
			_, applied := w.Apply(t.Context(), nil, apply.WriteOptions{})
			for _, err := range []error{applied, w.Delete(t.Context(), nil, "", false), w.Release(t.Context(), nil, "")} {
				// NotFound would say that the object is gone.
				if tc.refused == "" || err == nil || !strings.Contains(err.Error(), tc.refused) || fault.Is(err, fault.NotFound) {
					t.Errorf("%s: refused with %v (%v), want %q", tc.reason, err, fault.KindOf(err), tc.refused)
				}
			}
		}
	}
}

// TestNobodyToWriteAs: no automatic sync starts, one by hand ends with the reason, and a deletion deletes nothing.
func TestNobodyToWriteAs(t *testing.T) {
	w := &eraser{}
	old := mine("ConfigMap", "shop", "old")
	r := &Reconciler{Destinations: place{view: view{objects: []*object.Live{old}}, writer: w}, Now: func() time.Time { return time.Unix(0, 0) }}
	start := func(change ...func(*v1alpha1.Application)) *run {
		s := newRun(Request{App: shop(change...), Memory: NewMemory(""), Project: withAccounts(), Config: Config{
			ControllerNamespace: "argocd", Impersonation: settings.Impersonation{Enabled: true, Enforced: true},
			Excluded: func(string, string) bool { return false },
		}}, time.Unix(0, 0))
		return s
	}
	s := start(func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{}}
	})
	if err := r.permit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if len(s.found) != 1 || s.found[0].Type != v1alpha1.ConditionSyncError || !strings.Contains(s.found[0].Message, "no sync starts: ") {
		t.Errorf("conditions %v", s.found)
	}
	s.origin = s.origin.at([]source.Revision{"c1"})
	s.desired.origin = s.origin
	s.plan = &diff.Plan{Items: []*diff.Item{{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Create, Desired: mine("ConfigMap", "shop", "a").Object}}}
	if err := r.gate(t.Context(), s); err != nil || s.state != nil {
		t.Errorf("an automatic sync began: %v, %v", s.state, err)
	}
	s.app.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}
	if err := r.gate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.operate(t.Context(), s, "")
	if s.state.Phase != v1alpha1.OperationError || !strings.Contains(s.state.Message, "spec.destinationServiceAccounts of AppProject default") {
		t.Errorf("by hand: %s: %s", s.state.Phase, s.state.Message)
	}
	gone := metav1.Unix(0, 0)
	s = start(func(a *v1alpha1.Application) {
		a.DeletionTimestamp, a.Finalizers = &gone, []string{v1alpha1.FinalizerResources}
	})
	if res := r.remove(t.Context(), s); res.Err == nil || len(res.App.Finalizers) == 0 || len(w.deleted) > 0 {
		t.Errorf("deletion: %v, finalizers %v, deleted %v", res.Err, res.App.Finalizers, w.deleted)
	}
}
