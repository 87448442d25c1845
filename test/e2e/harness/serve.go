package harness

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

var (
	taken   = map[string]bool{}
	takenMu sync.Mutex
)

// Serve answers on loopback until the test ends, at an address that no server of this process had before: a port that the
// system gives out a second time would make a new repository look like the one that a controller still remembers there.
func Serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	srv := &httptest.Server{Listener: freshListener(t), Config: &http.Server{Handler: handler}}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func freshListener(t testing.TB) net.Listener {
	t.Helper()
	takenMu.Lock()
	defer takenMu.Unlock()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		if !taken[address] {
			taken[address] = true
			return l
		}
		defer l.Close() // held until another one is found
	}
}
