package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// facts say on what and of what the figures are.
func (b *bench) facts() []string {
	version := b.o.version
	if version == "" {
		version = "unknown"
	}
	return []string{
		fmt.Sprintf("machine: %d cores, %s memory, load %s, %s, %s/%s", runtime.NumCPU(), memory(), load(), runtime.Version(), runtime.GOOS, runtime.GOARCH),
		fmt.Sprintf("controller: %s %s", b.o.start, version),
		fmt.Sprintf("workload: %d applications of %d objects; pushes told by %s", b.w.apps, b.w.objects, b.o.trigger),
	}
}

func memory() string {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown"
	}
	var kb float64
	if _, err := fmt.Sscanf(string(data), "MemTotal: %f kB", &kb); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f GiB", kb/(1<<20))
}

// load is how busy the machine is, by whomever: the first thing to look at when figures differ.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}

// revisionOf returns what the Go linker recorded in a program.
func revisionOf(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return ""
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return fmt.Sprintf("%.12s%s, %s", revision, modified, info.GoVersion)
}
