package git

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// monorepo makes a repository of n applications with 4 files each and a base that they share.
func monorepo(t testing.TB, dir string, n int) *sourcetest.Repo {
	t.Helper()
	repo := sourcetest.NewRepo(t, dir, "mono")
	files := map[string]string{"base/deployment.yaml": "kind: Deployment\n"}
	for i := range n {
		for j := range 4 {
			files[fmt.Sprintf("apps/app-%04d/file-%d.yaml", i, j)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-%d-%d\n", i, j)
		}
	}
	repo.Commit("main", files)
	return repo
}

func openMonorepo(b *testing.B, n int, change func(*Config)) (*Source, *fsys) {
	dir := b.TempDir()
	repo := monorepo(b, dir, n)
	s := newSource(b, change)
	snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(repo.Git("rev-parse", "main")))
	if err != nil {
		b.Fatal(err)
	}
	return s, snap.FS().(*fsys)
}

// BenchmarkColdRead reads 1,000 applications of 4 files with nothing in memory, 8 goroutines at once.
func BenchmarkColdRead(b *testing.B) {
	s, f := openMonorepo(b, 1000, nil)
	for b.Loop() {
		s.cache = newCache(s.cfg.CacheBytes)
		readAll(b, f, 1000)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/5000, "µs/object")
}

// BenchmarkHotRead is the same with trees and files in memory.
func BenchmarkHotRead(b *testing.B) {
	_, f := openMonorepo(b, 1000, nil)
	readAll(b, f, 1000)
	for b.Loop() {
		readAll(b, f, 1000)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/5000, "µs/object")
}

func readAll(b *testing.B, f *fsys, apps int) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < apps; i += 8 {
				dir := fmt.Sprintf("apps/app-%04d", i)
				list, err := f.ReadDir(dir)
				if err != nil || len(list) != 4 {
					b.Errorf("ReadDir = %d entries, %v", len(list), err)
					return
				}
				for _, e := range list {
					if _, err := f.ReadFile(dir + "/" + e.Name()); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkContentID names one directory and one file of a monorepo.
func BenchmarkContentID(b *testing.B) {
	_, f := openMonorepo(b, 1000, nil)
	for b.Loop() {
		for _, p := range []string{"apps/app-0500", "apps/app-0500/file-1.yaml", "absent"} {
			if _, err := f.ContentID(p); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkWebhook is the way of one commit after its webhook: Refresh, Resolve, Snapshot, and reading what changed,
// over HTTP from a server in this process.
func BenchmarkWebhook(b *testing.B) {
	dir := b.TempDir()
	repo := monorepo(b, dir, 1000)
	srv := httptest.NewServer(gitserver.New(gitserver.Config{Dir: dir}))
	b.Cleanup(srv.Close)
	s := newSource(b, nil)
	ctx := context.Background()
	req := source.Request{RepoURL: srv.URL + "/mono.git", Target: "main"}
	read := func() {
		rev, err := s.Resolve(ctx, req, source.Cached)
		if err != nil {
			b.Fatal(err)
		}
		snap, err := s.Snapshot(ctx, req, rev)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := snap.FS().ReadFile("apps/app-0007/file-1.yaml"); err != nil {
			b.Fatal(err)
		}
	}
	read()
	var total, cpu time.Duration
	n := 0
	for b.Loop() {
		n++
		repo.Commit("main", map[string]string{"apps/app-0007/file-1.yaml": fmt.Sprint("n: ", n)})
		began, used := time.Now(), cpuTime(b)
		if moved, err := s.Refresh(ctx, source.Request{RepoURL: req.RepoURL}); err != nil || !moved {
			b.Fatalf("Refresh = %v, %v", moved, err)
		}
		read()
		total += time.Since(began)
		cpu += cpuTime(b) - used
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(n), "ms/commit")
	b.ReportMetric(float64(cpu.Microseconds())/1000/float64(n), "cpu-ms/commit")
}

// cpuTime is what this process, the server in it and all git processes that have ended have used.
func cpuTime(b *testing.B) time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// BenchmarkPoll is one look at a remote where nothing has moved.
func BenchmarkPoll(b *testing.B) {
	dir := b.TempDir()
	monorepo(b, dir, 10)
	srv := httptest.NewServer(gitserver.New(gitserver.Config{Dir: dir}))
	b.Cleanup(srv.Close)
	s := newSource(b, nil)
	r, err := s.repo(srv.URL+"/mono.git", "")
	if err != nil {
		b.Fatal(err)
	}
	used := cpuTime(b)
	n := 0
	for b.Loop() {
		n++
		if err := r.list(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-used).Microseconds())/1000/float64(n), "cpu-ms/look")
}
