package sandbox_test

import (
	"context"
	"os"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

func TestPodBecomesReady(t *testing.T) {
	s := sandbox.Start(t)
	pods := s.Client().CoreV1().Pods(s.Namespace(t))
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "p"},
		Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "nginx:1.29"}}},
	}
	if _, err := pods.Create(t.Context(), pod, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		pod, err := pods.Get(ctx, "p", meta.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == core.PodReady && c.Status == core.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
