package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	placePattern = "belay-sandbox-"
	lockName     = "lock"
	// socketPathLimit is what fits into a unix socket address with a file name behind it.
	socketPathLimit = 80
)

// place is where the files of a sandbox are.
type place struct {
	data, runtime, kubeconfig string
	// temporary is removed at the end; locks are held until then.
	temporary []string
	locks     []*os.File
}

func openPlace(o options) (*place, error) {
	p := &place{data: o.dataDir, kubeconfig: o.kubeconfig}
	if err := p.open(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *place) open() error {
	if err := p.makeRuntime(); err != nil {
		return err
	}
	var err error
	if p.kubeconfig != "" {
		if p.kubeconfig, err = filepath.Abs(p.kubeconfig); err != nil {
			return fmt.Errorf("resolve kubeconfig: %w", err)
		}
	}
	if p.data == "" {
		p.data = filepath.Join(p.runtime, "data")
		if p.kubeconfig != "" && !exists(p.kubeconfig) {
			// It would point to a cluster that is gone for good.
			p.temporary = append(p.temporary, p.kubeconfig)
		}
	} else if err := p.lockData(); err != nil {
		return err
	}
	if p.kubeconfig == "" {
		p.kubeconfig = filepath.Join(p.data, "kubeconfig")
	}
	return nil
}

// makeRuntime makes the temporary directory. Its lock appears under its name only when it is held, so that another
// sandbox never takes a directory that is just being made for one that was left behind.
func (p *place) makeRuntime() error {
	base := os.TempDir()
	if len(base) > socketPathLimit-len(placePattern)-len("0000000000/") {
		base = "/tmp"
	}
	removeAbandoned(base)
	dir, err := os.MkdirTemp(base, placePattern)
	if err != nil {
		return fmt.Errorf("create runtime directory: %w", err)
	}
	p.runtime, p.temporary = dir, []string{dir}
	name := filepath.Join(dir, lockName)
	lock, err := tryLock(name + ".new")
	if err != nil {
		return fmt.Errorf("lock runtime directory: %w", err)
	}
	p.locks = append(p.locks, lock)
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("lock runtime directory: %w", err)
	}
	return nil
}

// removeAbandoned removes the directories of sandboxes that were killed and could not do it themselves.
func removeAbandoned(base string) {
	locks, err := filepath.Glob(filepath.Join(base, placePattern+"*", lockName))
	if err != nil {
		return // the pattern is constant, and tidying up is not worth a failure
	}
	for _, name := range locks {
		if lock, err := tryLock(name); err == nil {
			_ = os.RemoveAll(filepath.Dir(name)) // as above
			_ = lock.Close()                     // as above
		}
	}
}

func (p *place) lockData() error {
	var err error
	if p.data, err = filepath.Abs(p.data); err != nil {
		return fmt.Errorf("resolve data directory: %w", err)
	}
	if err := os.MkdirAll(p.data, 0o700); err != nil {
		return fmt.Errorf("create data directory: %w", err)
	}
	lock, err := tryLock(filepath.Join(p.data, lockName))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("open data directory %s: another belay-sandbox is using it", p.data)
	}
	if err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	p.locks = append(p.locks, lock)
	return nil
}

func tryLock(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close() // the lock error is the one to report
		return nil, err
	}
	return file, nil
}

func (p *place) close() {
	for _, path := range p.temporary {
		_ = os.RemoveAll(path) // at the end there is no one left to tell
	}
	for _, lock := range p.locks {
		_ = lock.Close() // as above
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
