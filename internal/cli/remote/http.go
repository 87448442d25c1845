package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
)

const (
	// maxAnswer bounds an answer: ten thousand large applications.
	maxAnswer = 1 << 30
	// maxProblem bounds the answer to a request that failed.
	maxProblem = 64 << 10
	// attempts is how often a reading request is made while the server is not there for a moment.
	attempts = 4
	// firstPause is the time before the second attempt; each further one takes twice as long.
	firstPause = 200 * time.Millisecond
)

// problem is the body of an answer that is an error, as Argo CD's gateway writes it.
type problem struct {
	Error   string `json:"error"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// get reads. It is tried again while the server is not there for a moment.
func (s *Server) get(ctx context.Context, path string, query url.Values, out any) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.wait(ctx, path, query, out)
}

// wait is get for answers that take a comparison or a render first: ctx alone bounds it.
func (s *Server) wait(ctx context.Context, path string, query url.Values, out any) error {
	return again(ctx, func() error { return s.once(ctx, http.MethodGet, path, query, nil, out) })
}

// send changes something. It is made once: whether a request that got no answer took effect is not known.
func (s *Server) send(ctx context.Context, method, path string, query url.Values, body, out any) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.once(ctx, method, path, query, body, out)
}

func (s *Server) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.opts.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.opts.Timeout)
}

// again repeats a reading request while its failure may pass.
func again(ctx context.Context, do func() error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt == attempts || !fault.Is(err, fault.Transient) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// once makes one request.
func (s *Server) once(ctx context.Context, method, path string, query url.Values, body, out any) error {
	resp, err := s.open(ctx, method, path, query, body, "application/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return s.unreachable(ctx, err)
	case len(data) > maxAnswer:
		return fault.New(fault.Internal, "the answer of %s is larger than %d bytes", s.base.Host, maxAnswer)
	case out == nil:
		return nil
	}
	decode := json.Unmarshal
	if _, object := out.(*map[string]any); object {
		decode = utiljson.Unmarshal // whole numbers stay whole
	}
	if err := decode(data, out); err != nil {
		return fault.New(fault.Internal, "the answer of %s to %s %s cannot be read: %w", s.base.Host, method, path, err)
	}
	return nil
}

// open makes a request and returns its answer, if that is no error.
func (s *Server) open(ctx context.Context, method, path string, query url.Values, body any, accept string) (*http.Response, error) {
	target := s.base.JoinPath(path)
	target.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, fault.As(fault.Invalid, fmt.Errorf("make request: %w", err))
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", s.opts.UserAgent)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreachable(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		if kind := mediaType(resp); kind != "application/json" && kind != "text/event-stream" {
			resp.Body.Close()
			return nil, s.noServer(fmt.Sprintf("answers with %s where JSON is expected", kind))
		}
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, s.refused(resp)
}

func mediaType(resp *http.Response) string {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return "something unnamed"
	}
	return kind
}

// noServer is the failure for an address behind which there is something else.
func (s *Server) noServer(what string) error {
	return &cli.Failure{Exit: cli.ExitAPI, Code: "NoServer", Err: fault.New(fault.NotFound, "%s %s", s.base.Host, what),
		Hint: "is it the address of an API server? A proxy may put a path in front of it: --grpc-web-root-path"}
}

// unreachable is the failure of a request without an answer.
func (s *Server) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer from %s: %w", s.base.Host, ctx.Err())
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // the address is named already, and its query is nobody's business
	}
	hint := "check the address, and that it can be reached from here"
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		hint = "the server does not speak TLS: add --plaintext"
	}
	return &cli.Failure{Exit: cli.ExitAPI, Code: "Unreachable", Err: fault.New(fault.Transient, "cannot reach %s: %w", s.base.Host, err), Hint: hint}
}

// refused makes of an answer that is an error a failure of its kind.
func (s *Server) refused(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var p problem
	if err != nil || mediaType(resp) != "application/json" || json.Unmarshal(data, &p) != nil || p.Error == "" && p.Message == "" {
		p = problem{}
	}
	return s.failure(resp.StatusCode, p)
}

// failure is the one table from answers of the server to kinds, codes and hints.
func (s *Server) failure(status int, p problem) error {
	text := p.Message
	if text == "" {
		text = p.Error
	}
	gateway := text == "" // it was not the API that answered
	if gateway {
		text = fmt.Sprintf("%s answers %d %s", s.base.Host, status, http.StatusText(status))
	}
	f := &cli.Failure{Exit: cli.ExitAPI, Hint: p.Hint}
	kind := fault.Internal
	hint := ""
	switch {
	case status == http.StatusUnauthorized || p.Code == 16:
		kind, f.Code, hint = fault.Unauthenticated, "Unauthorized", "sign in: belay relogin, or belay login "+s.opts.Address
	case status == http.StatusForbidden || p.Code == 7:
		kind, f.Code, hint = fault.Denied, "Forbidden", "ask for a role that allows this"
	case status == http.StatusNotFound && gateway:
		return s.noServer("answers 404 Not Found")
	case status == http.StatusNotFound || p.Code == 5:
		kind, f.Code = fault.NotFound, "NotFound"
	case status == http.StatusConflict || p.Code == 10:
		kind, f.Code, hint = fault.Conflict, "Conflict", "somebody else changed the object at the same time: try again"
	case p.Code == 9:
		kind, f.Code = fault.Conflict, "Refused"
	case status == http.StatusTooManyRequests:
		kind, f.Code, hint = fault.Transient, "TooManyRequests", "wait a little and try again"
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || p.Code == 14:
		kind, f.Code = fault.Transient, "Unavailable"
	case status/100 == 4 || p.Code == 3:
		kind, f.Code = fault.Invalid, "Invalid"
	default:
		f.Code = "ServerError"
	}
	if f.Hint == "" {
		f.Hint = hint
	}
	f.Err = fault.As(kind, errors.New(mask.Text(text)))
	return f
}
