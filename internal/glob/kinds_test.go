package glob

import (
	"slices"
	"testing"
)

// TestKinds: a kind's own value counts before those of globs, longer globs before shorter ones, and the last of two under the same words.
func TestKinds(t *testing.T) {
	var k Kinds[string]
	if _, ok := k.Of("apps", "Deployment"); ok {
		t.Error("an empty one has a value")
	}
	for _, in := range [][3]string{
		{"*", "*", "any"}, {"*.example.com", "*", "old"}, {"*.example.com", "*", "domain"}, {"apps", "Deployment", "first"}, {"apps", "Deployment", "own"}, {"", "Pod", "core"},
	} {
		if err := k.Set(in[0], in[1], in[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Set("[", "A", "bad"); err == nil {
		t.Error("a glob that cannot be read is taken")
	}
	for _, tc := range [][3]string{
		{"apps", "Deployment", "own"}, {"apps", "StatefulSet", "any"}, {"shop.example.com", "Widget", "domain"}, {"", "Pod", "core"}, {"", "Secret", "any"},
	} {
		if got, ok := k.Of(tc[0], tc[1]); !ok || got != tc[2] {
			t.Errorf("%s/%s: %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
	if got := slices.Sorted(k.Values()); !slices.Equal(got, []string{"any", "core", "domain", "own"}) {
		t.Errorf("values: %v", got)
	}
}
