package workload

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func tokenMount() rule {
	return rule{
		Rule: check.Rule{
			ID: "sa-token-mount", Title: "pod with a token that it has no use for", Severity: check.Warning,
			Why: "The token of the ServiceAccount lies in a file of every container. Whoever breaks into the program has a name in the cluster, with all rights that anyone ever gives to that account. " +
				"Pods whose ServiceAccount is granted something in the repository, or is defined elsewhere, are left alone.",
			Fix:       "Set automountServiceAccountToken: false in the spec of the pod; set it to true where the program does talk to the API server.",
			Standards: []string{"CIS 5.1.6", "NSA C-0034"},
		},
		judge: func(w *work, report reporter) {
			if w.pod.Spec["automountServiceAccountToken"] != nil {
				return
			}
			name := cmp.Or(check.TextAt(w.pod.Spec, "serviceAccountName"), check.TextAt(w.pod.Spec, "serviceAccount"), "default")
			id := account{w.site.Namespace, name}
			decided, defined := w.around.accounts[id]
			if decided || name != "default" && !defined || w.around.granted(w.site, name) {
				return
			}
			report(check.Finding{Path: check.Join(w.pod.Path, "spec", "automountServiceAccountToken"),
				Message: fmt.Sprintf("the pods get the token of ServiceAccount %s, which nothing in the repository grants a right", name)})
		},
	}
}

func readonlyRoot() rule {
	return rule{
		Rule: check.Rule{
			ID: "readonly-rootfs", Title: "container that can write to its image", Severity: check.Off,
			Profiles:  map[check.Profile]check.Severity{check.NSA: check.Warning, check.Restricted: check.Warning},
			Why:       "What breaks into a container that can write to its own file system can stay there: it brings its tools along and replaces programs.",
			Fix:       "Set securityContext.readOnlyRootFilesystem: true, and mount an emptyDir where the program writes, such as /tmp.",
			Standards: []string{"NSA C-0017"},
		},
		judge: func(w *work, report reporter) {
			if check.TextAt(w.pod.Spec, "os", "name") == "windows" {
				return
			}
			for _, c := range w.running() {
				if on, _ := check.At(c.Fields, "securityContext", "readOnlyRootFilesystem").(bool); !on {
					report(check.Finding{Path: check.Join(c.Path, "securityContext", "readOnlyRootFilesystem"), Message: fmt.Sprintf("container %s can write to its root file system", c.Name)})
				}
			}
		},
	}
}

func secretEnv() rule {
	return rule{
		Rule: check.Rule{
			ID: "secret-env-ref", Title: "secret in an environment variable", Severity: check.Off,
			Profiles:  map[check.Profile]check.Severity{check.CIS: check.Warning},
			Why:       "Environment variables are inherited by every child process, printed by crash reports and debug pages, and do not change when the Secret does. A mounted file is none of that.",
			Fix:       "Mount the Secret as a volume and let the program read the file.",
			Standards: []string{"CIS 5.4.1"},
		},
		judge: func(w *work, report reporter) {
			for _, c := range w.running() {
				var names []string
				for _, e := range check.ListAt(c.Fields, "env") {
					e, _ := e.(map[string]any)
					if check.MapAt(e, "valueFrom", "secretKeyRef") != nil {
						names = append(names, check.TextAt(e, "name"))
					}
				}
				list := "env"
				for _, e := range check.ListAt(c.Fields, "envFrom") {
					e, _ := e.(map[string]any)
					if name := check.TextAt(e, "secretRef", "name"); name != "" {
						names = append(names, "all of Secret "+name)
						list = "envFrom"
					}
				}
				if len(names) > 0 {
					report(check.Finding{Path: check.Join(c.Path, list), Message: fmt.Sprintf("container %s gets secrets as environment variables: %s", c.Name, strings.Join(names, ", "))})
				}
			}
		},
	}
}

// sockets are what speaks for the container runtime: whoever reaches one owns the node, read-only or not.
func sockets() []string {
	return []string{"docker.sock", "containerd.sock", "crio.sock", "cri-dockerd.sock", "podman.sock"}
}

// sensitiveDirs are directories that nobody but the node's administrator writes to; the first ones with what is below them.
func sensitiveDirs() (trees, exact []string) {
	return []string{"/etc", "/proc", "/root", "/boot", "/var/lib/etcd"},
		[]string{"/", "/var", "/var/run", "/run", "/var/lib", "/var/lib/kubelet", "/var/lib/docker", "/var/lib/containerd", "/sys", "/dev", "/usr", "/bin", "/sbin", "/lib"}
}

const sensitiveID = "sensitive-hostpath"

func sensitiveHostPath() rule {
	return rule{
		Rule: check.Rule{
			ID: sensitiveID, Title: "way from a pod to the whole node", Severity: check.Error,
			Why: "The socket of the container runtime, and write access to the node's own directories, are root on the node, and with it every secret of every pod on it.",
			Fix: "Remove the volume, or mount it with readOnly: true in every container. For a socket there is no safe way: use the API server instead.",
			Standards: []string{"PSS baseline: HostPath Volumes", "kube-linter docker-sock", "kube-linter sensitive-host-mounts", "KSV-0006",
				"NSA C-0045"},
		},
		judge: func(w *work, report reporter) {
			for i, v := range check.ListAt(w.pod.Spec, "volumes") {
				v, _ := v.(map[string]any)
				if message := w.sensitive(v); message != "" {
					report(check.Finding{Path: check.Join(w.pod.Path, "spec", "volumes", check.Element(i, "name", check.TextAt(v, "name")), "hostPath", "path"), Message: message})
				}
			}
		},
	}
}

// sensitive says what is wrong with a volume; it is empty if nothing is, or it is no path of the host.
func (w *work) sensitive(volume map[string]any) string {
	at := check.TextAt(volume, "hostPath", "path")
	if at == "" {
		return ""
	}
	at = path.Clean(at)
	name := check.TextAt(volume, "name")
	if slices.Contains(sockets(), path.Base(at)) {
		return fmt.Sprintf("volume %s brings %s of the node, the socket of the container runtime, into the pod", name, at)
	}
	trees, exact := sensitiveDirs()
	in := func(tree string) bool { return at == tree || strings.HasPrefix(at, tree+"/") }
	if !slices.Contains(exact, at) && !slices.ContainsFunc(trees, in) {
		return ""
	}
	var writers []string
	for _, c := range w.containers {
		for _, m := range check.ListAt(c.Fields, "volumeMounts") {
			m, _ := m.(map[string]any)
			if readOnly, _ := m["readOnly"].(bool); check.TextAt(m, "name") == name && !readOnly && !slices.Contains(writers, c.Name) {
				writers = append(writers, c.Name)
			}
		}
	}
	if len(writers) == 0 {
		return ""
	}
	slices.Sort(writers)
	return fmt.Sprintf("container %s can write to %s of the node, through volume %s", and(writers), at, name)
}
