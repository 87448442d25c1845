package sandbox

import "syscall"

// childAttributes puts the cluster in a process group of its own, so that Ctrl-C reaches it only through its owner, and
// has the kernel end it, orderly, when its owner dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
