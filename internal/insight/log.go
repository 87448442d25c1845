package insight

import (
	"bufio"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// longestLog bounds what is read of a log to find its last line, in bytes.
const longestLog = 64 << 10

// LastLines asks for so much of a container's log that LastLine can find its last line.
func LastLines(container string, previous bool) *corev1.PodLogOptions {
	tail, limit := int64(5), int64(longestLog)
	return &corev1.PodLogOptions{Container: container, Previous: previous, TailLines: &tail, LimitBytes: &limit}
}

// LastLine returns the last line of a log that says anything.
func LastLine(log io.Reader) (string, error) {
	var last string
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLog+1) // it may be one line
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			last = text
		}
	}
	return last, lines.Err()
}
