package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/belaycd/belay/api/v1alpha1"
)

// owned is the part of an Application that the controller writes.
type owned struct {
	Metadata  ownedMeta                  `json:"metadata"`
	Status    v1alpha1.ApplicationStatus `json:"status"`
	Operation *v1alpha1.Operation        `json:"operation,omitempty"`
}

type ownedMeta struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Finalizers  []string          `json:"finalizers,omitempty"`
}

func ownedPart(a *v1alpha1.Application) owned {
	return owned{
		Metadata:  ownedMeta{Annotations: a.Annotations, Finalizers: a.Finalizers},
		Status:    a.Status,
		Operation: a.Operation,
	}
}

func unchanged(before, after *v1alpha1.Application) bool {
	return only(before, after) && maps.Equal(before.Annotations, after.Annotations)
}

// only reports whether nothing but annotations changed.
func only(before, after *v1alpha1.Application) bool {
	return slices.Equal(before.Finalizers, after.Finalizers) &&
		equality.Semantic.DeepEqual(before.Operation, after.Operation) &&
		equality.Semantic.DeepEqual(before.Status, after.Status)
}

// mergePatch returns a JSON merge patch (RFC 7386) that brings the stored Application from before to after.
func mergePatch(before, after *v1alpha1.Application) ([]byte, error) {
	from, err := json.Marshal(ownedPart(before))
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	to, err := json.Marshal(ownedPart(after))
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	patch, err := jsonpatch.CreateMergePatch(from, to)
	if err != nil {
		return nil, fmt.Errorf("compute status patch: %w", err)
	}
	return patch, nil
}
