package gitops_test

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/check/gitops"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", gitops.New()) }
