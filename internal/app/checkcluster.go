package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
)

// IDs of the rules that ask a cluster.
const (
	refused = "server-refused"
	unasked = "server-unasked"
)

// clusterChecker implements check.Checker: it asks the API server of a cluster to apply every object in a dry run. It is the only
// checker that looks outside, and runs only when it is asked for by name.
type clusterChecker struct{ config *rest.Config }

// Rules implements check.Checker.
func (clusterChecker) Rules() []check.Rule {
	return []check.Rule{
		{
			ID: refused, Title: "object that the cluster refuses", Severity: check.Error,
			Why: "The API server of the cluster, with its own version, definitions, admission webhooks, policies and quotas, would refuse the object: the sync of the application fails.",
			Fix: "Do what the message says. It is the cluster's own.",
		},
		{
			ID: unasked, Title: "object that the cluster could not be asked about", Severity: check.Note,
			Why: "What the dry run needs is not in the cluster yet, or the application is for another cluster, so that nothing is known of the object.",
			Fix: "Ask the cluster that the application is for, or again once the namespace or the definition is there.",
		},
	}
}

// Check implements check.Checker.
func (c clusterChecker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	if c.config == nil {
		return nil
	}
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(c.config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	if _, err := found.ServerVersion(); err != nil {
		return fmt.Errorf("ask the cluster %s: %w", c.config.Host, err)
	}
	defined := map[schema.GroupKind]bool{}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			if gk, _, ok := diff.DefinedKind(o.Unstructured); ok {
				defined[gk] = true
			}
		}
	}
	q := &question{defined: defined, client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found)), host: c.config.Host, report: report}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			if err := ctx.Err(); err != nil {
				return err
			}
			if diff.IsHook(o.Unstructured) {
				continue // it is deleted before it is made
			}
			q.ask(ctx, o)
		}
	}
	return nil
}

// question is one dry run of a repository.
type question struct {
	// defined are the kinds that the repository itself brings.
	defined map[schema.GroupKind]bool
	client  dynamic.Interface
	mapper  meta.RESTMapper
	host    string
	report  func(check.Finding)
}

func (q *question) ask(ctx context.Context, o *check.Object) {
	switch o.Unit.Cluster {
	case "", "in-cluster", "https://kubernetes.default.svc", strings.TrimSuffix(q.host, "/"):
	default:
		q.tell(o, unasked, fmt.Sprintf("not asked: the application is for the cluster %s", o.Unit.Cluster))
		return
	}
	gvk := o.GroupVersionKind()
	mapping, err := q.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		rule := refused
		if q.defined[gvk.GroupKind()] {
			rule = unasked
		}
		q.tell(o, rule, fmt.Sprintf("the cluster serves no %s %s", gvk.GroupVersion(), gvk.Kind))
		return
	}
	data, err := json.Marshal(o.Object)
	if err != nil {
		q.tell(o, refused, err.Error())
		return
	}
	resource := dynamic.ResourceInterface(q.client.Resource(mapping.Resource))
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		namespace := o.GetNamespace()
		if namespace == "" {
			namespace = metav1.NamespaceDefault
		}
		resource = q.client.Resource(mapping.Resource).Namespace(namespace)
	}
	force := true
	_, err = resource.Patch(ctx, o.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		DryRun: []string{metav1.DryRunAll}, Force: &force, FieldManager: v1alpha1.FieldManager, FieldValidation: metav1.FieldValidationStrict})
	if err == nil {
		return
	}
	if apierrors.IsNotFound(err) {
		q.tell(o, unasked, "not asked: "+err.Error())
		return
	}
	q.tell(o, refused, err.Error())
}

// tell reports what the cluster said. Its messages may hold values of a Secret, which are taken out.
func (q *question) tell(o *check.Object, rule, message string) {
	if o.GetKind() == "Secret" && rule == refused {
		message = "the cluster refuses the Secret; its message is not shown, as it may hold what is secret"
	}
	q.report(check.Finding{Rule: rule, Object: o, Message: mask.Text(message)})
}
