//go:build !linux

package sandbox

import "syscall"

// childAttributes leaves the cluster in its owner's process group: without a parent death signal, a Ctrl-C in the
// terminal has to reach both.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
