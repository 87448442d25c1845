package controlplane

import "syscall"

// childAttributes makes the kernel kill the child when the supervisor dies, whatever killed it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
