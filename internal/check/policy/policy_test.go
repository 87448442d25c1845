package policy_test

import (
	"testing"

	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/policy"
)

func TestData(t *testing.T) { checktest.Run(t, "testdata/*.txtar", policy.New(admit.Server{})) }
