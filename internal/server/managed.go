package server

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// ManagedResourcesResponse are the objects of an application as they are and as they are wanted.
type ManagedResourcesResponse struct {
	Items []ResourceDiff `json:"items"`
}

// ResourceDiff is an object as it is and as it is wanted. States are JSON without secret values; empty where there is none.
type ResourceDiff struct {
	Group               string `json:"group,omitempty"`
	Kind                string `json:"kind,omitempty"`
	Namespace           string `json:"namespace,omitempty"`
	Name                string `json:"name,omitempty"`
	TargetState         string `json:"targetState,omitempty"`
	LiveState           string `json:"liveState,omitempty"`
	Hook                bool   `json:"hook,omitempty"`
	NormalizedLiveState string `json:"normalizedLiveState,omitempty"`
	PredictedLiveState  string `json:"predictedLiveState,omitempty"`
	ResourceVersion     string `json:"resourceVersion,omitempty"`
	Modified            bool   `json:"modified,omitempty"`
}

// ManagedResources returns what the application has and wants, by the comparison that its sync would start from.
func (s *Server) ManagedResources(ctx context.Context, q *ResourcesQuery) (*ManagedResourcesResponse, error) {
	app, err := s.namedApplication(ctx, q.application(), "get")
	if err != nil {
		return nil, err
	}
	preview, err := s.Engine.Preview(ctx, app, nil, false)
	if err != nil {
		return nil, err
	}
	out := &ManagedResourcesResponse{Items: []ResourceDiff{}}
	for _, item := range preview.Plan.Items {
		if !q.matches(item.Ref) {
			continue
		}
		d, err := s.resourceDiff(item)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, d)
	}
	for _, hook := range preview.Targets.Hooks {
		ref := object.RefOf(hook)
		if !q.matches(ref) {
			continue
		}
		target, err := s.manifest(hook)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, ResourceDiff{Group: ref.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name, TargetState: target, Hook: true})
	}
	return out, nil
}

func (s *Server) resourceDiff(item *diff.Item) (ResourceDiff, error) {
	d := ResourceDiff{Group: item.Ref.Group, Kind: item.Ref.Kind, Namespace: item.Ref.Namespace, Name: item.Ref.Name, Modified: item.Action != diff.None}
	live := liveObject(item)
	if live != nil {
		d.ResourceVersion = live.GetResourceVersion()
	}
	var err error
	if d.LiveState, d.TargetState, err = s.manifests(live, item.Desired); err != nil {
		return d, err
	}
	d.NormalizedLiveState = d.LiveState
	// The prediction has to be masked beside the live state, or equal values would look different.
	_, d.PredictedLiveState, err = s.manifests(live, predicted(item))
	return d, err
}

func liveObject(item *diff.Item) *unstructured.Unstructured {
	if item.Live == nil {
		return nil
	}
	return item.Live.Object
}

// predicted is the object as it would be after a sync; nil when it would be gone.
func predicted(item *diff.Item) *unstructured.Unstructured {
	switch {
	case item.Predicted != nil:
		return item.Predicted
	case item.Action == diff.Create, item.Action == diff.Update:
		return item.Desired
	case item.Action == diff.None:
		return liveObject(item)
	}
	return nil
}
