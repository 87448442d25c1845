package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/belaycd/belay/internal/flight"
)

// oid is an object name in lower-case hexadecimal.
type oid string

// kind is the type of an object as git names it.
type kind string

const (
	commitKind kind = "commit"
	treeKind   kind = "tree"
	blobKind   kind = "blob"
	tagKind    kind = "tag"
)

// object is one object as the mirror holds it.
type object struct {
	kind kind
	size int64
	data []byte // nil when size is above the limit
}

var (
	// errMissing says that the mirror does not have an object.
	errMissing = errors.New("object is not in the mirror")
	// errReaderBroke says that the process ended while it read this very object: the object is damaged, or somebody
	// ended the process.
	errReaderBroke = errors.New("object reader broke down")
	// errReaderGone says that the process ended before it answered; another one may answer.
	errReaderGone = errors.New("object reader ended")
	// errTooLarge says that an object is above the limit; kind and size are known all the same.
	errTooLarge = errors.New("object is above the size limit")
)

const (
	// inFlight is how many requests wait for one process; more callers wait in line.
	inFlight = 64
	// readLimit is the time in which a local disk answers unless it is broken.
	readLimit = time.Minute
)

// reader is one long-lived "git cat-file --batch": object names go in, objects come out in the same order. Requests
// of many goroutines are under way at once, so nobody waits for the round trip of anybody else.
type reader struct {
	cancel  context.CancelFunc
	stdin   io.WriteCloser
	limit   int64
	idle    time.Duration
	timer   *time.Timer
	mu      sync.Mutex  // keeps requests and pending in the same order
	closed  atomic.Bool // written under mu
	pending chan *request
}

type request struct {
	id   oid
	obj  object
	err  error
	done chan struct{}
}

// newReader starts a process on the mirror at dir. It ends with life, on close, or after idle without a request.
func newReader(life *flight.Lifetime, p *program, dir string, limit int64, idle time.Duration) (*reader, error) {
	ctx, cancel := context.WithCancel(life.Context())
	cmd := p.command(ctx, nil, "--git-dir="+dir, "cat-file", "--batch")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start object reader: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start object reader: %w", err)
	}
	stderr := &tail{max: maxStderr}
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start object reader: %w", err)
	}
	r := &reader{cancel: cancel, stdin: stdin, limit: limit, idle: idle,
		pending: make(chan *request, inFlight)}
	r.timer = time.AfterFunc(idle, r.close)
	context.AfterFunc(ctx, r.close)
	life.Go(func() { r.answer(cmd, stdout, stderr) })
	return r, nil
}

// get returns one object. data above the limit is not returned, and costs the process, not the memory.
func (r *reader) get(id oid) (object, error) {
	req := &request{id: id, done: make(chan struct{})}
	r.mu.Lock()
	if r.closed.Load() {
		r.mu.Unlock()
		return object{}, errReaderGone
	}
	r.timer.Reset(r.idle)
	r.pending <- req // answer takes from it until close, which needs the lock
	_, err := io.WriteString(r.stdin, string(id)+"\n")
	r.mu.Unlock()
	if err != nil {
		r.close()
	}
	watchdog := time.NewTimer(readLimit)
	defer watchdog.Stop()
	select {
	case <-req.done:
		return req.obj, req.err
	case <-watchdog.C:
		r.cancel()
		<-req.done
		return object{}, fmt.Errorf("read object %s: the disk did not answer within %s", id, readLimit)
	}
}

// close lets the process finish what it was asked and end.
func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Swap(true) {
		return
	}
	r.timer.Stop()
	_ = r.stdin.Close() // the process may be gone already
	close(r.pending)
}

// answer hands the process's output to those who asked, in order, until the process ends or its output makes no sense.
func (r *reader) answer(cmd *exec.Cmd, stdout io.Reader, stderr *tail) {
	in := bufio.NewReaderSize(stdout, 64<<10)
	broken := false
	for req := range r.pending {
		if broken {
			req.err = errReaderGone // an innocent bystander
			close(req.done)
			continue
		}
		if err := r.receive(in, req); err != nil {
			broken = true
			r.cancel() // which also closes r, aside: get may hold the lock while it waits for room in pending
			waitErr := cmd.Wait()
			req.err = err
			if errors.Is(err, errReaderBroke) {
				req.err = fmt.Errorf("%w: %w", err, &commandError{verb: "cat-file", stderr: stderr.String(), err: waitErr})
			}
		}
		close(req.done)
	}
	r.cancel()
	if !broken {
		_ = cmd.Wait() // asked to end, so how it ended tells nothing
	}
}

// receive reads one answer. An error means that the stream cannot be read on.
func (r *reader) receive(in *bufio.Reader, req *request) error {
	header, err := in.ReadString('\n')
	if err != nil {
		return errReaderBroke
	}
	fields := strings.Fields(header)
	if len(fields) == 2 && (fields[1] == "missing" || fields[1] == "ambiguous") {
		req.err = errMissing
		return nil
	}
	if len(fields) != 3 || fields[0] != string(req.id) {
		return fmt.Errorf("read object %s: unexpected answer %q", req.id, shorten(header))
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("read object %s: unexpected size %q", req.id, fields[2])
	}
	req.obj = object{kind: kind(fields[1]), size: size}
	if size > r.limit {
		// The content is on its way and nobody wants it: end the process instead of reading gigabytes.
		return errTooLarge
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(in, data); err != nil {
		return errReaderBroke
	}
	if c, err := in.ReadByte(); err != nil || c != '\n' {
		return errReaderBroke
	}
	req.obj.data = data
	return nil
}

// readers keeps a bounded number of processes, each on its mirror, and ends the least recently used one for a new one.
type readers struct {
	mu   sync.Mutex
	open []*mirrorReader // most recently used last
	max  int
}

type mirrorReader struct {
	dir    string
	reader *reader
}

// get returns the reader of the mirror at dir, made by start when there is none.
func (rs *readers) get(dir string, start func() (*reader, error)) (*reader, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i := len(rs.open) - 1; i >= 0; i-- {
		m := rs.open[i]
		if m.dir != dir {
			continue
		}
		if m.reader.ended() {
			rs.open = append(rs.open[:i], rs.open[i+1:]...)
			break
		}
		if i != len(rs.open)-1 {
			rs.open = append(append(rs.open[:i:i], rs.open[i+1:]...), m)
		}
		return m.reader, nil
	}
	if len(rs.open) >= rs.max {
		go rs.open[0].reader.close()
		rs.open = append(rs.open[:0:0], rs.open[1:]...)
	}
	r, err := start()
	if err != nil {
		return nil, err
	}
	rs.open = append(rs.open, &mirrorReader{dir: dir, reader: r})
	return r, nil
}

// drop ends the reader of dir, if there is one; a mirror that was replaced needs a new one.
func (rs *readers) drop(dir string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for i, m := range rs.open {
		if m.dir == dir {
			go m.reader.close()
			rs.open = append(rs.open[:i:i], rs.open[i+1:]...)
			return
		}
	}
}

func (r *reader) ended() bool { return r.closed.Load() }

// parseTag returns what an annotated tag points to.
func parseTag(data []byte) (oid, bool) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	id, ok := bytes.CutPrefix(line, []byte("object "))
	return oid(id), ok && isObjectID(string(id))
}
