package controlplane

import (
	"strconv"

	"github.com/belaycd/belay/internal/sandbox/pki"
)

const serviceRange = "10.96.0.0/16"

// credentials are all the files by which the components know each other.
type credentials struct {
	authority, frontProxy           *pki.Authority
	server, kubelet, metrics        pki.Pair
	kubeletClient, frontProxyClient pki.Pair
	admin, controllers, scheduler   pki.Pair
	simulator                       pki.Pair
	serviceAccounts                 pki.Pair
}

func issueCredentials(dir string) (*credentials, error) {
	c := &credentials{}
	var err error
	if c.authority, err = pki.OpenAuthority(dir, "ca"); err != nil {
		return nil, err
	}
	if c.frontProxy, err = pki.OpenAuthority(dir, "front-proxy-ca"); err != nil {
		return nil, err
	}
	if c.serviceAccounts, err = pki.SigningKey(dir, "service-accounts"); err != nil {
		return nil, err
	}
	for _, leaf := range []struct {
		into  *pki.Pair
		issue func() (pki.Pair, error)
	}{
		{&c.server, func() (pki.Pair, error) {
			// 10.96.0.1 is the first address of serviceRange: the Service "kubernetes".
			return c.authority.Server("apiserver", loopback, "localhost", "10.96.0.1", "kubernetes",
				"kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
		}},
		{&c.kubelet, func() (pki.Pair, error) { return c.authority.Server("kubelet", loopback, "localhost") }},
		{&c.metrics, func() (pki.Pair, error) { return c.authority.Server("metrics", loopback, "localhost") }},
		{&c.kubeletClient, func() (pki.Pair, error) {
			return c.authority.Client("apiserver-kubelet-client", KubeletClient)
		}},
		{&c.frontProxyClient, func() (pki.Pair, error) { return c.frontProxy.Client("front-proxy-client", "front-proxy-client") }},
		{&c.admin, func() (pki.Pair, error) { return c.authority.Client("admin", "kubernetes-admin", "system:masters") }},
		{&c.controllers, func() (pki.Pair, error) {
			return c.authority.Client("controller-manager", "system:kube-controller-manager")
		}},
		{&c.scheduler, func() (pki.Pair, error) { return c.authority.Client("scheduler", "system:kube-scheduler") }},
		// One identity simulates all nodes, so it cannot be a node's own (system:node:NAME).
		{&c.simulator, func() (pki.Pair, error) { return c.authority.Client("simulator", "belay-sandbox", "system:masters") }},
	} {
		if *leaf.into, err = leaf.issue(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func apiServerFlags(c *credentials, etcdSocket string, port int) []string {
	return []string{
		"--etcd-servers=unix://" + etcdSocket,
		"--bind-address=" + loopback,
		"--advertise-address=" + loopback,
		"--secure-port=" + strconv.Itoa(port),
		"--permit-port-sharing=true",
		// Endpoints may not be loopback addresses, and there is no pod that could connect to them.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.server.Cert,
		"--tls-private-key-file=" + c.server.Key,
		"--client-ca-file=" + c.authority.Cert,
		"--kubelet-certificate-authority=" + c.authority.Cert,
		"--kubelet-client-certificate=" + c.kubeletClient.Cert,
		"--kubelet-client-key=" + c.kubeletClient.Key,
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + c.frontProxy.Cert,
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.frontProxyClient.Cert,
		"--proxy-client-key-file=" + c.frontProxyClient.Key,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + c.serviceAccounts.Key,
		"--service-account-key-file=" + c.serviceAccounts.Cert,
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		// Benchmarks send hundreds of writes at once; the server must not be what slows them.
		"--enable-priority-and-fairness=false",
		"--max-requests-inflight=3000",
		"--max-mutating-requests-inflight=3000",
		"--http2-max-streams-per-connection=1000",
		"--profiling=false",
		"--shutdown-delay-duration=0s",
	}
}

func controllerManagerFlags(c *credentials, kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--root-ca-file=" + c.authority.Cert,
		"--service-account-private-key-file=" + c.serviceAccounts.Key,
		"--cluster-signing-cert-file=" + c.authority.Cert,
		"--cluster-signing-key-file=" + c.authority.Key,
		"--service-cluster-ip-range=" + serviceRange,
		"--allocate-node-cidrs=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-deployment-syncs=20",
		"--concurrent-replicaset-syncs=20",
		"--concurrent-namespace-syncs=20",
		"--profiling=false",
	}
}

func schedulerFlags(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--profiling=false",
	}
}
