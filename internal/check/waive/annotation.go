package waive

import (
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// Annotations that ignore a rule. Those of the other tools are read so that a team can move over.
const (
	ownPrefix        = "ignore.belay.dev/"
	kubeLinterPrefix = "ignore-check.kube-linter.io/"
	checkovPrefix    = "checkov.io/skip"
)

// mark is an annotation that ignores a rule.
type mark struct {
	// key is the annotation, path where it is.
	key, path string
	// rule is what it ignores; several for the checks of other tools.
	rule   string
	others []target
	reason string
	own    bool
}

// target is what a check of another tool is here: a rule, or all rules with a prefix that ends in *, and what the path of the field
// must contain.
type target struct{ rule, path string }

func (m mark) covers(f *check.Finding) bool {
	if m.own {
		return m.rule == f.Rule
	}
	return slices.ContainsFunc(m.others, func(t target) bool {
		prefix, isPrefix := strings.CutSuffix(t.rule, "*")
		return (t.rule == f.Rule || isPrefix && strings.HasPrefix(f.Rule, prefix)) && strings.Contains(f.Path, t.path)
	})
}

// marks reads the annotations of an object and of its pod template, in the order of their keys.
func marks(o *check.Object) (out []mark) {
	metadata, _ := o.Object["metadata"].(map[string]any)
	out = annotations(metadata, "metadata.annotations")
	if p := check.PodOf(o.Unstructured); p != nil && p.Path != "" {
		out = append(out, annotations(p.Metadata, check.Join(p.Path, "metadata", "annotations"))...)
	}
	return out
}

func annotations(metadata map[string]any, path string) (out []mark) {
	all, _ := metadata["annotations"].(map[string]any)
	for key, v := range all {
		value, _ := v.(string)
		m := mark{key: key, path: check.Join(path, key), reason: strings.TrimSpace(value)}
		if rule, ok := strings.CutPrefix(key, ownPrefix); ok {
			m.rule, m.own = rule, true
		} else if name, ok := strings.CutPrefix(key, kubeLinterPrefix); ok {
			m.others = kubeLinter()[name]
		} else if strings.HasPrefix(key, checkovPrefix) {
			id, why, _ := strings.Cut(value, "=")
			m.others, m.reason = checkov()[strings.TrimSpace(id)], strings.TrimSpace(why)
		}
		if m.own || len(m.others) > 0 {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b mark) int { return strings.Compare(a.key, b.key) })
	return out
}

// kubeLinter maps the checks of kube-linter.
func kubeLinter() map[string][]target {
	pss := func(path string) []target { return []target{{rule: "pss-*", path: path}} }
	return map[string][]target{
		"latest-tag":                       {{rule: "image-tag"}},
		"unset-cpu-requirements":           {{rule: "resources-*", path: "cpu"}},
		"unset-memory-requirements":        {{rule: "resources-*", path: "memory"}},
		"no-liveness-probe":                {{rule: "probes", path: "livenessProbe"}},
		"no-readiness-probe":               {{rule: "probes", path: "readinessProbe"}},
		"privileged-container":             pss("privileged"),
		"privilege-escalation-container":   pss("allowPrivilegeEscalation"),
		"run-as-non-root":                  pss("runAs"),
		"drop-net-raw-capability":          pss("capabilities"),
		"host-network":                     pss("hostNetwork"),
		"host-pid":                         pss("hostPID"),
		"host-ipc":                         pss("hostIPC"),
		"unsafe-sysctls":                   pss("sysctls"),
		"unsafe-proc-mount":                pss("procMount"),
		"no-read-only-root-fs":             {{rule: "readonly-rootfs"}},
		"docker-sock":                      {{rule: "sensitive-hostpath"}},
		"sensitive-host-mounts":            {{rule: "sensitive-hostpath"}},
		"writable-host-mount":              {{rule: "sensitive-hostpath"}},
		"env-var-secret":                   {{rule: "secret-in-env"}},
		"read-secret-from-env-var":         {{rule: "secret-env-ref"}},
		"cluster-admin-role-binding":       {{rule: "rbac-cluster-admin"}},
		"wildcard-in-rules":                {{rule: "rbac-wildcard"}},
		"access-to-secrets":                {{rule: "rbac-secrets"}},
		"access-to-create-pods":            {{rule: "rbac-pod-create"}},
		"default-service-account":          {{rule: "rbac-default-sa"}},
		"use-namespace":                    {{rule: "default-namespace"}},
		"exposed-services":                 {{rule: "service-exposed"}},
		"ssh-port":                         {{rule: "service-exposed"}},
		"mismatching-selector":             {{rule: "selector-mismatch"}},
		"dangling-service":                 {{rule: "dangling-ref"}},
		"dangling-ingress":                 {{rule: "dangling-ref"}},
		"dangling-horizontalpodautoscaler": {{rule: "dangling-ref"}},
		"non-existent-service-account":     {{rule: "dangling-ref"}},
		"required-label-owner":             {{rule: "required-labels"}},
		"minimum-three-replicas":           {{rule: "replicas-pdb"}},
		"no-anti-affinity":                 {{rule: "replicas-pdb"}},
		"non-isolated-pod":                 {{rule: "netpol-coverage"}},
		"no-extensions-v1beta":             {{rule: "api-removed"}},
		"deprecated-service-account-field": {{rule: "api-deprecated"}},
	}
}

// checkov maps the checks of checkov.
func checkov() map[string][]target {
	pss := func(path string) []target { return []target{{rule: "pss-*", path: path}} }
	return map[string][]target{
		"CKV_K8S_8":  {{rule: "probes", path: "livenessProbe"}},
		"CKV_K8S_9":  {{rule: "probes", path: "readinessProbe"}},
		"CKV_K8S_10": {{rule: "resources-requests", path: "cpu"}},
		"CKV_K8S_11": {{rule: "resources-cpu-limit"}},
		"CKV_K8S_12": {{rule: "resources-requests", path: "memory"}},
		"CKV_K8S_13": {{rule: "resources-requests", path: "memory"}},
		"CKV_K8S_14": {{rule: "image-tag"}},
		"CKV_K8S_16": pss("privileged"),
		"CKV_K8S_17": pss("hostPID"),
		"CKV_K8S_18": pss("hostIPC"),
		"CKV_K8S_19": pss("hostNetwork"),
		"CKV_K8S_20": pss("allowPrivilegeEscalation"),
		"CKV_K8S_21": {{rule: "default-namespace"}},
		"CKV_K8S_22": {{rule: "readonly-rootfs"}},
		"CKV_K8S_23": pss("runAs"),
		"CKV_K8S_25": pss("capabilities"),
		"CKV_K8S_26": pss("hostPort"),
		"CKV_K8S_27": {{rule: "sensitive-hostpath"}},
		"CKV_K8S_28": pss("capabilities"),
		"CKV_K8S_31": pss("seccomp"),
		"CKV_K8S_35": {{rule: "secret-env-ref"}},
		"CKV_K8S_37": pss("capabilities"),
		"CKV_K8S_38": {{rule: "sa-token-mount"}},
		"CKV_K8S_39": pss("capabilities"),
		"CKV_K8S_42": {{rule: "rbac-default-sa"}},
		"CKV_K8S_43": {{rule: "image-digest"}},
		"CKV_K8S_49": {{rule: "rbac-wildcard"}},
	}
}
