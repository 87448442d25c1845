package remote

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/belaycd/belay/internal/fault"
)

// maxElement bounds an element of a stream; an application that is larger than this, Kubernetes does not keep.
const maxElement = 8 << 20

// errStreamEnded says that the server ended a stream without an error, which it and proxies do now and then.
var errStreamEnded = errors.New("stream ended")

// stream reads a sequence of answers and gives each to see, until see says done or fails, or the stream ends.
func (s *Server) stream(ctx context.Context, path string, query url.Values, see func(json.RawMessage) (done bool, err error)) (bool, error) {
	resp, err := s.open(ctx, http.MethodGet, path, query, nil, "text/event-stream")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	done, err := readStream(resp.Body, func(element []byte) (bool, error) {
		result, p, err := decodeElement(element)
		switch {
		case err != nil:
			return false, err
		case p != nil:
			return false, s.failure(0, *p)
		}
		return see(result)
	})
	if err != nil && ctx.Err() != nil {
		return done, ctx.Err()
	}
	return done, err
}

// decodeElement takes an element out of the wrapping of Argo CD's gateway.
func decodeElement(element []byte) (json.RawMessage, *problem, error) {
	var wrapped struct {
		Result json.RawMessage `json:"result"`
		Error  *problem        `json:"error"`
	}
	if err := json.Unmarshal(element, &wrapped); err != nil {
		return nil, nil, fault.New(fault.Internal, "an element of the stream cannot be read: %w", err)
	}
	return wrapped.Result, wrapped.Error, nil
}

// readStream parts server-sent events, or JSON values one a line, and gives each value to see. Comments, names and identifiers
// of events are passed over.
func readStream(in io.Reader, see func([]byte) (done bool, err error)) (bool, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxElement)
	var data []byte
	take := func() (bool, error) {
		if len(data) == 0 {
			return false, nil
		}
		defer func() { data = data[:0] }()
		return see(data)
	}
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case len(line) == 0:
			if done, err := take(); done || err != nil {
				return done, err
			}
		case line[0] == '{':
			if done, err := see(line); done || err != nil {
				return done, err
			}
		case bytes.HasPrefix(line, []byte("data:")):
			part := bytes.TrimPrefix(line[len("data:"):], []byte(" "))
			if len(data)+len(part) > maxElement {
				return false, fault.New(fault.Internal, "an element of the stream is larger than %d bytes", maxElement)
			}
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, part...)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return false, fault.New(fault.Internal, "an element of the stream is larger than %d bytes", maxElement)
		}
		return false, fault.New(fault.Transient, "the stream broke off: %w", err)
	}
	if done, err := take(); done || err != nil {
		return done, err
	}
	return false, errStreamEnded
}
