//go:build !linux

package controlplane

import "syscall"

// childAttributes cannot tie the child's life to the supervisor's here: after a SIGKILL of the supervisor its children
// have to be ended by hand.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
