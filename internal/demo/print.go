package demo

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// printer writes the account. On a terminal the step that is under way is shown until it is done.
type printer struct {
	out      io.Writer
	terminal bool
	started  map[string]time.Time
	last     string // the step that the terminal's last line shows
}

func newPrinter(out io.Writer, terminal bool) *printer {
	return &printer{out: out, terminal: terminal, started: map[string]time.Time{}}
}

const clearLine = "\r\x1b[K"

func (p *printer) begin(step string) {
	p.started[step] = time.Now()
	p.show(step)
}

func (p *printer) show(step string) {
	p.last = step
	if p.terminal {
		fmt.Fprintf(p.out, clearLine+"· %s ...", step)
	}
}

func (p *printer) done(step, text string) {
	took := time.Since(p.started[step])
	delete(p.started, step)
	p.line(fmt.Sprintf("✔ %-21s  %6.1fs  %s", step, took.Seconds(), text))
	for other := range p.started {
		p.show(other)
		break
	}
}

func (p *printer) failed(step string) {
	p.line(fmt.Sprintf("✘ %-21s  %6.1fs", step, time.Since(p.started[step]).Seconds()))
	delete(p.started, step)
}

func (p *printer) line(text string) {
	if p.terminal {
		text = clearLine + text
	}
	fmt.Fprintln(p.out, text)
}

func (p *printer) sentence(s sentence) {
	p.line(fmt.Sprintf("%s  %-21s  %s", s.at.Format("15:04:05.000"), s.app, s.text))
}

// path is as short as it can be from where the demo was started.
func (p *printer) path(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// table shows every application once more, for those who come back to the terminal later.
func (d *Demo) table() {
	d.out.line("")
	d.out.line(fmt.Sprintf("%-22s %-10s %-8s %-9s %-8s %s", "NAME", "SYNC", "HEALTH", "REVISION", "OBJECTS", "NAMESPACE"))
	for _, name := range applicationNames() {
		a := d.narrator.apps[name]
		if a == nil {
			continue // deleted meanwhile
		}
		d.out.line(fmt.Sprintf("%-22s %-10s %-8s %-9s %-8d %s", name, a.Status.Sync.Status, a.Status.Health.Status,
			short(a.Status.Sync.Revision), len(a.Status.Resources), a.Spec.Destination.Namespace))
	}
}

// try says what can be done now, in commands that work as they are printed.
func (d *Demo) try() {
	bin := filepath.Dir(d.cfg.Belay)
	for line := range strings.Lines(d.suggestions(quote(d.out.path(bin)), quote(d.out.path(d.cluster.kubeconfig)))) {
		d.out.line(strings.TrimSuffix(line, "\n"))
	}
}

// quote makes a path usable in a shell from any directory.
func quote(path string) string {
	if filepath.IsAbs(path) {
		return `"` + path + `"`
	}
	return `"$PWD/` + path + `"`
}

func (d *Demo) suggestions(bin, kubeconfig string) string {
	clone := filepath.Join(d.out.path(d.cfg.Dir), "callcenter")
	kubectl := ""
	if _, err := exec.LookPath("kubectl"); err != nil {
		kubectl = "  (kubectl is not installed: make kubectl builds bin/kubectl)\n"
	}
	return fmt.Sprintf(`
Open   %[7]s   (this machine only)
Sign in as admin, with the password that was made for this demo:   %[8]s

In a second terminal, in this directory:

  export PATH=%[1]s:"$PATH" KUBECONFIG=%[2]s ARGOCD_OPTS=--core
  belay app list

Release a service to dev: a push to develop is live within a second
  git clone -c user.name=You -c user.email=you@example.com %[3]s %[4]s
  cd %[4]s
  sed -i.bak '/agent-service$/,/newTag/ s/newTag: .*/newTag: v1.2.0/' infrastructure/k8s/overlays/dev/kustomization.yaml
  git commit -am "feat: update agent-service to v1.2.0"
  git push origin develop

Change the cluster by hand: dev is put back at once
%[5]s  kubectl scale deployment/agent-service --replicas=5 -n callcenter-dev
  kubectl delete service/redis -n callcenter-dev

Review production, release to it, go back
  belay app diff callcenter-ai-prod
  belay app sync callcenter-ai-prod
  sed -i.bak '/agent-service$/,/newTag/ s/newTag: .*/newTag: v1.2.0/' infrastructure/k8s/overlays/prod/kustomization.yaml
  git commit -am "feat: agent-service v1.2.0 to production"
  git push origin develop:main
  belay app diff callcenter-ai-prod --refresh
  belay app sync callcenter-ai-prod
  belay app history callcenter-ai-prod
  belay app rollback callcenter-ai-prod 0

Ctrl-C ends everything and removes %[6]s, the clone included. Until then, here is what happens:

`, bin, kubeconfig, d.repo.url, clone, kubectl, d.out.path(d.cfg.Dir), d.url, d.password)
}
