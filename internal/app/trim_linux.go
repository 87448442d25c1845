package app

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// When pages of the program are given back: once initialisation is over, before the work on many applications has its peak, and
// then again and again: what happens once an hour needs few of them.
const (
	trimFirst = 2 * time.Second
	trimEvery = time.Minute
)

// trimming gives pages of the program back until ctx ends. Most of a program of this size is code and tables that are touched once, by
// initialisation; they stay resident for as long as nobody else wants the memory, and count against the limit of a container.
func trimming(ctx context.Context) error {
	wait := trimFirst
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if err := trim(); err != nil {
			return nil //nolint:nilerr // the kernel does not tell, or not want it: nothing is lost
		}
		wait = trimEvery
	}
}

// trim drops the pages of the program's own file that are read only and were never written to. What is needed comes back from
// the page cache.
func trim() error {
	parts, err := programMappings()
	if err != nil {
		return err
	}
	for _, m := range parts {
		if m.anonymous > 0 { // relocated, or under a debugger: the file does not have it
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back pages of the program: %w", errno)
		}
	}
	return nil
}

// mapping is a read-only part of the program's file in memory; sizes are in KiB.
type mapping struct {
	start, end          uintptr
	resident, anonymous int
}

func programMappings() (out []mapping, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read only
	var current *mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 5 && !strings.HasSuffix(fields[0], ":") {
			current = nil
			if len(fields) == 6 && fields[5] == program && (fields[1] == "r-xp" || fields[1] == "r--p") {
				m, err := parseRange(fields[0])
				if err != nil {
					return nil, err
				}
				out = append(out, m)
				current = &out[len(out)-1]
			}
			continue
		}
		if current == nil || len(fields) < 2 {
			continue
		}
		size, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "Rss:":
			current.resident = size
		case "Anonymous:":
			current.anonymous = size
		}
	}
	return out, lines.Err()
}

func parseRange(text string) (m mapping, err error) {
	from, to, _ := strings.Cut(text, "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return m, fmt.Errorf("read /proc/self/smaps: %w", err)
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return m, fmt.Errorf("read /proc/self/smaps: %w", err)
	}
	m.start, m.end = uintptr(start), uintptr(end)
	return m, nil
}
