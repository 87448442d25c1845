package controlplane

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

const loopback = "127.0.0.1"

// reservedPort holds a port without listening on it. The API server shares it (--permit-port-sharing), so that no other
// program can take the port between its choice and its use.
type reservedPort struct {
	fd   int
	port int
}

// reservePort reserves the port, or a free one if it is 0.
func reservePort(port int) (*reservedPort, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	unix.CloseOnExec(fd)
	bound, err := bindShared(fd, port)
	if err != nil {
		_ = unix.Close(fd) // the bind error is the one to report
		return nil, fmt.Errorf("reserve port %d: %w", port, err)
	}
	return &reservedPort{fd: fd, port: bound}, nil
}

func bindShared(fd, port int) (int, error) {
	// Sharing would let us bind beside another sandbox of the same user, and for port 0 the kernel may even choose such a
	// port; a plain listener cannot share, so it finds out.
	port, err := probe(port)
	if err != nil {
		return 0, err
	}
	// Not SO_REUSEADDR: with it a plain listener, such as another sandbox's probe, could bind beside a socket that does
	// not listen.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	inet, ok := address.(*unix.SockaddrInet4)
	if !ok {
		return 0, syscall.EAFNOSUPPORT
	}
	return inet.Port, nil
}

// probe says whether the port is free, or finds a free one if it is 0.
func probe(port int) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp4", fmt.Sprintf("%s:%d", loopback, port))
	if err != nil {
		return 0, err
	}
	port = listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func (r *reservedPort) release() { _ = unix.Close(r.fd) } // closing a socket that never listened loses nothing
