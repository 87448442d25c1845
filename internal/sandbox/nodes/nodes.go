// Package nodes pretends to be the kubelets of a cluster as far as their nodes go: in goes a number of nodes, out come Node
// objects that stay Ready, with leases that are renewed, for as long as it runs.
package nodes

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// The intervals are the kubelet's: a lease every ten seconds keeps the node alive, and its status is written rarely.
const (
	leaseDuration  = 40 * time.Second
	leaseInterval  = 10 * time.Second
	statusInterval = 5 * time.Minute
)

// Label marks the nodes that the sandbox made.
const Label = "belay.dev/sandbox"

// Config describes the nodes.
type Config struct {
	Count int
	// Address and Port are where the kubelet interface of all nodes listens (container logs).
	Address string
	Port    int
	// Version is the kubelet version to report.
	Version string
}

// Keeper keeps the nodes alive.
type Keeper struct {
	client kubernetes.Interface
	config Config
	log    *slog.Logger
}

// NewKeeper makes a Keeper; nothing happens before Ensure.
func NewKeeper(client kubernetes.Interface, config Config, log *slog.Logger) *Keeper {
	return &Keeper{client: client, config: config, log: log}
}

// Names are the names of the nodes, node-1 first.
func (k *Keeper) Names() []string {
	names := make([]string, k.config.Count)
	for i := range names {
		names[i] = fmt.Sprintf("node-%d", i+1)
	}
	return names
}

// Ensure makes all nodes exist and be Ready, and removes nodes of an earlier run with a greater count.
func (k *Keeper) Ensure(ctx context.Context) error {
	for i, name := range k.Names() {
		if err := k.renewLease(ctx, name); err != nil {
			return err
		}
		if err := k.ensureNode(ctx, name, i); err != nil {
			return err
		}
	}
	return k.removeOthers(ctx)
}

// Run renews leases and node status until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	leases, statuses := time.NewTicker(leaseInterval), time.NewTicker(statusInterval)
	defer leases.Stop()
	defer statuses.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-leases.C:
			k.each(ctx, "renew lease", func(name string, _ int) error { return k.renewLease(ctx, name) })
		case <-statuses.C:
			k.each(ctx, "update status", func(name string, i int) error { return k.ensureNode(ctx, name, i) })
		}
	}
}

// each logs errors and goes on: the next tick repairs what this one missed.
func (k *Keeper) each(ctx context.Context, action string, do func(name string, i int) error) {
	for i, name := range k.Names() {
		if err := do(name, i); err != nil && ctx.Err() == nil {
			k.log.Warn(action, "node", name, "error", err)
		}
	}
}

func (k *Keeper) ensureNode(ctx context.Context, name string, index int) error {
	nodes := k.client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = nodes.Create(ctx, newNode(name), meta.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("ensure node %s: %w", name, err)
	}
	k.fillStatus(&node.Status, index, name)
	if _, err := nodes.UpdateStatus(ctx, node, meta.UpdateOptions{}); err != nil {
		return fmt.Errorf("update status of node %s: %w", name, err)
	}
	return nil
}

func newNode(name string) *core.Node {
	return &core.Node{ObjectMeta: meta.ObjectMeta{
		Name: name,
		Labels: map[string]string{
			Label:                    "true",
			core.LabelHostname:       name,
			core.LabelOSStable:       "linux",
			core.LabelArchStable:     runtime.GOARCH,
			core.LabelTopologyZone:   "zone-" + name[len("node-"):],
			core.LabelTopologyRegion: "sandbox",
		},
	}}
}

func (k *Keeper) fillStatus(status *core.NodeStatus, index int, name string) {
	// Plenty, so that only a request that is meant not to fit stays Pending.
	room := core.ResourceList{
		core.ResourceCPU:              resource.MustParse("1000"),
		core.ResourceMemory:           resource.MustParse("4Ti"),
		core.ResourceEphemeralStorage: resource.MustParse("16Ti"),
		core.ResourcePods:             resource.MustParse("10000"),
	}
	status.Capacity, status.Allocatable = room, room
	status.Addresses = []core.NodeAddress{
		{Type: core.NodeInternalIP, Address: k.config.Address},
		{Type: core.NodeHostName, Address: name},
	}
	status.DaemonEndpoints.KubeletEndpoint.Port = int32(k.config.Port)
	status.NodeInfo = core.NodeSystemInfo{
		MachineID: fmt.Sprintf("belay-sandbox-%d", index+1), OperatingSystem: "linux", Architecture: runtime.GOARCH,
		OSImage: "belay-sandbox (simulated; no container runs)", ContainerRuntimeVersion: "sandbox://1",
		KubeletVersion: k.config.Version, KernelVersion: "simulated",
	}
	now := meta.Now()
	status.Conditions = []core.NodeCondition{
		condition(core.NodeMemoryPressure, core.ConditionFalse, "KubeletHasSufficientMemory", status.Conditions, now),
		condition(core.NodeDiskPressure, core.ConditionFalse, "KubeletHasNoDiskPressure", status.Conditions, now),
		condition(core.NodePIDPressure, core.ConditionFalse, "KubeletHasSufficientPID", status.Conditions, now),
		condition(core.NodeReady, core.ConditionTrue, "KubeletReady", status.Conditions, now),
	}
}

func condition(kind core.NodeConditionType, value core.ConditionStatus, reason string, old []core.NodeCondition, now meta.Time) core.NodeCondition {
	c := core.NodeCondition{
		Type: kind, Status: value, Reason: reason, Message: "simulated by belay-sandbox",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}
	for _, o := range old {
		if o.Type == kind && o.Status == value {
			c.LastTransitionTime = o.LastTransitionTime
		}
	}
	return c
}

func (k *Keeper) renewLease(ctx context.Context, name string) error {
	leases := k.client.CoordinationV1().Leases(core.NamespaceNodeLease)
	seconds, now := int32(leaseDuration/time.Second), meta.NowMicro()
	lease, err := leases.Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordination.Lease{
			ObjectMeta: meta.ObjectMeta{Name: name},
			Spec: coordination.LeaseSpec{
				HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now,
			},
		}, meta.CreateOptions{})
	} else if err == nil {
		lease.Spec.RenewTime, lease.Spec.LeaseDurationSeconds = &now, &seconds
		_, err = leases.Update(ctx, lease, meta.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("renew lease of node %s: %w", name, err)
	}
	return nil
}

func (k *Keeper) removeOthers(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, name := range k.Names() {
		wanted[name] = true
	}
	list, err := k.client.CoreV1().Nodes().List(ctx, meta.ListOptions{LabelSelector: Label})
	if err != nil {
		return fmt.Errorf("list nodes: %w", err)
	}
	for _, node := range list.Items {
		if wanted[node.Name] {
			continue
		}
		err := k.client.CoreV1().Nodes().Delete(ctx, node.Name, meta.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete node %s: %w", node.Name, err)
		}
	}
	return nil
}
