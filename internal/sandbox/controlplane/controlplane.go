// Package controlplane runs a real Kubernetes control plane: in goes a data directory, out comes a kubeconfig for an API
// server with its controllers and scheduler, all of them children of this process and all on 127.0.0.1.
//
// etcd runs inside the calling process; kube-apiserver, kube-controller-manager and kube-scheduler are this very binary,
// started again under their names (see RunComponent).
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// KubeletClient is the user as which the API server asks for container logs.
	KubeletClient = "kube-apiserver-kubelet-client"

	apiServerTimeout = 60 * time.Second
	pollInterval     = 50 * time.Millisecond
	// stopGrace leaves room for etcd within the five seconds in which the whole tree has to be gone.
	stopGrace = 1500 * time.Millisecond
)

// Config says where a control plane lives.
type Config struct {
	// Dir keeps certificates, logs and the database. It is created if missing.
	Dir string
	// RuntimeDir keeps sockets. Its path must be short (unix sockets allow about 100 bytes) and private to the user.
	RuntimeDir string
	// Port of the API server; 0 takes the port that Dir was served at before if it is still free, else any free one.
	Port int
	// Kubeconfig is the file to write for the administrator.
	Kubeconfig string
}

// ControlPlane is a running control plane. Stop must be called, also after Failed reported.
type ControlPlane struct {
	config      Config
	server      string
	credentials *credentials
	port        *reservedPort
	etcd        *embed.Etcd

	processes []*process
	failed    chan error
	stopping  chan struct{}
	stopOnce  sync.Once
}

// Start returns when the API server is ready; controllers and scheduler are then starting. After an error nothing is
// left running.
func Start(ctx context.Context, config Config) (*ControlPlane, error) {
	c := &ControlPlane{config: config, failed: make(chan error, 4), stopping: make(chan struct{})}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Failed reports the unexpected end of a component.
func (c *ControlPlane) Failed() <-chan error { return c.failed }

// Simulator is the configuration of a client for whatever simulates the nodes.
func (c *ControlPlane) Simulator() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.file("simulator.kubeconfig"))
	if err != nil {
		return nil, fmt.Errorf("read simulator kubeconfig: %w", err)
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.UserAgent = "belay-sandbox"
	return config, nil
}

// KubeletFiles are the certificate, key and client authority of a server that the API server accepts as a kubelet.
func (c *ControlPlane) KubeletFiles() (cert, key, clientAuthority string) {
	return c.credentials.kubelet.Cert, c.credentials.kubelet.Key, c.credentials.authority.Cert
}

// AggregatedFiles are the certificate, key and client authority of a server that the API server passes requests on to.
func (c *ControlPlane) AggregatedFiles() (cert, key, clientAuthority string) {
	return c.credentials.metrics.Cert, c.credentials.metrics.Key, c.credentials.frontProxy.Cert
}

// Stop ends all components; it takes at most about three seconds and may be called more than once.
func (c *ControlPlane) Stop() {
	c.stopOnce.Do(func() {
		close(c.stopping)
		var wait sync.WaitGroup
		for _, p := range c.processes {
			wait.Go(func() { p.stop(stopGrace) })
		}
		wait.Wait()
		if c.etcd != nil {
			stopEtcd(c.etcd)
		}
		if c.port != nil {
			c.port.release()
		}
	})
}

func (c *ControlPlane) start(ctx context.Context) error {
	var err error
	for _, dir := range []string{c.file("logs"), c.file("etcd")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create data directory: %w", err)
		}
	}
	if c.credentials, err = issueCredentials(c.file("pki")); err != nil {
		return err
	}
	if err := c.choosePort(); err != nil {
		return err
	}
	socket := filepath.Join(c.config.RuntimeDir, "etcd")
	if c.etcd, err = startEtcd(c.file("etcd"), socket); err != nil {
		return err
	}
	if err := c.launch(apiServer, apiServerFlags(c.credentials, socket, c.port.port)); err != nil {
		return err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	if err := c.awaitAPIServer(ctx); err != nil {
		return err
	}
	if err := c.launch(controllerManager, controllerManagerFlags(c.credentials, c.file("controller-manager.kubeconfig"))); err != nil {
		return err
	}
	return c.launch(schedulerName, schedulerFlags(c.file("scheduler.kubeconfig")))
}

// choosePort prefers the port of the last run, so that kubeconfig files handed out then still work.
func (c *ControlPlane) choosePort() error {
	memory := c.file("port")
	port := c.config.Port
	var err error
	if port == 0 {
		if data, readErr := os.ReadFile(memory); readErr == nil {
			port, _ = strconv.Atoi(strings.TrimSpace(string(data))) // a damaged file means any port
		}
		c.port, err = reservePort(port)
		if err != nil && port != 0 {
			c.port, err = reservePort(0)
		}
	} else {
		c.port, err = reservePort(port)
	}
	if err != nil {
		return err
	}
	c.server = fmt.Sprintf("https://%s:%d", loopback, c.port.port)
	if err := os.WriteFile(memory, []byte(strconv.Itoa(c.port.port)), 0o600); err != nil {
		return fmt.Errorf("remember port: %w", err)
	}
	return nil
}

func (c *ControlPlane) writeKubeconfigs() error {
	return errors.Join(
		WriteKubeconfig(c.file("controller-manager.kubeconfig"), c.server, c.credentials.authority, c.credentials.controllers),
		WriteKubeconfig(c.file("scheduler.kubeconfig"), c.server, c.credentials.authority, c.credentials.scheduler),
		WriteKubeconfig(c.file("simulator.kubeconfig"), c.server, c.credentials.authority, c.credentials.simulator),
		WriteKubeconfig(c.config.Kubeconfig, c.server, c.credentials.authority, c.credentials.admin),
	)
}

func (c *ControlPlane) launch(name string, flags []string) error {
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	p, err := startProcess(executable, name, c.file(filepath.Join("logs", name+".log")), flags)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	go func() {
		<-p.done
		select {
		case <-c.stopping:
		case c.failed <- p.failure():
		}
	}()
	return nil
}

func (c *ControlPlane) awaitAPIServer(ctx context.Context) error {
	config, err := c.Simulator()
	if err != nil {
		return err
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, apiServerTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if answers(ctx, client, c.server+"/readyz") {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; its last lines:\n%s", apiServer, ctx.Err(), tail(c.processes[0].log))
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status counts
	return response.StatusCode == http.StatusOK
}

func (c *ControlPlane) file(name string) string { return filepath.Join(c.config.Dir, name) }
