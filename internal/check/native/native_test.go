package native

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestArchives(t *testing.T) {
	checktest.Run(t, "testdata/*.txtar", New())
}
