package app

import (
	"testing"

	"github.com/belaycd/belay/internal/fault"
)

func TestPprofRefusesOtherMachines(t *testing.T) {
	for _, addr := range []string{":6060", "0.0.0.0:6060", "192.0.2.1:6060", "[::]:6060", "example.com:6060", "6060"} {
		if err := servePprof(t.Context(), Config{PprofAddr: addr}); !fault.Is(err, fault.Invalid) {
			t.Errorf("servePprof on %s: %v, want a refusal", addr, err)
		}
	}
}
