package server

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// What is below is the one way by which an object gets into an answer.

// manifest writes an object as JSON without secret values; empty when there is none.
func (s *Server) manifest(u *unstructured.Unstructured) (string, error) {
	text, _, err := s.manifests(u, nil)
	return text, err
}

// manifests writes two states of an object as JSON without secret values: equal values look equal, others do not.
func (s *Server) manifests(a, b *unstructured.Unstructured) (first, second string, err error) {
	a, b = mask.Pair(a, b, s.Engine.MaskedAnnotations()...)
	if first, err = encode(a); err != nil {
		return "", "", err
	}
	second, err = encode(b)
	return first, second, err
}

func encode(u *unstructured.Unstructured) (string, error) {
	if u == nil {
		return "", nil
	}
	u.SetManagedFields(nil) // u is a copy
	data, err := json.Marshal(u.Object)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", object.RefOf(u), err)
	}
	return string(data), nil
}

// maskTexts masks manifests in JSON. One that is no object is hidden as a whole.
func (s *Server) maskTexts(manifests []string) []string {
	out := make([]string, len(manifests))
	for i, text := range manifests {
		out[i] = mask.Stars
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(text), &u.Object); err != nil || u.Object == nil {
			continue
		}
		if shown, err := s.manifest(u); err == nil {
			out[i] = shown
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
