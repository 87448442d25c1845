package pods

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// reader reads the ConfigMaps and Secrets of one pod, each at most once.
type reader struct {
	client kubernetes.Interface
	pod    *core.Pod
	seen   map[string]*object
}

// object is the data of a ConfigMap or Secret; nil data means that it does not exist.
type object struct{ data map[string]string }

// readConfig gathers what the containers of the pod read when they start. Objects that are absent are part of the answer;
// an error means that the API server could not be asked.
func readConfig(ctx context.Context, client kubernetes.Interface, pod *core.Pod) (config, error) {
	r := &reader{client: client, pod: pod, seen: map[string]*object{}}
	c := config{env: map[string][]string{}, missing: map[string]string{}}
	var err error
	if c.missingVolume, err = r.volumes(ctx); err != nil {
		return config{}, err
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		env, missing, err := r.environment(ctx, &container)
		if err != nil {
			return config{}, err
		}
		c.env[container.Name] = env
		if missing != "" {
			c.missing[container.Name] = missing
		}
	}
	return c, nil
}

// volumes names the first ConfigMap or Secret volume whose object is absent.
func (r *reader) volumes(ctx context.Context) (missing string, err error) {
	for _, volume := range r.pod.Spec.Volumes {
		var kind, name string
		var optional *bool
		switch {
		case volume.ConfigMap != nil:
			kind, name, optional = "configmap", volume.ConfigMap.Name, volume.ConfigMap.Optional
		case volume.Secret != nil:
			kind, name, optional = "secret", volume.Secret.SecretName, volume.Secret.Optional
		default:
			continue
		}
		o, err := r.get(ctx, kind, name)
		if err != nil {
			return "", err
		}
		if o.data == nil && !isTrue(optional) {
			return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %s %q not found", volume.Name, kind, name), nil
		}
	}
	return "", nil
}

// environment resolves a container's variables, in the order of the kubelet: envFrom, then env.
func (r *reader) environment(ctx context.Context, c *core.Container) (env []string, missing string, err error) {
	values := map[string]string{"HOSTNAME": r.pod.Name}
	for _, from := range c.EnvFrom {
		var kind, name string
		var optional *bool
		switch {
		case from.ConfigMapRef != nil:
			kind, name, optional = "configmap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional
		case from.SecretRef != nil:
			kind, name, optional = "secret", from.SecretRef.Name, from.SecretRef.Optional
		default:
			continue
		}
		o, err := r.get(ctx, kind, name)
		if err != nil {
			return nil, "", err
		}
		if o.data == nil && !isTrue(optional) {
			return nil, fmt.Sprintf("%s %q not found", kind, name), nil
		}
		for key, value := range o.data {
			values[from.Prefix+key] = value
		}
	}
	for _, variable := range c.Env {
		value, found, missing, err := r.variable(ctx, variable, values)
		if err != nil || missing != "" {
			return nil, missing, err
		}
		if found {
			values[variable.Name] = value
		}
	}
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	sort.Strings(env)
	return env, "", nil
}

func (r *reader) variable(ctx context.Context, v core.EnvVar, before map[string]string) (value string, found bool, missing string, err error) {
	if v.ValueFrom == nil {
		return expansion.Expand(v.Value, expansion.MappingFuncFor(before)), true, "", nil
	}
	var kind, name, key string
	var optional *bool
	switch from := v.ValueFrom; {
	case from.ConfigMapKeyRef != nil:
		kind, name, key, optional = "configmap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Optional
	case from.SecretKeyRef != nil:
		kind, name, key, optional = "secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key, from.SecretKeyRef.Optional
	case from.FieldRef != nil:
		value, found := r.field(from.FieldRef.FieldPath)
		return value, found, "", nil
	default:
		return "", false, "", nil
	}
	o, err := r.get(ctx, kind, name)
	if err != nil {
		return "", false, "", err
	}
	value, found = o.data[key]
	switch {
	case found || isTrue(optional):
		return value, found, "", nil
	case o.data == nil:
		return "", false, fmt.Sprintf("%s %q not found", kind, name), nil
	default:
		return "", false, fmt.Sprintf("couldn't find key %s in %s %s/%s", key, kind, r.pod.Namespace, name), nil
	}
}

// field serves the downward API as far as its values are known before the pod runs.
func (r *reader) field(path string) (string, bool) {
	switch path {
	case "metadata.name":
		return r.pod.Name, true
	case "metadata.namespace":
		return r.pod.Namespace, true
	case "metadata.uid":
		return string(r.pod.UID), true
	case "spec.nodeName":
		return r.pod.Spec.NodeName, true
	case "spec.serviceAccountName":
		return r.pod.Spec.ServiceAccountName, true
	}
	return "", false
}

func (r *reader) get(ctx context.Context, kind, name string) (*object, error) {
	id := kind + "/" + name
	if o := r.seen[id]; o != nil {
		return o, nil
	}
	o := &object{}
	var err error
	if kind == "secret" {
		var secret *core.Secret
		if secret, err = r.client.CoreV1().Secrets(r.pod.Namespace).Get(ctx, name, meta.GetOptions{}); err == nil {
			o.data = make(map[string]string, len(secret.Data))
			for key, value := range secret.Data {
				o.data[key] = string(value)
			}
		}
	} else {
		var configMap *core.ConfigMap
		if configMap, err = r.client.CoreV1().ConfigMaps(r.pod.Namespace).Get(ctx, name, meta.GetOptions{}); err == nil {
			o.data = configMap.Data
			if o.data == nil {
				o.data = map[string]string{}
			}
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read %s %s/%s: %w", kind, r.pod.Namespace, name, err)
	}
	r.seen[id] = o
	return o, nil
}

// commandLine is what the container is told to run, with $(VARIABLE) replaced.
func commandLine(c *core.Container, env []string) []string {
	values := map[string]string{}
	for _, pair := range env {
		if name, value, ok := strings.Cut(pair, "="); ok {
			values[name] = value
		}
	}
	argv := slices.Concat(c.Command, c.Args)
	for i := range argv {
		argv[i] = expansion.Expand(argv[i], expansion.MappingFuncFor(values))
	}
	return argv
}

func isTrue(b *bool) bool { return b != nil && *b }
