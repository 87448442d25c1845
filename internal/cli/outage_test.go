package cli_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/belaycd/belay/api/v1alpha1"
)

// cutter is a way to the API server that can be cut.
type cutter struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	open     map[net.Conn]bool
	accepted int
}

// newCutter listens on a port of its own and writes a kubeconfig that goes through it.
func newCutter(t *testing.T, kubeconfig string) (c *cutter, through string) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = &cutter{listener: listener, open: map[net.Conn]bool{}}
	for _, cluster := range config.Clusters {
		u, err := url.Parse(cluster.Server)
		if err != nil {
			t.Fatal(err)
		}
		c.target = u.Host
		u.Host = listener.Addr().String()
		cluster.Server = u.String()
	}
	through = filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, through); err != nil {
		t.Fatal(err)
	}
	go c.serve()
	t.Cleanup(func() { listener.Close(); c.cut() })
	return c, through
}

func (c *cutter) serve() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.target)
		if err != nil {
			in.Close()
			continue
		}
		c.mu.Lock()
		c.accepted++
		c.open[in], c.open[out] = true, true
		c.mu.Unlock()
		go c.copy(in, out)
		go c.copy(out, in)
	}
}

func (c *cutter) copy(to, from net.Conn) {
	_, _ = io.Copy(to, from) // ends with the connection, which is the point
	to.Close()
	from.Close()
}

// cut ends all connections.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		conn.Close()
		delete(c.open, conn)
	}
}

func (c *cutter) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

// TestWaitSurvivesALostConnection cuts the connection under a running watch, twice.
func TestWaitSurvivesALostConnection(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	c, kubeconfig := newCutter(t, b.sandbox.Kubeconfig())
	finished := make(chan result, 1)
	go func() {
		finished <- b.runIn(t.Context(), "", "app", "wait", "shop", "--timeout", "30", "--kubeconfig", kubeconfig)
	}()
	for want := 1; want <= 3; want++ {
		b.eventually("the command is connected", func(context.Context) bool { return c.connections() >= want })
		if want < 3 {
			c.cut()
		}
	}
	b.setStatus("shop", func(s *v1alpha1.ApplicationStatus) { s.Sync.Status = v1alpha1.SyncStatusSynced })
	(<-finished).ok(t).says(t, "Synced to main")
}
