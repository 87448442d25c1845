package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/config"
)

type installOptions struct {
	crdsOnly  bool
	namespace string
	image     string
	name      string
	replicas  int64
}

func (c *cli) installCommand() *cobra.Command {
	o := &installOptions{}
	cmd := &cobra.Command{
		Use: "install", Short: "Print the YAML of an installation",
		Long: `Print the YAML of an installation: custom resource definitions, namespace, permissions, settings, one Deployment and
its Services. Nothing is written to a cluster. In a namespace with Argo CD, remove its workloads first: applications,
projects, repositories and settings stay as they are.`,
		Example: `  belay install | kubectl apply --server-side -f -
  # only the kinds Application and AppProject
  belay install --crds-only | kubectl apply --server-side -f -
  # with an image of your own
  belay install --image registry.example.com/belay:1.0 | kubectl apply --server-side -f -`,
		Args: argCount(0, 0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			o.namespace = c.kube.namespace
			return o.print(c.Out)
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.crdsOnly, "crds-only", false, "only the custom resource definitions")
	fs.StringVar(&o.image, "image", "belaycd/belay:"+c.Build.Version, "container image")
	fs.StringVar(&o.name, "name", workloadName, "name of the Deployment and its Service")
	fs.Int64Var(&o.replicas, "replicas", 1, "number of replicas")
	return cmd
}

// workloadName is the Deployment's name in the embedded files.
const workloadName = "argocd-server"

func (o *installOptions) check() error {
	for flag, value := range map[string]string{"--namespace": o.namespace, "--name": o.name} {
		if problems := validation.IsDNS1123Label(value); len(problems) > 0 {
			return usageError("%s %q: %s", flag, value, problems[0])
		}
	}
	if o.image == "" {
		return usageError("--image is empty")
	}
	if o.replicas < 0 {
		return usageError("--replicas %d is negative", o.replicas)
	}
	return nil
}

// print writes the documents, each after a separator.
func (o *installOptions) print(out io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	crds, err := config.CRDs()
	if err != nil {
		return err
	}
	objects, err := decodeAll(crds)
	if err != nil {
		return err
	}
	for _, crd := range objects {
		crd.SetLabels(map[string]string{"app.kubernetes.io/name": crd.GetName(), "app.kubernetes.io/part-of": "argocd"})
	}
	if !o.crdsOnly {
		files, err := config.Install()
		if err != nil {
			return err
		}
		rest, err := decodeAll(files)
		if err != nil {
			return err
		}
		for _, u := range rest {
			if err := o.adjust(u); err != nil {
				return err
			}
		}
		objects = append(objects, rest...)
	}
	for _, u := range objects {
		data, err := yaml.Marshal(u.Object)
		if err != nil {
			return fmt.Errorf("encode %s: %w", u.GetName(), err)
		}
		if _, err := fmt.Fprintf(out, "---\n%s", data); err != nil {
			return err
		}
	}
	return nil
}

// adjust puts the namespace, name, image and number of replicas into an object.
func (o *installOptions) adjust(u *unstructured.Unstructured) error {
	if u.GetNamespace() != "" {
		u.SetNamespace(o.namespace)
	}
	renamed := u.GetName() == workloadName
	if renamed {
		u.SetName(o.name)
	}
	switch u.GetKind() {
	case "Namespace":
		u.SetName(o.namespace)
	case "ClusterRole":
		u.SetName(o.clusterRole())
	case "ClusterRoleBinding":
		u.SetName(o.clusterRole())
		subject := map[string]any{"kind": "ServiceAccount", "name": "belay", "namespace": o.namespace}
		if err := unstructured.SetNestedField(u.Object, o.clusterRole(), "roleRef", "name"); err != nil {
			return fmt.Errorf("set role of %s: %w", u.GetName(), err)
		}
		return unstructured.SetNestedSlice(u.Object, []any{subject}, "subjects")
	case "Service":
		return o.label(u, "spec", "selector")
	case "Deployment":
		return o.adjustDeployment(u)
	}
	return nil
}

// clusterRole keeps installations in several namespaces of one cluster apart.
func (o *installOptions) clusterRole() string {
	if o.namespace == defaultNamespace {
		return "belay"
	}
	return "belay-" + o.namespace
}

func (o *installOptions) label(u *unstructured.Unstructured, path ...string) error {
	return unstructured.SetNestedField(u.Object, o.name, append(path, "app.kubernetes.io/name")...)
}

func (o *installOptions) adjustDeployment(u *unstructured.Unstructured) error {
	if err := unstructured.SetNestedField(u.Object, o.replicas, "spec", "replicas"); err != nil {
		return fmt.Errorf("set replicas: %w", err)
	}
	for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "template", "metadata", "labels"}} {
		if err := o.label(u, path...); err != nil {
			return fmt.Errorf("set label: %w", err)
		}
	}
	containers, _, err := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return fmt.Errorf("read containers: %w", err)
	}
	for _, container := range containers {
		if m, ok := container.(map[string]any); ok {
			m["image"] = o.image
		}
	}
	return unstructured.SetNestedSlice(u.Object, containers, "spec", "template", "spec", "containers")
}

// decodeAll reads the documents of YAML files.
func decodeAll(files [][]byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, data := range files {
		docs, err := decodeDocuments(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		objects = append(objects, docs...)
	}
	return objects, nil
}

// decodeDocuments reads YAML or JSON documents; empty ones are left out.
func decodeDocuments(in io.Reader) ([]*unstructured.Unstructured, error) {
	dec := utilyaml.NewYAMLOrJSONDecoder(in, 4096)
	var objects []*unstructured.Unstructured
	for n := 1; ; n++ {
		var m map[string]any
		err := dec.Decode(&m)
		if err == io.EOF {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d: %w", n, err)
		}
		if len(m) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: m})
		}
	}
}
