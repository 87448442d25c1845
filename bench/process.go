package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of /proc/PID/stat (USER_HZ), 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// system is the set of processes under test, with their children.
type system struct{ pids []int }

// cpu is the processor time, in seconds, that the system has used since it started: that of its processes, of their
// children that live, and of those that have ended.
func (s system) cpu() (float64, error) {
	children, err := childrenOf()
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, pid := range s.pids {
		own, err := ownCPU(pid)
		if err != nil {
			return 0, err
		}
		sum += own
		for _, p := range family(pid, children) {
			if p.pid != pid {
				sum += p.cpu // a child; the kernel counts it for its parent once it has ended
			}
			sum += p.ended
		}
	}
	return sum, nil
}

// children are the processes that this one has started and that live.
func children() (system, error) {
	all, err := childrenOf()
	if err != nil {
		return system{}, err
	}
	var s system
	for _, p := range all[os.Getpid()] {
		s.pids = append(s.pids, p.pid)
	}
	return s, nil
}

// ownCPU reads a process's clock, which is finer than its ticks.
func ownCPU(pid int) (float64, error) {
	var ts unix.Timespec
	// The identifier of another process's CPU clock: clock_getcpuclockid(3).
	id := int32(^uint32(pid)<<3 | 2)
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock of process %d: %w", pid, err)
	}
	return float64(ts.Nano()) / 1e9, nil
}

// proc is a line of /proc/PID/stat: times in seconds, memory in bytes.
type proc struct {
	pid, parent     int
	cpu, ended, rss float64
}

func childrenOf() (map[int][]proc, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	out := map[int][]proc{}
	for _, e := range dir {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok { // else it has ended meanwhile
			out[p.parent] = append(out[p.parent], p)
		}
	}
	return out, nil
}

func readProc(pid int) (proc, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// The name, in parentheses, may hold anything.
	_, rest, ok := bytes.Cut(data[max(0, bytes.LastIndexByte(data, ')')):], []byte(" "))
	f := strings.Fields(string(rest))
	if !ok || len(f) < 22 {
		return proc{}, false
	}
	n := func(field int) float64 { // as proc(5) counts
		v, err := strconv.ParseFloat(f[field-3], 64)
		if err != nil {
			return 0
		}
		return v
	}
	return proc{
		pid: pid, parent: int(n(4)),
		cpu: (n(14) + n(15)) / ticksPerSecond, ended: (n(16) + n(17)) / ticksPerSecond,
		rss: n(24) * float64(os.Getpagesize()),
	}, true
}

// family returns a process and all below it.
func family(pid int, children map[int][]proc) []proc {
	var out []proc
	if p, ok := readProc(pid); ok {
		out = append(out, p)
	}
	for _, c := range children[pid] {
		out = append(out, family(c.pid, children)...)
	}
	return out
}

// rss is the memory in use now, in MB.
func (s system) rss() (float64, error) {
	children, err := childrenOf()
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, pid := range s.pids {
		for _, p := range family(pid, children) {
			sum += p.rss
		}
	}
	return sum / 1e6, nil
}

// peak measures the most memory that was in use between its start and the call of stop, in MB. For the processes
// themselves the kernel keeps it; children are sampled.
func (s system) peak(ctx context.Context) (stop func() (float64, error)) {
	ctx, cancel := context.WithCancel(ctx)
	for _, pid := range s.pids {
		// Writing 5 sets the kernel's peak back. Where that is not permitted, the peak is the one since the start.
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	}
	var mu sync.Mutex
	var most float64
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			now := s.childrenRSS()
			mu.Lock()
			most = max(most, now)
			mu.Unlock()
		}
	}()
	return func() (float64, error) {
		cancel()
		<-done
		sum := most
		for _, pid := range s.pids {
			kb, err := highWater(pid)
			if err != nil {
				return 0, err
			}
			sum += kb * 1024
		}
		return sum / 1e6, nil
	}
}

func (s system) childrenRSS() float64 {
	children, err := childrenOf()
	if err != nil {
		return 0
	}
	var sum float64
	for _, pid := range s.pids {
		for _, p := range family(pid, children) {
			if p.pid != pid {
				sum += p.rss
			}
		}
	}
	return sum
}

func highWater(pid int) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return strconv.ParseFloat(strings.Fields(v)[0], 64)
		}
	}
	return 0, fmt.Errorf("read memory of process %d: no VmHWM", pid)
}
