package pods

import (
	"fmt"
	"sort"
	"time"

	"github.com/belaycd/belay/internal/sandbox/pods/script"
)

// logLine is a line of a container's log.
type logLine struct {
	at   time.Time
	text string
}

// output is the log of one run of a container, as far as it has been written at the time of the question.
type output struct {
	lines []logLine
	// next is when there will be more; zero if that is not known. over says that the run has ended.
	next time.Time
	over bool
	// id tells runs apart.
	id string
}

// output draws the log of the container's present run, or of the one before.
func (c *container) output(m *machine, now time.Time, previous bool) (output, error) {
	switch {
	case previous && c.last == nil:
		return output{}, fmt.Errorf("previous terminated container %q in pod %q not found", c.spec.Name, m.pod.Name)
	case previous:
		return c.last.output(c.id(m, -1)), nil
	case c.state == waiting && c.last != nil:
		// Between two runs the log of the last one is still there.
		return c.last.output(c.id(m, -1)), nil
	case c.state == waiting:
		reason := c.reason
		if reason == "" {
			reason = reasonPodInit
		}
		return output{}, fmt.Errorf("container %q in pod %q is waiting to start: %s", c.spec.Name, m.pod.Name, reason)
	case c.state == ended:
		current := run{startedAt: c.startedAt, endedAt: c.endedAt, program: c.program}
		return current.output(c.id(m, 0)), nil
	}
	visible := linesUntil(c.program, now.Sub(c.startedAt))
	o := output{lines: stamp(visible, c.startedAt), id: c.id(m, 0)}
	if len(visible) < len(c.program.Lines) {
		o.next = c.startedAt.Add(c.program.Lines[len(visible)].At)
	}
	return o, nil
}

func (r *run) output(id string) output {
	return output{lines: stamp(linesUntil(r.program, r.endedAt.Sub(r.startedAt)), r.startedAt), over: true, id: id}
}

// linesUntil are the lines that a program has written after it ran for so long.
func linesUntil(p script.Result, elapsed time.Duration) []script.Line {
	n := sort.Search(len(p.Lines), func(i int) bool { return p.Lines[i].At > elapsed })
	return p.Lines[:n]
}

func stamp(lines []script.Line, start time.Time) []logLine {
	stamped := make([]logLine, len(lines))
	for i, line := range lines {
		stamped[i] = logLine{at: start.Add(line.At), text: line.Text}
	}
	return stamped
}
