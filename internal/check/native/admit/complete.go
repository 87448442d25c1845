package admit

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/apis/core"
)

// tolerationSeconds, tokenSeconds are the defaults of the plugins DefaultTolerationSeconds and ServiceAccount.
const (
	tolerationSeconds = 300
	tokenSeconds      = 3607
	tokenPath         = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// complete adds what strategies and the plugins that every API server runs add before policies are asked.
func complete(o runtime.Object) {
	switch o := o.(type) {
	case *core.Pod:
		completePod(o)
	case *core.Namespace:
		if len(o.Spec.Finalizers) == 0 {
			o.Spec.Finalizers = []core.FinalizerName{core.FinalizerKubernetes}
		}
		o.Status.Phase = core.NamespaceActive
	case *core.PersistentVolumeClaim:
		o.Status.Phase = core.ClaimPending
	}
}

func completePod(p *core.Pod) {
	p.Status.Phase = core.PodPending
	if p.Spec.ServiceAccountName == "" {
		p.Spec.ServiceAccountName = "default"
	}
	if p.Spec.Priority == nil && p.Spec.PriorityClassName == "" {
		var none int32
		preempt := core.PreemptLowerPriority
		p.Spec.Priority, p.Spec.PreemptionPolicy = &none, &preempt
	}
	tolerate(p, "node.kubernetes.io/not-ready")
	tolerate(p, "node.kubernetes.io/unreachable")
	mountToken(p)
}

// tolerate lets a pod stay for a while on a node with a taint that it says nothing of.
func tolerate(p *core.Pod, taint string) {
	for _, t := range p.Spec.Tolerations {
		if (t.Key == taint || t.Key == "") && (t.Effect == core.TaintEffectNoExecute || t.Effect == "") {
			return
		}
	}
	seconds := int64(tolerationSeconds)
	p.Spec.Tolerations = append(p.Spec.Tolerations, core.Toleration{Key: taint, Operator: core.TolerationOpExists, Effect: core.TaintEffectNoExecute, TolerationSeconds: &seconds})
}

// mountToken mounts the token of the ServiceAccount, as its plugin does unless the pod or the account say no. The account is not
// known here: it is taken to say nothing.
func mountToken(p *core.Pod) {
	if p.Spec.AutomountServiceAccountToken != nil && !*p.Spec.AutomountServiceAccountToken {
		return
	}
	const name = "kube-api-access-00000"
	mounted := false
	for _, list := range [][]core.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			mounted = mount(&list[i], name) || mounted
		}
	}
	if !mounted {
		return
	}
	mode, seconds := int32(0o644), int64(tokenSeconds)
	p.Spec.Volumes = append(p.Spec.Volumes, core.Volume{Name: name, VolumeSource: core.VolumeSource{Projected: &core.ProjectedVolumeSource{DefaultMode: &mode, Sources: []core.VolumeProjection{
		{ServiceAccountToken: &core.ServiceAccountTokenProjection{ExpirationSeconds: &seconds, Path: "token"}},
		{ConfigMap: &core.ConfigMapProjection{LocalObjectReference: core.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []core.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
		{DownwardAPI: &core.DownwardAPIProjection{Items: []core.DownwardAPIVolumeFile{{Path: "namespace", FieldRef: &core.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"}}}}},
	}}}})
}

func mount(c *core.Container, name string) bool {
	for _, m := range c.VolumeMounts {
		if m.MountPath == tokenPath {
			return false
		}
	}
	c.VolumeMounts = append(c.VolumeMounts, core.VolumeMount{Name: name, MountPath: tokenPath, ReadOnly: true})
	return true
}
