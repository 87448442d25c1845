package permission

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", Checker{}) }
