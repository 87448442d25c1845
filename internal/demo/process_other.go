//go:build !linux

package demo

import "syscall"

// childAttributes leaves a program in the demo's process group: without a parent death signal, a Ctrl-C in the terminal
// has to reach both.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
