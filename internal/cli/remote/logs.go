package remote

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// logLine is a line of a log in the server's stream.
type logLine struct {
	Content      string `json:"content"`
	TimeStampStr string `json:"timeStampStr"`
	Last         bool   `json:"last"`
}

// PodLog implements cli.Objects. The stream of the server is turned back into the lines of the kubelet.
func (s *Server) PodLog(ctx context.Context, app *v1alpha1.Application, pod object.Ref, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	path, query := appPath(keyOf(app), "/pods/"+url.PathEscape(pod.Name)+"/logs")
	query.Set("namespace", pod.Namespace)
	query.Set("container", o.Container)
	query.Set("follow", strconv.FormatBool(o.Follow))
	query.Set("previous", strconv.FormatBool(o.Previous))
	if o.TailLines != nil {
		query.Set("tailLines", strconv.FormatInt(*o.TailLines, 10))
	}
	if o.SinceSeconds != nil {
		query.Set("sinceSeconds", strconv.FormatInt(*o.SinceSeconds, 10))
	}
	resp, err := s.open(ctx, http.MethodGet, path, query, nil, "text/event-stream")
	if err != nil {
		return nil, err
	}
	out, in := io.Pipe()
	go func() {
		defer resp.Body.Close()
		in.CloseWithError(s.copyLog(in, resp.Body))
	}()
	return &logBody{out, resp.Body}, nil
}

// copyLog writes the lines of a stream. It returns io.EOF at the end of the log.
func (s *Server) copyLog(out io.Writer, in io.Reader) error {
	_, err := readStream(in, func(element []byte) (bool, error) {
		result, p, err := decodeElement(element)
		if err != nil {
			return false, err
		}
		if p != nil {
			return false, s.failure(0, *p)
		}
		var line logLine
		if err := json.Unmarshal(result, &line); err != nil {
			return false, fault.New(fault.Internal, "a line of the log cannot be read: %w", err)
		}
		if line.Last {
			return true, nil
		}
		text := line.Content + "\n"
		if line.TimeStampStr != "" {
			text = line.TimeStampStr + " " + text
		}
		_, err = io.WriteString(out, text)
		return false, err
	})
	if err == nil || errors.Is(err, errStreamEnded) {
		return io.EOF
	}
	return err
}

// logBody ends the request when the reader has read enough.
type logBody struct {
	*io.PipeReader
	body io.Closer
}

// Close implements io.Closer.
func (b *logBody) Close() error { return errors.Join(b.body.Close(), b.PipeReader.Close()) }
