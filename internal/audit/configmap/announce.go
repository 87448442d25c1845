package configmap

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
)

// announce tells of what was recorded by events of Kubernetes, at the Applications that it happened to. Who appended an activity
// to the record tells of it, so that it is told once; an event that cannot be written is not tried again.
func (s *Store) announce(ctx context.Context, recorded []audit.Activity) {
	for i := range recorded {
		a := &recorded[i]
		told, ok := audit.EventOf(a)
		if !ok {
			continue
		}
		app := &metav1.PartialObjectMetadata{}
		app.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
		if err := s.Reader.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: a.Application}, app); err != nil {
			continue // it is gone, and there is nothing to tell at
		}
		err := s.Client.Create(ctx, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: eventName(a), Namespace: a.Namespace},
			InvolvedObject: corev1.ObjectReference{APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.ApplicationKind,
				Namespace: a.Namespace, Name: a.Application, UID: app.UID, ResourceVersion: app.ResourceVersion},
			Source: corev1.EventSource{Component: "belay"}, Type: corev1.EventTypeNormal, Reason: told.Reason, Message: short(told.Message),
			FirstTimestamp: a.Time, LastTimestamp: a.Time, Count: 1,
		})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			s.Log.Debug("write event", "application", a.Namespace+"/"+a.Application, "error", err.Error())
		}
	}
}

// eventName is the same for the same activity. Names of events end with a part that tells them apart.
func eventName(a *audit.Activity) string {
	const most = 253 - 25
	name := a.Application
	if len(name) > most {
		name = name[:most]
	}
	return name + "." + a.ID
}

// short cuts a message to what an event may hold.
func short(message string) string {
	const most = 1000
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "")
	}
	return message
}
