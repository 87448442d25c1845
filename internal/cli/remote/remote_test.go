package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

const token = "canary-token"

// serve returns a client of a server that answers as given, for what no real server does when it is asked to.
func serve(t *testing.T, handler http.HandlerFunc) *Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1/settings" {
			reply(w, 200, `{"url":"https://belay.example.com","controllerNamespace":"cd"}`)
			return
		}
		handler(w, r)
	}))
	t.Cleanup(srv.Close)
	return open(t, srv)
}

func open(t *testing.T, srv *httptest.Server) *Server {
	t.Helper()
	s, err := Open(t.Context(), cli.ServerOptions{Address: strings.TrimPrefix(srv.URL, "http://"), Plaintext: true, Token: token, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*Server)
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

var shop = cli.AppKey{Namespace: "cd", Name: "shop"}

func TestHomeAndAddress(t *testing.T) {
	s := serve(t, http.NotFound)
	if s.Home() != "cd" || s.URL(t.Context()) != "https://belay.example.com" {
		t.Errorf("%s, %s", s.Home(), s.URL(t.Context()))
	}
}

// TestRetries repeats reading requests alone.
func TestRetries(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			reply(w, http.StatusServiceUnavailable, `{"error":"a moment","code":14,"message":"a moment"}`)
			return
		}
		reply(w, 200, `{"metadata":{"name":"shop"}}`)
	})
	if _, err := s.Application(t.Context(), shop); err != nil || asked.Load() != 3 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
	asked.Store(0)
	err := s.SignOut(t.Context())
	if !fault.Is(err, fault.Transient) || asked.Load() != 1 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

// TestProblems is the table from answers to kinds, codes and hints. None of them shows the token.
func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		kind   fault.Kind
		code   string
		text   string
		hint   string
	}{
		"signed out":    {401, `{"error":"no session information","code":16,"message":"no session information"}`, fault.Unauthenticated, "Unauthorized", "no session information", "belay login"},
		"denied":        {403, `{"error":"permission denied","code":7,"message":"permission denied"}`, fault.Denied, "Forbidden", "permission denied", "role"},
		"invalid":       {400, `{"error":"no","code":3,"message":"no"}`, fault.Invalid, "Invalid", "no", ""},
		"refused":       {400, `{"error":"busy","code":9,"message":"busy","hint":"wait"}`, fault.Conflict, "Refused", "busy", "wait"},
		"conflict":      {409, `{"error":"x","code":10,"message":"x"}`, fault.Conflict, "Conflict", "x", "try again"},
		"internal":      {500, `{"error":"x","code":13,"message":"x"}`, fault.Internal, "ServerError", "x", ""},
		"a gateway":     {502, `<html>`, fault.Transient, "Unavailable", "502 Bad Gateway", ""},
		"too many":      {429, ``, fault.Transient, "TooManyRequests", "429", "wait"},
		"another place": {404, `404 page not found`, fault.NotFound, "NoServer", "404", "address of an API server"},
		"a password":    {400, `{"message":"clone https://u:canary-token@git.example.com failed"}`, fault.Invalid, "Invalid", "git.example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { reply(w, test.status, test.body) })
			err := s.send(t.Context(), http.MethodPost, "/api/v1/x", nil, nil, nil)
			var f *cli.Failure
			if !errors.As(err, &f) || f.Code != test.code || f.Exit != cli.ExitAPI || fault.KindOf(err) != test.kind {
				t.Fatalf("%#v %v", f, err)
			}
			if !strings.Contains(err.Error(), test.text) || !strings.Contains(f.Hint, test.hint) || strings.Contains(err.Error()+f.Hint, token) {
				t.Errorf("%v, hint %q", err, f.Hint)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, test := range map[string]struct{ kind, body, text string }{
		"a page":    {"text/html", "<html>sign in</html>", "text/html"},
		"no JSON":   {"application/json", "{", "cannot be read"},
		"two names": {"application/json", `[]`, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				_, _ = io.WriteString(w, test.body)
			})
			_, err := s.ListApplications(t.Context(), "", labels.Everything())
			if err == nil || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "sign in") {
				t.Error(err)
			}
		})
	}
}

// TestTokenStaysHome redirects to another server, which must not get the token.
func TestTokenStaysHome(t *testing.T) {
	var got atomic.Value
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		reply(w, 200, `{}`)
	}))
	t.Cleanup(other.Close)
	var here string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		here = r.Header.Get("Authorization")
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if err := s.get(t.Context(), "/api/v1/x", nil, nil); err != nil {
		t.Fatal(err)
	}
	if here != "Bearer "+token || got.Load() != "" {
		t.Errorf("here %q, there %q", here, got.Load())
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reply(w, 200, `{}`) }))
	s := open(t, srv)
	srv.Close()
	err := s.send(t.Context(), http.MethodPost, "/api/v1/session?x=canary", nil, map[string]string{"password": "canary"}, nil)
	var f *cli.Failure
	if !errors.As(err, &f) || f.Code != "Unreachable" || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	_, err = Open(t.Context(), cli.ServerOptions{Address: strings.TrimPrefix(tls.URL, "https://"), Timeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func app(version int, phase string) string {
	return fmt.Sprintf(`{"metadata":{"name":"shop","namespace":"cd","resourceVersion":"%d"},"status":{"operationState":{"phase":%q,"operation":{},"startedAt":null}}}`, version, phase)
}

// TestWatch breaks streams off, sends states that are older than those that were seen, of other applications, and errors.
func TestWatch(t *testing.T) {
	var stream atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/v1/stream/") {
			reply(w, 200, app(map[int32]int{0: 5, 1: 5, 2: 7}[stream.Load()], "Running"))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		event := func(kind, app string) {
			fmt.Fprintf(w, "id: 1\ndata: {\"result\":{\"type\":%q,\"application\":%s}}\n\n", kind, app)
		}
		switch stream.Add(1) {
		case 1:
			_, _ = io.WriteString(w, ":\n\n")
			event("MODIFIED", app(4, "Failed")) // a cache that lags
			event("MODIFIED", app(6, "Terminating"))
			event("MODIFIED", strings.Replace(app(9, "Error"), "shop", "other", 1))
		case 2:
			_, _ = io.WriteString(w, "data: {\"error\":{\"code\":14,\"message\":\"too slow\"}}\n\n")
		default:
			event("MODIFIED", app(8, "Succeeded"))
			event("DELETED", app(9, "Succeeded"))
		}
	})
	var seen []string
	err := s.WatchApplication(t.Context(), shop, func(app *v1alpha1.Application) (bool, error) {
		if app == nil {
			seen = append(seen, "gone")
			return true, nil
		}
		seen = append(seen, app.ResourceVersion+string(app.Status.OperationState.Phase))
		return false, nil
	})
	if got := strings.Join(seen, " "); err != nil || got != "5Running 6Terminating 5Running 7Running 8Succeeded gone" && got != "5Running 6Terminating 7Running 8Succeeded gone" {
		t.Errorf("%v: %s", err, got)
	}
}

func TestWatchGivesUpWhereItIsRefused(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v1/stream/") {
			reply(w, 403, `{"message":"permission denied","code":7}`)
			return
		}
		reply(w, 200, app(1, "Running"))
	})
	err := s.WatchApplication(t.Context(), shop, func(*v1alpha1.Application) (bool, error) { return false, nil })
	if !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}

// TestReadsItsOwnWrites asks again while a server answers with what was before a write.
func TestReadsItsOwnWrites(t *testing.T) {
	var asked atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			reply(w, 200, app(9, "Running"))
		case asked.Add(1) < 4:
			reply(w, 200, app(3, "Succeeded"))
		default:
			reply(w, 200, app(9, "Running"))
		}
	})
	started, err := s.Start(t.Context(), shop, func(*v1alpha1.Application) (cli.Start, error) {
		return cli.Start{Operation: &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}}, nil
	}, time.Now())
	if err != nil || started.ResourceVersion != "9" {
		t.Fatalf("%v, %v", started, err)
	}
	raw, err := s.Application(t.Context(), shop)
	if err != nil || raw.GetResourceVersion() != "9" {
		t.Errorf("%v, %v", raw, err)
	}
}

// TestChangeBeginsAgain lets somebody else be faster.
func TestChangeBeginsAgain(t *testing.T) {
	var version atomic.Int32
	version.Store(1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch {
			reply(w, 200, app(int(version.Load()), "Running"))
			return
		}
		if version.Load() == 1 {
			version.Store(2)
			reply(w, 400, `{"message":"the patch cannot be applied","code":3}`)
			return
		}
		var body struct{ Patch, PatchType string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.PatchType != "json" || !strings.Contains(body.Patch, `{"op":"test","path":"/metadata/resourceVersion","value":"2"}`) {
			reply(w, 500, `{"message":"what is this"}`)
			return
		}
		reply(w, 200, app(3, "Running"))
	})
	decided := 0
	got, err := s.ChangeApplication(t.Context(), shop, func(*v1alpha1.Application) (map[string]any, error) {
		decided++
		return map[string]any{"spec": map[string]any{"project": "x"}}, nil
	})
	if err != nil || got.ResourceVersion != "3" || decided != 2 {
		t.Errorf("%v, %v, decided %d times", got, err, decided)
	}
}

func TestPodLog(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"result":{"content":"one","timeStampStr":"2026-01-02T03:04:05Z"}}`+"\n\n"+`{"result":{"content":"two"}}`+"\n"+`{"result":{"last":true}}`+"\n"+`{"result":{"content":"never"}}`)
	})
	body, err := s.PodLog(t.Context(), &v1alpha1.Application{}, object.Ref{Name: "p"}, &corev1.PodLogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || string(data) != "2026-01-02T03:04:05Z one\ntwo\n" {
		t.Errorf("%v: %q", err, data)
	}
}

func TestTimeout(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.opts.Timeout = time.Millisecond
	if _, err := s.Application(t.Context(), shop); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// FuzzReadStream reads any stream: what it gives are values of it, and never too large ones.
func FuzzReadStream(f *testing.F) {
	f.Add("data: {\"result\":{}}\n\n:\n\nid: 1\ndata: {\ndata: }\n\n")
	f.Add("{\"result\":1}\n{\"error\":{\"message\":\"x\"}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := readStream(strings.NewReader(text), func(element []byte) (bool, error) {
			if len(element) == 0 || len(element) > len(text) {
				t.Fatalf("%q of %q", element, text)
			}
			_, _, _ = decodeElement(element) // an error is an answer
			return false, nil
		})
		if err == nil {
			t.Fatal("a stream ends with an error or with what was waited for")
		}
	})
}

// FuzzPatch compares a merge patch with the JSON patch that is made of it.
func FuzzPatch(f *testing.F) {
	f.Add(`{"metadata":{"annotations":{"a/b":"1","c~d":"2"}},"spec":{"x":[1,{"y":2}]}}`, `{"metadata":{"annotations":{"a/b":null,"c~d":"3","e":{"f":null,"g":1}}},"spec":null,"new":{"a":null}}`)
	f.Fuzz(func(t *testing.T, before, merge string) {
		var object, patch map[string]any
		if json.Unmarshal([]byte(before), &object) != nil || json.Unmarshal([]byte(merge), &patch) != nil || object == nil || patch == nil {
			return
		}
		start, _ := json.Marshal(object)
		wanted, _ := json.Marshal(patch)
		want, err := jsonpatch.MergePatch(start, wanted)
		if err != nil {
			return
		}
		data, err := json.Marshal(appendOps([]patchOp{}, "", object, patch))
		if err != nil {
			t.Fatal(err)
		}
		ops, err := jsonpatch.DecodePatch(data)
		if err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		got, err := ops.Apply(start)
		if err != nil || !jsonpatch.Equal(got, want) {
			t.Fatalf("%s with %s is %s by %s (%v), want %s", start, wanted, got, data, err, want)
		}
	})
}
