package controlplane

import (
	"fmt"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const (
	etcdStartTimeout = 10 * time.Second
	etcdStopTimeout  = time.Second
)

// startEtcd runs etcd inside this process, on the unix socket: no port, and no one but the owner of the socket's
// directory can reach it. Writes are not flushed to disk: they survive the end of any process, not a power cut.
func startEtcd(dir, socket string) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.UnsafeNoFsync = true
	cfg.Logger = "zap"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.QuotaBackendBytes = 8 << 30
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "5m"
	cfg.MaxTxnOps = 1024
	cfg.SocketOpts.ReuseAddress = true
	// A lone member elects itself after one election timeout; still shorter ticks would cost CPU for as long as it idles.
	cfg.TickMs, cfg.ElectionMs = 50, 250

	clients := url.URL{Scheme: "unix", Path: socket}
	peers := url.URL{Scheme: "unix", Path: socket + ".peer"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)

	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case err := <-server.Err():
		return nil, fmt.Errorf("start etcd: %w", err)
	case <-time.After(etcdStartTimeout):
		return nil, fmt.Errorf("start etcd: not ready after %s", etcdStartTimeout)
	}
}

// stopEtcd closes etcd, but does not wait for ever on streams that its clients hold open: what was written is in the
// page cache already, and the write-ahead log covers the rest.
func stopEtcd(server *embed.Etcd) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Close()
	}()
	select {
	case <-done:
	case <-time.After(etcdStopTimeout):
	}
}
