package kustomize

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

// overlay lays the overrides of the source over the kustomization at the path, with the outcome of the
// `kustomize edit` commands that Argo CD runs in its checkout.
func (b *build) overlay(spec render.Spec) error {
	o := spec.Source.Kustomize
	if o == nil || !hasOverrides(o) {
		return nil
	}
	name, data, err := b.rootFile()
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return fault.New(fault.Invalid, "%s: %w", name, err)
	}
	k.FixKustomization()
	e := editor{k: &k, env: render.BuildEnv(b.files, spec)}
	if err := e.edit(b, o); err != nil {
		kind := fault.Invalid
		if fault.Is(err, fault.Denied) {
			kind = fault.Denied
		}
		return fault.New(kind, "spec.source.kustomize: %w", err)
	}
	edited, err := yaml.Marshal(&k)
	if err != nil {
		return fault.New(fault.Internal, "%s: write overrides: %w", name, err)
	}
	b.edited = map[string][]byte{name: edited}
	return nil
}

func hasOverrides(o *v1alpha1.ApplicationSourceKustomize) bool {
	return o.NamePrefix != "" || o.NameSuffix != "" || o.Namespace != "" || len(o.Images) > 0 || len(o.Replicas) > 0 ||
		len(o.CommonLabels) > 0 || len(o.CommonAnnotations) > 0 || len(o.Patches) > 0 || len(o.Components) > 0
}

// rootFile returns the path and content of the kustomization file at the source's path.
func (b *build) rootFile() (string, []byte, error) {
	for _, base := range render.KustomizationNames() {
		name := path.Join(b.dir, base)
		if info, err := b.files.Stat(name); err == nil && !info.IsDir() {
			data, err := b.files.ReadFile(name)
			if err != nil {
				return "", nil, render.Classify("read "+name, err)
			}
			return name, data, render.CheckAliases(name, data)
		}
	}
	return "", nil, fault.New(fault.Invalid, "kustomization file not found in %s", b.dir)
}

type editor struct {
	k   *types.Kustomization
	env render.Env
}

func (e editor) edit(b *build, o *v1alpha1.ApplicationSourceKustomize) error {
	if o.NamePrefix != "" {
		e.k.NamePrefix = o.NamePrefix
	}
	if o.NameSuffix != "" {
		e.k.NameSuffix = o.NameSuffix
	}
	if o.Namespace != "" {
		e.k.Namespace = o.Namespace
	}
	for i, image := range o.Images {
		override, err := parseImage(e.env.Expand(string(image)))
		if err != nil {
			return fmt.Errorf("images[%d]: %w", i, err)
		}
		e.setImage(override)
	}
	for _, r := range o.Replicas {
		count, err := replicaCount(r.Count)
		if err != nil {
			return fmt.Errorf("replicas of %s: %w", r.Name, err)
		}
		e.setReplicas(r.Name, count)
	}
	if err := e.addLabels(o); err != nil {
		return err
	}
	if err := e.addAnnotations(o); err != nil {
		return err
	}
	for _, p := range o.Patches {
		e.k.Patches = append(e.k.Patches, patchOf(p))
	}
	return e.addComponents(b, o)
}

// parseImage reads [old=]new[:tag][@digest]. A * keeps what the kustomization has.
func parseImage(s string) (types.Image, error) {
	name, target, renamed := strings.Cut(s, "=")
	if !renamed {
		target = s
	}
	out := types.Image{}
	rest := target
	if image, digest, ok := strings.Cut(rest, "@"); ok {
		rest, out.Digest = image, digest
	}
	// A colon before a slash belongs to the registry's port.
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, '/') {
		rest, out.NewTag = rest[:i], rest[i+1:]
	}
	if renamed {
		out.Name, out.NewName = name, rest
	} else {
		out.Name = rest
	}
	if out.Name == "" || strings.HasSuffix(target, ":") || strings.HasSuffix(target, "@") || renamed && out.NewName == "" {
		return out, fmt.Errorf("%q: [old=]new[:tag][@digest] is wanted", s)
	}
	return out, nil
}

func (e editor) setImage(override types.Image) {
	kept := e.k.Images[:0:0]
	for _, have := range e.k.Images {
		if have.Name != override.Name {
			kept = append(kept, have)
			continue
		}
		if override.NewName == "*" {
			override.NewName = have.NewName
		}
		if override.NewTag == "*" {
			override.NewTag = have.NewTag
		}
		if override.Digest == "*" {
			override.Digest = have.Digest
		}
	}
	e.k.Images = append(kept, override)
	sort.SliceStable(e.k.Images, func(i, j int) bool { return e.k.Images[i].Name < e.k.Images[j].Name })
}

func replicaCount(count intstr.IntOrString) (int64, error) {
	if count.Type == intstr.Int {
		return int64(count.IntVal), nil
	}
	n, err := strconv.ParseInt(count.StrVal, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a number of replicas", count.StrVal)
	}
	return n, nil
}

func (e editor) setReplicas(name string, count int64) {
	kept := e.k.Replicas[:0:0]
	for _, have := range e.k.Replicas {
		if have.Name != name {
			kept = append(kept, have)
		}
	}
	e.k.Replicas = append(kept, types.Replica{Name: name, Count: count})
}

func (e editor) addLabels(o *v1alpha1.ApplicationSourceKustomize) error {
	if len(o.CommonLabels) == 0 {
		return nil
	}
	if o.LabelIncludeTemplates && !o.LabelWithoutSelector {
		return fmt.Errorf("labelIncludeTemplates needs labelWithoutSelector")
	}
	values := make(map[string]string, len(o.CommonLabels))
	for name, value := range o.CommonLabels {
		values[name] = e.env.Expand(value)
	}
	if !o.LabelWithoutSelector {
		if e.k.CommonLabels == nil {
			e.k.CommonLabels = map[string]string{}
		}
		return lay(e.k.CommonLabels, values, o.ForceCommonLabels, "commonLabels", "forceCommonLabels")
	}
	for i := range e.k.Labels {
		l := &e.k.Labels[i]
		if !l.IncludeSelectors && l.IncludeTemplates == o.LabelIncludeTemplates {
			if l.Pairs == nil {
				l.Pairs = map[string]string{}
			}
			return lay(l.Pairs, values, o.ForceCommonLabels, "labels", "forceCommonLabels")
		}
	}
	e.k.Labels = append(e.k.Labels, types.Label{Pairs: values, IncludeTemplates: o.LabelIncludeTemplates})
	return nil
}

func (e editor) addAnnotations(o *v1alpha1.ApplicationSourceKustomize) error {
	if len(o.CommonAnnotations) == 0 {
		return nil
	}
	values := make(map[string]string, len(o.CommonAnnotations))
	for name, value := range o.CommonAnnotations {
		if o.CommonAnnotationsEnvsubst {
			value = e.env.Expand(value)
		}
		values[name] = value
	}
	if e.k.CommonAnnotations == nil {
		e.k.CommonAnnotations = map[string]string{}
	}
	return lay(e.k.CommonAnnotations, values, o.ForceCommonAnnotations, "commonAnnotations", "forceCommonAnnotations")
}

// lay adds values to have; a name that is there already wants force.
func lay(have, values map[string]string, force bool, field, flag string) error {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if _, exists := have[name]; exists && !force {
			return fmt.Errorf("%s: %s is already in the kustomization file; set %s to replace it", field, name, flag)
		}
		have[name] = values[name]
	}
	return nil
}

func patchOf(p v1alpha1.KustomizePatch) types.Patch {
	out := types.Patch{Path: p.Path, Patch: p.Patch, Options: nil}
	if len(p.Options) > 0 {
		out.Options = &types.PatchArgs{
			AllowNameChange: p.Options["allowNameChange"], AllowKindChange: p.Options["allowKindChange"],
		}
	}
	if t := p.Target; t != nil {
		out.Target = &types.Selector{
			ResId: resid.ResId{
				Gvk:  resid.Gvk{Group: t.Group, Version: t.Version, Kind: t.Kind},
				Name: t.Name, Namespace: t.Namespace,
			},
			AnnotationSelector: t.AnnotationSelector, LabelSelector: t.LabelSelector,
		}
	}
	return out
}

func (e editor) addComponents(b *build, o *v1alpha1.ApplicationSourceKustomize) error {
	present := map[string]bool{}
	for _, c := range e.k.Components {
		present[c] = true
	}
	for _, c := range o.Components {
		if (reference{path: c, dir: true}).isRemote() {
			return fault.New(fault.Denied, "components: remote reference %q is refused: renders reach no network", redact(c))
		}
		dir, err := render.Resolve(b.dir, c)
		if err != nil {
			return fmt.Errorf("components: %w", err)
		}
		if info, err := b.files.Stat(dir); err != nil || !info.IsDir() {
			if fault.Is(err, fault.Denied) {
				return err
			}
			if o.IgnoreMissingComponents {
				continue
			}
			return fmt.Errorf("components: %s does not exist; ignoreMissingComponents would leave it out", dir)
		}
		if !present[c] {
			present[c] = true
			e.k.Components = append(e.k.Components, c)
		}
	}
	return nil
}
