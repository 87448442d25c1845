package cloud

import (
	"context"
	"fmt"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

const (
	provisioner = "sandbox.belay.dev/none"
	// The annotations are the contract between the volume controller and a provisioner
	// (https://git.k8s.io/design-proposals-archive/storage/container-storage-interface.md).
	annProvisionedBy = "pv.kubernetes.io/provisioned-by"
	annProvisioner   = "volume.kubernetes.io/storage-provisioner"
	annSelectedNode  = "volume.kubernetes.io/selected-node"
	annDefaultClass  = "storageclass.kubernetes.io/is-default-class"
)

// Ensure makes the storage classes: "standard", the default, binds a claim at once; "standard-wait" binds it when a pod
// uses it. A class that exists is left as it is.
func (p *Provider) Ensure(ctx context.Context) error {
	expand := true
	for _, c := range []struct {
		name  string
		mode  storage.VolumeBindingMode
		isDef string
	}{
		{"standard", storage.VolumeBindingImmediate, "true"},
		{"standard-wait", storage.VolumeBindingWaitForFirstConsumer, "false"},
	} {
		reclaim := core.PersistentVolumeReclaimDelete
		_, err := p.client.StorageV1().StorageClasses().Create(ctx, &storage.StorageClass{
			ObjectMeta:  meta.ObjectMeta{Name: c.name, Annotations: map[string]string{annDefaultClass: c.isDef}},
			Provisioner: provisioner, ReclaimPolicy: &reclaim, VolumeBindingMode: &c.mode, AllowVolumeExpansion: &expand,
		}, meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create StorageClass %s: %w", c.name, err)
		}
	}
	return nil
}

// syncClaim makes a volume for a claim that the volume controller has given to us, and lets a bound one grow.
func (p *Provider) syncClaim(ctx context.Context, name cache.ObjectName) error {
	c, err := p.informers.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(name.Namespace).Get(name.Name)
	if err != nil {
		return err
	}
	if c.Annotations[annProvisioner] != provisioner || c.Annotations[Annotation] == Pending || c.DeletionTimestamp != nil {
		return nil
	}
	if c.Status.Phase == core.ClaimBound {
		return p.grow(ctx, c)
	}
	if c.Spec.VolumeName != "" || c.Spec.StorageClassName == nil {
		return nil
	}
	sc, err := p.informers.Storage().V1().StorageClasses().Lister().Get(*c.Spec.StorageClassName)
	if err != nil {
		return fmt.Errorf("read StorageClass %s: %w", *c.Spec.StorageClassName, err)
	}
	if sc.VolumeBindingMode != nil && *sc.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer && c.Annotations[annSelectedNode] == "" {
		return nil
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, newVolume(c, sc), meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create volume of PersistentVolumeClaim %s: %w", name, err)
	}
	return nil
}

func newVolume(c *core.PersistentVolumeClaim, sc *storage.StorageClass) *core.PersistentVolume {
	reclaim := core.PersistentVolumeReclaimDelete
	if sc.ReclaimPolicy != nil {
		reclaim = *sc.ReclaimPolicy
	}
	name := "pvc-" + string(c.UID)
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{annProvisionedBy: provisioner}},
		Spec: core.PersistentVolumeSpec{
			Capacity:    core.ResourceList{core.ResourceStorage: c.Spec.Resources.Requests[core.ResourceStorage]},
			AccessModes: c.Spec.AccessModes, VolumeMode: c.Spec.VolumeMode, StorageClassName: sc.Name,
			PersistentVolumeReclaimPolicy: reclaim,
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: string(claim), Namespace: c.Namespace, Name: c.Name, UID: c.UID,
				ResourceVersion: c.ResourceVersion,
			},
			// A path that is never opened: no container runs.
			PersistentVolumeSource: core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/sandbox/" + name}},
		},
	}
}

// grow does what a resizer and a kubelet do when a claim asks for more than its volume has.
func (p *Provider) grow(ctx context.Context, c *core.PersistentVolumeClaim) error {
	asked, present := c.Spec.Resources.Requests[core.ResourceStorage], c.Status.Capacity[core.ResourceStorage]
	if asked.Cmp(present) <= 0 {
		return nil
	}
	v, err := p.informers.Core().V1().PersistentVolumes().Lister().Get(c.Spec.VolumeName)
	if err != nil {
		return fmt.Errorf("read PersistentVolume %s: %w", c.Spec.VolumeName, err)
	}
	v = v.DeepCopy()
	v.Spec.Capacity[core.ResourceStorage] = asked
	if _, err := p.client.CoreV1().PersistentVolumes().Update(ctx, v, meta.UpdateOptions{}); err != nil {
		return fmt.Errorf("grow PersistentVolume %s: %w", v.Name, err)
	}
	c = c.DeepCopy()
	c.Status.Capacity[core.ResourceStorage] = asked
	if _, err := p.client.CoreV1().PersistentVolumeClaims(c.Namespace).UpdateStatus(ctx, c, meta.UpdateOptions{}); err != nil {
		return fmt.Errorf("grow PersistentVolumeClaim %s/%s: %w", c.Namespace, c.Name, err)
	}
	return nil
}

// syncVolume deletes a volume whose claim is gone.
func (p *Provider) syncVolume(ctx context.Context, name cache.ObjectName) error {
	v, err := p.informers.Core().V1().PersistentVolumes().Lister().Get(name.Name)
	if err != nil {
		return err
	}
	if v.Annotations[annProvisionedBy] != provisioner || v.Status.Phase != core.VolumeReleased ||
		v.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete || v.DeletionTimestamp != nil {
		return nil
	}
	if err := p.client.CoreV1().PersistentVolumes().Delete(ctx, v.Name, meta.DeleteOptions{}); err != nil {
		return fmt.Errorf("delete PersistentVolume %s: %w", v.Name, err)
	}
	return nil
}
