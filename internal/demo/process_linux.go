package demo

import "syscall"

// childAttributes puts a program in a process group of its own, so that Ctrl-C reaches it only through the demo, and has
// the kernel end it when the demo dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
