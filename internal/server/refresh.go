package server

import (
	"cmp"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
)

// refresh asks the controller for a comparison by the annotation and waits until the controller has taken it away.
func (s *Server) refresh(ctx context.Context, a Named, level string) (*v1alpha1.Application, error) {
	if level != v1alpha1.RefreshNormal && level != v1alpha1.RefreshHard {
		level = v1alpha1.RefreshNormal // as Argo CD takes any other word
	}
	app, err := s.changeRecorded(ctx, a, "get", Activity{Kind: audit.KindRefresh, Text: "asked for a comparison"}, func(app *v1alpha1.Application) (map[string]any, error) {
		return map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationRefresh: level}}}, nil
	})
	if err != nil {
		return nil, err
	}
	namespace := cmp.Or(a.AppNamespace, s.Namespace)
	w, err := s.Client.Watch(ctx, &v1alpha1.ApplicationList{}, client.InNamespace(namespace), client.MatchingFields{"metadata.name": a.Name},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: app.ResourceVersion}})
	if err != nil {
		return nil, kubeFault(err, "watch application %s", a.Name)
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		now, ok := event.Object.(*v1alpha1.Application)
		switch {
		case event.Type == watch.Deleted:
			return nil, fault.New(fault.NotFound, "application %s was deleted meanwhile", a.Name)
		case ok && now.Name == a.Name && now.Annotations[v1alpha1.AnnotationRefresh] == "":
			return now, nil
		}
	}
	return nil, fault.New(fault.Transient, "application %s: no controller has made the comparison yet; is one running for namespace %s?", a.Name, s.Namespace)
}
