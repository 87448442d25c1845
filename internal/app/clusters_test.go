package app

import (
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/settings"
)

// TestDestination: a cluster that is registered and not served yet is not one that does not exist, whose applications may go
// without their objects.
func TestDestination(t *testing.T) {
	env := newEnvironment(nil, Config{})
	env.current.Store(&state{clusters: []settings.Cluster{
		{Name: "here", Server: v1alpha1.InClusterServer}, {Name: "there", Server: "https://there.example.com"},
	}})
	c := newClusters(Config{}, env)
	c.local = &destination{}
	close(c.ready)
	for _, tc := range []struct {
		d    v1alpha1.ApplicationDestination
		want fault.Kind
		ok   bool
	}{
		{d: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer}, ok: true},
		{d: v1alpha1.ApplicationDestination{Name: v1alpha1.InClusterName}, ok: true},
		{d: v1alpha1.ApplicationDestination{Name: "here"}, ok: true},
		{d: v1alpha1.ApplicationDestination{Name: "there"}, want: fault.Invalid},
		{d: v1alpha1.ApplicationDestination{Server: "https://there.example.com/"}, want: fault.Invalid},
		{d: v1alpha1.ApplicationDestination{Server: "https://nowhere.example.com"}, want: fault.NotFound},
		{d: v1alpha1.ApplicationDestination{}, want: fault.NotFound},
	} {
		got, err := c.Destination(t.Context(), tc.d)
		if (err == nil) != tc.ok || (got != nil) != tc.ok || err != nil && !fault.Is(err, tc.want) {
			t.Errorf("%v: %v, %v", tc.d, got, err)
		}
	}
}
