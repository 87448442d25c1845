package harness

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve answers on loopback until the test ends. The address stays taken after that, for as long as the process lives: given
// out a second time, it would make a new repository look like the one that a controller still remembers there.
func Serve(t testing.TB, handler http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		address := srv.Listener.Addr().String()
		srv.Close()
		l, err := net.Listen("tcp", address)
		if err != nil {
			return // somebody else was faster
		}
		go hangUp(l)
	})
	return srv
}

// hangUp ends every connection as soon as it is made.
func hangUp(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}
