package service

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Every example of the reference can be used, and every type has one.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference/notification-services.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		var data map[string]string
		if err := yaml.Unmarshal([]byte(block[1]), &data); err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		for key, value := range data {
			kind, name, _ := strings.Cut(strings.TrimPrefix(key, "service."), ".")
			if !strings.HasPrefix(key, "service.") {
				var template map[string]any
				if err := yaml.Unmarshal([]byte(value), &template); err != nil {
					t.Errorf("%s: %v", key, err)
				}
				continue
			}
			shown[kind] = true
			value = regexp.MustCompile(`\$\S+-url\b`).ReplaceAllString(value, "https://example.com/x")
			value = regexp.MustCompile(`\$[a-z-]+`).ReplaceAllString(value, "secret")
			if _, err := New(kind, name, []byte(value), env()); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	for _, kind := range Kinds() {
		if !shown[kind] || !strings.Contains(string(text), "\n## "+kind+"\n") {
			t.Errorf("%s has no section with an example", kind)
		}
	}
}
