package pods

import (
	"strings"
	"time"

	core "k8s.io/api/core/v1"
)

// Annotation chooses a behaviour for all containers of a pod; with ".CONTAINER" behind it, for one of them. It may stand
// in the pod template, or be put on a running pod. An image tag that is, or ends with "-" and, a behaviour chooses it too.
const Annotation = "belay.dev/sandbox"

// A behaviour is a fault or a delay that a container pretends to have.
type behaviour string

const (
	crashLoop      behaviour = "crash-loop"
	imagePullError behaviour = "image-pull-error"
	slowStart      behaviour = "slow-start"
	outOfMemory    behaviour = "out-of-memory"
	neverReady     behaviour = "never-ready"
	slowStop       behaviour = "slow-stop"
)

const (
	defaultSlowStart = 10 * time.Second
	defaultSlowStop  = 10 * time.Second
)

// choice is a behaviour with its duration, if it takes one.
type choice struct {
	behaviour
	duration time.Duration
}

// choose finds the behaviour of a container; the zero choice is to behave well.
func choose(pod *core.Pod, c *core.Container) choice {
	if text, ok := pod.Annotations[Annotation+"."+c.Name]; ok {
		return parseChoice(text)
	}
	if text, ok := pod.Annotations[Annotation]; ok {
		return parseChoice(text)
	}
	return choiceOfImage(c.Image)
}

func parseChoice(text string) choice {
	name, argument, _ := strings.Cut(text, "=")
	c := choice{behaviour: behaviour(strings.TrimSpace(name))}
	switch c.behaviour {
	case slowStart:
		c.duration = defaultSlowStart
	case slowStop:
		c.duration = defaultSlowStop
	case crashLoop, imagePullError, outOfMemory, neverReady:
	default:
		return choice{}
	}
	if d, err := time.ParseDuration(strings.TrimSpace(argument)); err == nil {
		c.duration = d
	}
	return c
}

func choiceOfImage(image string) choice {
	image, _, _ = strings.Cut(image, "@")
	tag := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ = strings.Cut(tag, ":")
	for _, b := range []behaviour{crashLoop, imagePullError, slowStart, outOfMemory, neverReady, slowStop} {
		if tag == string(b) || strings.HasSuffix(tag, "-"+string(b)) {
			return parseChoice(string(b))
		}
	}
	// Names by which examples usually call an image that cannot be pulled.
	for _, word := range []string{"does-not-exist", "nonexistent", "no-such-tag"} {
		if strings.Contains(image, word) {
			return choice{behaviour: imagePullError}
		}
	}
	return choice{}
}
