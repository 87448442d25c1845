package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// ResourceActionsListResponse are the actions that an object has.
type ResourceActionsListResponse struct {
	Actions []ResourceAction `json:"actions"`
}

// ResourceAction is something that can be done to an object.
type ResourceAction struct {
	Name        string                `json:"name"`
	Params      []ResourceActionParam `json:"params,omitempty"`
	Disabled    bool                  `json:"disabled,omitempty"`
	DisplayName string                `json:"displayName,omitempty"`
}

// ResourceActionParam is a parameter of an action.
type ResourceActionParam struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// ResourceActionParameters is ResourceActionParam as it is given.
type ResourceActionParameters = ResourceActionParam

// ResourceActionRunRequestV2 is of Application.RunResourceActionV2.
type ResourceActionRunRequestV2 struct {
	Named                    `json:",inline"`
	Namespace                string                     `json:"namespace,omitempty"`
	ResourceName             string                     `json:"resourceName,omitempty"`
	Version                  string                     `json:"version,omitempty"`
	Group                    string                     `json:"group,omitempty"`
	Kind                     string                     `json:"kind,omitempty"`
	Action                   string                     `json:"action,omitempty"`
	ResourceActionParameters []ResourceActionParameters `json:"resourceActionParameters,omitempty"`
}

// action is something that is done to an object: by a merge patch, or by an object that is made.
type action struct {
	params   []ResourceActionParam
	disabled bool
	patch    func(params map[string]string, now time.Time) (map[string]any, error)
	create   func(now time.Time) *unstructured.Unstructured
}

// ListResourceActions says what can be done to an object.
func (s *Server) ListResourceActions(ctx context.Context, q *ApplicationResourceRequest) (*ResourceActionsListResponse, error) {
	_, u, err := s.resource(ctx, q, "get")
	if err != nil {
		return nil, err
	}
	found := actionsOf(u)
	out := &ResourceActionsListResponse{Actions: []ResourceAction{}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out.Actions = append(out.Actions, ResourceAction{Name: name, Params: found[name].params, Disabled: found[name].disabled})
	}
	return out, nil
}

// RunResourceAction does it. The right is action/<group>/<kind>/<name of the action>.
func (s *Server) RunResourceAction(ctx context.Context, q *ResourceActionRunRequestV2) (*ApplicationResponse, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	if err := s.require(ctx, "applications", fmt.Sprintf("action/%s/%s/%s", q.Group, q.Kind, q.Action), s.rbacObject(app)); err != nil {
		return nil, err
	}
	_, u, err := s.resource(ctx, &ApplicationResourceRequest{Named: q.Named, Namespace: q.Namespace, ResourceName: q.ResourceName,
		Version: q.Version, Group: q.Group, Kind: q.Kind}, "get")
	if err != nil {
		return nil, err
	}
	chosen, ok := actionsOf(u)[q.Action]
	if !ok || chosen.disabled {
		return nil, fault.New(fault.NotFound, "%s has no action %q now", object.RefOf(u), q.Action)
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return nil, err
	}
	err = s.act(ctx, dest, u, chosen, q)
	s.Record(ctx, app, err, Activity{Kind: audit.KindAction, Text: "ran " + q.Action + " of " + object.RefOf(u).String()})
	if err != nil {
		return nil, err
	}
	return &ApplicationResponse{}, nil
}

func (s *Server) act(ctx context.Context, to Destination, u *unstructured.Unstructured, chosen action, q *ResourceActionRunRequestV2) error {
	if chosen.create != nil {
		made := chosen.create(s.Now())
		return to.fault(to.Client.Create(ctx, made, client.FieldOwner("belay-server")), "create", object.RefOf(made))
	}
	params := map[string]string{}
	for _, p := range q.ResourceActionParameters {
		params[p.Name] = p.Value
	}
	patch, err := chosen.patch(params, s.Now())
	if err != nil {
		return err
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode patch of %s: %w", object.RefOf(u), err)
	}
	return to.fault(to.Client.Patch(ctx, u, client.RawPatch(types.MergePatchType, text), client.FieldOwner("belay-server")), q.Action, object.RefOf(u))
}

// ResourceActionRunRequest is of Application.RunResourceAction, which has no parameters: the body is the action.
type ResourceActionRunRequest struct {
	ApplicationResourceRequest `json:",inline"`
	Action                     string `json:"action,omitempty" body:"*"`
}

// RunResourceActionV1 is the older form of RunResourceAction.
func (s *Server) RunResourceActionV1(ctx context.Context, q *ResourceActionRunRequest) (*ApplicationResponse, error) {
	return s.RunResourceAction(ctx, &ResourceActionRunRequestV2{Named: q.Named, Namespace: q.Namespace, ResourceName: q.ResourceName,
		Version: q.Version, Group: q.Group, Kind: q.Kind, Action: q.Action})
}

// actionsOf are the actions of the built-in kinds, under Argo CD's names.
func actionsOf(u *unstructured.Unstructured) map[string]action {
	switch object.RefOf(u).GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		paused, _, _ := unstructured.NestedBool(u.Object, "spec", "paused")
		return map[string]action{
			"restart": {patch: restart, disabled: paused}, "scale": scaleOf(u),
			"pause":  {patch: setSpec("paused", true), disabled: paused},
			"resume": {patch: setSpec("paused", nil), disabled: !paused},
		}
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return map[string]action{"restart": {patch: restart}, "scale": scaleOf(u)}
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		return map[string]action{"restart": {patch: restart}}
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend")
		return map[string]action{
			"suspend":    {patch: setSpec("suspend", true), disabled: suspended},
			"resume":     {patch: setSpec("suspend", false), disabled: !suspended},
			"create-job": {create: func(now time.Time) *unstructured.Unstructured { return jobOf(u, now) }},
		}
	}
	return nil
}

// restart replaces the pods by the annotation that kubectl sets for it.
func restart(_ map[string]string, now time.Time) (map[string]any, error) {
	return map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{"kubectl.kubernetes.io/restartedAt": now.UTC().Format(time.RFC3339)},
	}}}}, nil
}

func setSpec(field string, value any) func(map[string]string, time.Time) (map[string]any, error) {
	return func(map[string]string, time.Time) (map[string]any, error) {
		return map[string]any{"spec": map[string]any{field: value}}, nil
	}
}

// scaleOf sets the number of replicas; the present one is what the parameter begins with.
func scaleOf(u *unstructured.Unstructured) action {
	now, found, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
	if !found {
		now = 1
	}
	return action{
		params: []ResourceActionParam{{Name: "replicas", Value: strconv.FormatInt(now, 10)}},
		patch: func(params map[string]string, _ time.Time) (map[string]any, error) {
			n, err := strconv.ParseInt(strings.TrimSpace(params["replicas"]), 10, 32)
			if err != nil || n < 0 {
				return nil, fault.New(fault.Invalid, "parameter replicas: a number from 0 on is needed")
			}
			return map[string]any{"spec": map[string]any{"replicas": n}}, nil
		},
	}
}

// jobOf is a Job of the template of a CronJob, owned by it as one of its own.
func jobOf(cron *unstructured.Unstructured, now time.Time) *unstructured.Unstructured {
	template, _, _ := unstructured.NestedMap(cron.Object, "spec", "jobTemplate")
	spec, _ := template["spec"].(map[string]any)
	meta, _ := template["metadata"].(map[string]any)
	suffix := "-" + strconv.FormatInt(now.UnixMilli(), 10)
	name := cron.GetName()
	if room := 63 - len(suffix); len(name) > room {
		name = name[:room]
	}
	job := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "spec": spec,
		"metadata": map[string]any{
			"name": name + suffix, "namespace": cron.GetNamespace(),
			"ownerReferences": []any{map[string]any{"apiVersion": "batch/v1", "kind": "CronJob", "name": cron.GetName(), "uid": string(cron.GetUID()), "controller": true}},
		},
	}}
	if labels, _, _ := unstructured.NestedStringMap(meta, "labels"); labels != nil {
		job.SetLabels(labels)
	}
	notes, _, _ := unstructured.NestedStringMap(meta, "annotations")
	if notes == nil {
		notes = map[string]string{}
	}
	notes["cronjob.kubernetes.io/instantiate"] = "manual"
	job.SetAnnotations(notes)
	return job
}
