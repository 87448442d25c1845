package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// api is a thin client of an API server. It decodes no more of an answer than its caller asks for, so that the
// measuring process takes little of the machine that it measures.
type api struct {
	base string
	http *http.Client
}

const (
	mergePatch = "application/merge-patch+json"
	applyPatch = "application/apply-patch+yaml"
	plainJSON  = "application/json"
)

func newAPI(kubeconfig string) (*api, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig: %w", err)
	}
	cfg.UserAgent = "belay-bench"
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", cfg.Host, err)
	}
	return &api{base: strings.TrimSuffix(cfg.Host, "/"), http: client}, nil
}

// statusError is an answer of the API server that is no success.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.code, e.text) }

// request is one call; a nil into drops the answer.
type request struct {
	method, path, contentType string
	body                      []byte
	into                      any
}

func (a *api) do(ctx context.Context, r request) error {
	resp, err := a.open(ctx, r)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	defer resp.Body.Close()
	if r.into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(r.into)
	}
	if err != nil {
		return fmt.Errorf("%s %s: read answer: %w", r.method, r.path, err)
	}
	return nil
}

// open sends a request and returns the answer with its body unread.
func (a *api) open(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, a.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Accept", plainJSON)
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 2000))
		if err != nil {
			return nil, err
		}
		return nil, &statusError{resp.StatusCode, string(text)}
	}
	return resp, nil
}

// apply is a server-side apply of a JSON object.
func (a *api) apply(ctx context.Context, path string, object []byte) error {
	return a.do(ctx, request{
		method: http.MethodPatch, path: path + "?fieldManager=belay-bench&force=true", contentType: applyPatch, body: object,
	})
}

func (a *api) patch(ctx context.Context, path string, patch string) error {
	return a.do(ctx, request{
		method: http.MethodPatch, path: path + "?fieldManager=belay-bench-hand", contentType: mergePatch, body: []byte(patch),
	})
}
