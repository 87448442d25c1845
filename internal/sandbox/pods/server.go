package pods

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"k8s.io/client-go/tools/cache"
)

// followInterval is how often a followed log looks whether its container was ended from outside.
const followInterval = 200 * time.Millisecond

// ServerConfig describes the kubelet interface.
type ServerConfig struct {
	// CertFile and KeyFile identify the server. Only Client, certified by ClientAuthorityFile, may ask.
	CertFile, KeyFile, ClientAuthorityFile string
	Client                                 string
}

// Serve answers the API server on the listener as the kubelets of all nodes would, until the context ends. There are
// logs; what needs a container (exec, attach, port-forward) is refused.
func (r *Runner) Serve(ctx context.Context, listener net.Listener, config ServerConfig) error {
	certificate, err := tls.LoadX509KeyPair(config.CertFile, config.KeyFile)
	if err != nil {
		return fmt.Errorf("serve kubelet interface: %w", err)
	}
	authority, err := os.ReadFile(config.ClientAuthorityFile)
	if err != nil {
		return fmt.Errorf("serve kubelet interface: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", r.serveLogs)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "belay-sandbox simulates its pods: no container runs, so there is nothing to execute in or connect to", http.StatusNotImplemented)
	})
	server := &http.Server{
		Handler:           onlyClient(config.Client, mux),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			MinVersion: tls.VersionTLS12,
		},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // connections are cut at the end, and that is meant
	defer stop()
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve kubelet interface: %w", err)
	}
	return nil
}

func onlyClient(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.TLS == nil || len(request.TLS.PeerCertificates) == 0 || request.TLS.PeerCertificates[0].Subject.CommonName != name {
			http.Error(w, "only the API server may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, request)
	})
}

// logQuery are the options of `kubectl logs`.
type logQuery struct {
	follow, previous, timestamps bool
	tail                         int // -1: all
	limit                        int64
	since                        time.Time
}

func parseLogQuery(request *http.Request, now time.Time) (logQuery, error) {
	values := request.URL.Query()
	q := logQuery{
		follow: values.Get("follow") == "true", previous: values.Get("previous") == "true",
		timestamps: values.Get("timestamps") == "true", tail: -1, limit: -1,
	}
	for _, number := range []struct {
		name string
		set  func(int64)
	}{
		{"tailLines", func(n int64) { q.tail = int(n) }},
		{"limitBytes", func(n int64) { q.limit = n }},
		{"sinceSeconds", func(n int64) { q.since = now.Add(-time.Duration(n) * time.Second) }},
	} {
		text := values.Get(number.name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return logQuery{}, fmt.Errorf("read %s: %w", number.name, err)
		}
		number.set(n)
	}
	if text := values.Get("sinceTime"); text != "" {
		var err error
		if q.since, err = time.Parse(time.RFC3339, text); err != nil {
			return logQuery{}, fmt.Errorf("read sinceTime: %w", err)
		}
	}
	return q, nil
}

func (r *Runner) serveLogs(w http.ResponseWriter, request *http.Request) {
	query, err := parseLogQuery(request, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	name := cache.NewObjectName(request.PathValue("namespace"), request.PathValue("pod"))
	container := request.PathValue("container")
	first, err := r.output(name, container, query.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	out := &logWriter{out: w, query: query}
	lines := out.selected(first.lines)
	if !out.write(lines) || !query.follow {
		return
	}
	r.follow(request.Context(), name, container, first, out)
}

// follow writes new lines as they come, until the run that it began with has ended.
func (r *Runner) follow(ctx context.Context, name cache.ObjectName, container string, last output, out *logWriter) {
	flusher, _ := out.out.(http.Flusher) // every connection of net/http is one
	for written := len(last.lines); !last.over; {
		flusher.Flush()
		pause := followInterval
		if !last.next.IsZero() {
			pause = min(pause, max(time.Until(last.next), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		current, err := r.output(name, container, false)
		if err != nil || current.id != last.id {
			return
		}
		if !out.write(current.lines[min(written, len(current.lines)):]) {
			return
		}
		written, last = len(current.lines), current
	}
}

func (r *Runner) output(name cache.ObjectName, container string, previous bool) (output, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.machines[name]
	if m == nil {
		return output{}, fmt.Errorf("pod %s is not known to the node", name)
	}
	c := m.find(container)
	if c == nil {
		return output{}, fmt.Errorf("container %s is not valid for pod %s", container, name.Name)
	}
	return c.output(m, time.Now(), previous)
}

// logWriter writes the lines that a query asks for.
type logWriter struct {
	out   io.Writer
	query logQuery
	sent  int64
}

func (l *logWriter) selected(lines []logLine) []logLine {
	for len(lines) > 0 && lines[0].at.Before(l.query.since) {
		lines = lines[1:]
	}
	if l.query.tail >= 0 {
		lines = lines[max(0, len(lines)-l.query.tail):]
	}
	return lines
}

// write says whether there may be more.
func (l *logWriter) write(lines []logLine) bool {
	for _, line := range lines {
		text := line.text + "\n"
		if l.query.timestamps {
			text = line.at.UTC().Format(time.RFC3339Nano) + " " + text
		}
		if l.query.limit >= 0 && l.sent+int64(len(text)) > l.query.limit {
			text = text[:l.query.limit-l.sent]
		}
		n, err := io.WriteString(l.out, text)
		l.sent += int64(n)
		if err != nil || l.sent == l.query.limit {
			return false
		}
	}
	return true
}
