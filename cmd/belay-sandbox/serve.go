package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/belaycd/belay/internal/sandbox/cloud"
	"github.com/belaycd/belay/internal/sandbox/controlplane"
	"github.com/belaycd/belay/internal/sandbox/metrics"
	"github.com/belaycd/belay/internal/sandbox/nodes"
	"github.com/belaycd/belay/internal/sandbox/pods"
)

const (
	address       = "127.0.0.1"
	readyTimeout  = 60 * time.Second
	readyInterval = 50 * time.Millisecond
)

// serve runs a sandbox until run ends or a part of it fails.
func serve(run context.Context, o options, out, errOut io.Writer) error {
	place, err := openPlace(o)
	if err != nil {
		return err
	}
	defer place.close()
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	klog.SetSlogLogger(log) // the Kubernetes libraries tell what they do, not only what fails

	plane, err := controlplane.Start(run, controlplane.Config{
		Dir: place.data, RuntimeDir: place.runtime, Port: o.port, Kubeconfig: place.kubeconfig,
	})
	if err != nil {
		return outcome(run, err)
	}
	defer plane.Stop()

	ctx, cancel := context.WithCancelCause(run)
	defer cancel(nil)
	go func() {
		select {
		case err := <-plane.Failed():
			cancel(err)
		case <-ctx.Done():
		}
	}()
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel(nil)
	if err := simulate(ctx, plane, o, simulation{log: log, wait: &wait, fail: cancel}); err != nil {
		return outcome(run, errors.Join(err, context.Cause(ctx)))
	}
	if _, err := fmt.Fprintf(out, "ready %s\n", place.kubeconfig); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	<-ctx.Done()
	return outcome(run, context.Cause(ctx))
}

// outcome tells a requested end of the run, which is no error, from a failure.
func outcome(run context.Context, err error) error {
	if run.Err() != nil {
		return nil
	}
	return err
}

// simulation is what the simulators report to.
type simulation struct {
	log  *slog.Logger
	wait *sync.WaitGroup
	fail context.CancelCauseFunc
}

// simulate starts everything that a real cluster has beside its control plane, and returns when the cluster is usable.
func simulate(ctx context.Context, plane *controlplane.ControlPlane, o options, s simulation) error {
	clients, err := plane.Simulator()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(clients)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(address, "0"))
	if err != nil {
		return fmt.Errorf("listen for the kubelet interface: %w", err)
	}
	keeper := nodes.NewKeeper(client, nodes.Config{
		Count: o.nodes, Address: address, Port: listener.Addr().(*net.TCPAddr).Port, Version: controlplane.Version().GitVersion,
	}, s.log)
	runner := pods.NewRunner(client, keeper.Names(), address, s.log)
	provider := cloud.NewProvider(client, s.log)
	if err := errors.Join(keeper.Ensure(ctx), provider.Ensure(ctx)); err != nil {
		_ = listener.Close() // nothing was served
		return err
	}
	usage, err := openMetrics(ctx, plane, client, s.log)
	if err != nil {
		_ = listener.Close() // nothing was served
		return err
	}
	certificate, key, authority := plane.KubeletFiles()
	kubelet := pods.ServerConfig{
		CertFile: certificate, KeyFile: key, ClientAuthorityFile: authority, Client: controlplane.KubeletClient,
	}
	for name, run := range map[string]func() error{
		"nodes":   func() error { keeper.Run(ctx); return nil },
		"pods":    func() error { return runner.Run(ctx) },
		"cloud":   func() error { return provider.Run(ctx) },
		"kubelet": func() error { return runner.Serve(ctx, listener, kubelet) },
		"metrics": func() error { return usage.Serve(ctx) },
	} {
		s.wait.Go(func() {
			if err := run(); err != nil {
				s.fail(fmt.Errorf("simulate %s: %w", name, err))
			}
		})
	}
	return errors.Join(usage.register(ctx), awaitControllers(ctx, client))
}

// metricsAPI is the API and its place in the cluster.
type metricsAPI struct {
	*metrics.Server
	registrar *metrics.Registrar
}

func openMetrics(ctx context.Context, plane *controlplane.ControlPlane, client kubernetes.Interface, log *slog.Logger) (*metricsAPI, error) {
	clients, err := plane.Simulator()
	if err != nil {
		return nil, err
	}
	registrar, err := metrics.NewRegistrar(clients, client.CoreV1(), log)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp4", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the metrics API: %w", err)
	}
	certificate, key, authority := plane.AggregatedFiles()
	server, err := metrics.NewServer(client.CoreV1(), listener, metrics.ServerConfig{
		CertFile: certificate, KeyFile: key, ClientAuthorityFile: authority, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return &metricsAPI{server, registrar}, nil
}

func (m *metricsAPI) register(ctx context.Context) error { return m.registrar.Register(ctx, m.Port()) }

// awaitControllers waits for what the controllers make in a new namespace: without it the first pod would be refused.
func awaitControllers(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		_, err := client.CoreV1().ServiceAccounts(meta.NamespaceDefault).Get(ctx, "default", meta.GetOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) && ctx.Err() == nil {
			return fmt.Errorf("wait for controllers: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for controllers: %w", ctx.Err())
		}
	}
}
