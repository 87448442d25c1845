package server

import (
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/access"
)

// FuzzLogEntry: a pod writes what it likes; each line is told whole, with the time that Kubernetes put before it.
func FuzzLogEntry(f *testing.F) {
	f.Add("2026-01-02T03:04:05.000000006Z hello")
	f.Add("2026-01-02T03:04:05Z")
	f.Add("no time at all")
	f.Add(" \x00\xff")
	f.Fuzz(func(t *testing.T, line string) {
		e := logEntry(line, "pod")
		switch {
		case e.TimeStamp == nil && e.Content != line && e.Content != "":
			t.Errorf("%q became %q", line, e.Content)
		case e.TimeStamp != nil && !strings.HasSuffix(line, e.Content):
			t.Errorf("%q became %q", line, e.Content)
		case e.Last || e.PodName != "pod":
			t.Errorf("%q says something of itself: %+v", line, e)
		}
		q := &ApplicationPodLogsQuery{Filter: line}
		inverse := &ApplicationPodLogsQuery{Filter: "!" + line}
		if line != "" && !strings.HasPrefix(line, "!") && q.selects(e.Content) == inverse.selects(e.Content) {
			t.Errorf("%q is both selected and not", line)
		}
	})
}

// FuzzTrust: whatever stands where trusted certificates and host keys should, it is listed or passed over.
func FuzzTrust(f *testing.F) {
	f.Add("git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxS4ZM2bKpXyV0b1zq7r7b3Z0m6bG1m1ZbZfQyqkUuE")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Add("@cert-authority * ssh-rsa AAAA\n|1|a=|b= x y")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range append(hostKeysOf(text), certificatesOf("git.example.com", []byte(text))...) {
			if c.CertType == "" || c.CertInfo == "" && c.CertType == "ssh" || c.CertData != "" {
				t.Errorf("%q is listed as %+v", text, c)
			}
		}
	})
}

// FuzzRolePolicy: a line that a project may have for its role gives nobody anything outside of the project.
func FuzzRolePolicy(f *testing.F) {
	f.Add("p, proj:dev:ci, applications, sync, dev/*, allow")
	f.Add("p, proj:dev:ci, *, *, dev/../*, allow\ng, proj:dev:ci, role:admin")
	f.Add("p,proj:dev:ci,projects,update,dev,allow")
	f.Add(`p, "proj:dev:ci", clusters, *, dev/{a,*}, allow`)
	f.Fuzz(func(t *testing.T, line string) {
		role := v1alpha1.ProjectRole{Name: "ci", Policies: []string{line}}
		p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "dev"}, Spec: v1alpha1.AppProjectSpec{Roles: []v1alpha1.ProjectRole{role}}}
		err := checkProject(p)
		if err != nil {
			if utf8.ValidString(line) && !strings.Contains(err.Error(), "ci") {
				t.Errorf("the refusal names no role: %v", err)
			}
			return
		}
		policy, _ := access.New(access.Config{}, []*v1alpha1.AppProject{p})
		for _, subject := range []string{"proj:dev:ci", "dev", "", "proj:till:ci"} {
			for _, ask := range [][3]string{{"applications", "get", "till/x"}, {"projects", "update", "till"}, {"clusters", "get", "https://x"}, {"accounts", "update", "admin"}} {
				if policy.Allows(access.Subject{Name: subject}, ask[0], ask[1], ask[2]) {
					t.Errorf("%q gives %q %v", line, subject, ask)
				}
			}
			if subject != "proj:dev:ci" && policy.Allows(access.Subject{Name: subject}, "applications", "get", "dev/x") {
				t.Errorf("%q gives %q something", line, subject)
			}
		}
	})
}
