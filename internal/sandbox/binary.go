package sandbox

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BinaryVariable names the environment variable with the path of belay-sandbox for tests.
const BinaryVariable = "BELAY_SANDBOX_BIN"

// buildTimeout covers a build with an empty cache on a small machine.
const buildTimeout = 20 * time.Minute

// testBinary is the program for tests: the one that the environment names, else one built from the checkout that the test
// belongs to. `go build` decides whether it has to be built anew; a lock keeps test binaries that run at the same time
// from building it twice.
func testBinary() (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		return filepath.Abs(path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	module, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("build belay-sandbox: find module: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(module)))
	dir := filepath.Join(root, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build belay-sandbox: %w", err)
	}
	unlock, err := lockFile(filepath.Join(dir, ".belay-sandbox.lock"))
	if err != nil {
		return "", fmt.Errorf("build belay-sandbox: %w", err)
	}
	defer unlock()
	binary := filepath.Join(dir, "belay-sandbox")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/belay-sandbox")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build belay-sandbox: %w\n%s", err, output)
	}
	return binary, nil
}

// lockFile waits for the lock on the file, which is left in place: removing it would let two owners hold it.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close() // the lock error is the one to report
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil // closing drops the lock
}

// Binary is the path of belay-sandbox for tests that start it themselves.
func Binary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a cluster; skipped in short mode")
	}
	path, err := testBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
