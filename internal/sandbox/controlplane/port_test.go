package controlplane

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReservedPort(t *testing.T) {
	reserved, err := reservePort(0)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := reservePort(reserved.port); err == nil {
		second.release()
		t.Error("another sandbox got the reserved port")
	}
	// The API server shares the port in this way (--permit-port-sharing).
	sharing := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		if controlErr != nil {
			return controlErr
		}
		return err
	}}
	listener, err := sharing.Listen(context.Background(), "tcp4", fmt.Sprintf("%s:%d", loopback, reserved.port))
	if err != nil {
		t.Fatalf("the API server cannot use the reserved port: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	reserved.release()
	again, err := reservePort(reserved.port)
	if err != nil {
		t.Fatalf("the port is not free after its release: %v", err)
	}
	again.release()
}
