package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// event is one change of an application while a command waits for it.
type event struct {
	Time      time.Time `json:"time"`
	Type      string    `json:"type"` // operation, resource, application
	App       string    `json:"app"`
	Group     string    `json:"group,omitempty"`
	Kind      string    `json:"kind,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	Wave      int64     `json:"wave,omitempty"`
	Status    string    `json:"status,omitempty"`
	Health    string    `json:"health,omitempty"`
	Hook      string    `json:"hook,omitempty"`
	Message   string    `json:"message,omitempty"`
}

// changes lists what is different in next, without times. Of the first state (prev nil) that is the whole and the objects
// with something left to wait for.
func changes(prev, next *v1alpha1.Application) []event {
	if next == nil {
		return nil
	}
	var events []event
	before := map[object.Ref]resourceState{}
	var opBefore, opNow string
	if prev != nil {
		for _, s := range statesOf(prev) {
			before[s.Ref] = s
		}
		opBefore = operationWord(prev)
	}
	if opNow = operationWord(next); opNow != opBefore && opNow != "" {
		phase, message, _ := strings.Cut(opNow, "\x00")
		events = append(events, event{Type: "operation", App: qualified(next), Status: phase, Message: message})
	}
	for _, s := range statesOf(next) {
		old, known := before[s.Ref]
		if known && old == s || prev == nil && settled(s) {
			continue
		}
		events = append(events, event{Type: "resource", App: qualified(next), Group: s.Ref.Group, Kind: s.Ref.Kind,
			Namespace: s.Ref.Namespace, Name: s.Ref.Name, Wave: s.Wave, Status: s.Status, Health: s.Health,
			Hook: s.Hook, Message: s.Message})
	}
	now := event{Type: "application", App: qualified(next), Status: string(next.Status.Sync.Status), Health: string(next.Status.Health.Status)}
	if prev == nil || prev.Status.Sync.Status != next.Status.Sync.Status || prev.Status.Health.Status != next.Status.Health.Status {
		events = append(events, now)
	}
	return events
}

// operationWord is phase and message of the operation, parted by NUL.
func operationWord(app *v1alpha1.Application) string {
	if op := app.Status.OperationState; op != nil {
		return string(op.Phase) + "\x00" + op.Message
	}
	if app.Operation != nil {
		return "Requested\x00waiting for the controller"
	}
	return ""
}

// progress shows how an application changes while a command waits.
type progress interface {
	// show takes each state; nil means that the application is gone.
	show(app *v1alpha1.Application)
	// note prints a remark.
	note(format string, args ...any)
	// close takes the display away; only what remains of use stays on the screen.
	close()
}

// newProgress picks the display: a live block on a terminal, plain lines elsewhere, JSON lines with -o jsonl.
func (c *cli) newProgress(title string) progress {
	if c.output == "jsonl" {
		return &jsonProgress{out: c.Out, err: c.Err, now: c.Now}
	}
	if width, height, ok := c.liveTerminal(); ok {
		return newLiveBlock(c.Err, title, c.Now, width, height)
	}
	return &plainProgress{out: c.Err, now: c.Now}
}

// liveTerminal says whether standard error is a terminal that can be redrawn, and its size.
func (c *cli) liveTerminal() (width, height int, ok bool) {
	if c.noColor || c.Getenv("CI") != "" || c.Getenv("TERM") == "dumb" {
		return 0, 0, false
	}
	f, isFile := c.Err.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 || height < 5 {
		return 0, 0, false
	}
	return width, height, true
}

// colour reports whether w may be written to in colour.
func (c *cli) colour(w io.Writer) bool {
	if c.noColor || c.Getenv("NO_COLOR") != "" {
		return false
	}
	if c.Getenv("FORCE_COLOR") != "" {
		return true
	}
	f, ok := w.(*os.File)
	return ok && c.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// plainProgress prints one line per change, each with its time.
type plainProgress struct {
	out  io.Writer
	now  func() time.Time
	prev *v1alpha1.Application
}

func (p *plainProgress) show(app *v1alpha1.Application) {
	at := p.now().Format(time.RFC3339)
	for _, e := range changes(p.prev, app) {
		fmt.Fprintln(p.out, plainLine(at, e))
	}
	p.prev = app
}

// plainLine has the columns TIMESTAMP GROUP KIND NAMESPACE NAME STATUS HEALTH HOOK MESSAGE for objects.
func plainLine(at string, e event) string {
	words := []string{at}
	switch e.Type {
	case "operation":
		words = append(words, "operation", e.Status)
	case "application":
		words = append(words, "application", e.App, e.Status, e.Health)
	default:
		for _, w := range []string{e.Group, e.Kind, e.Namespace, e.Name, e.Status, e.Health, e.Hook} {
			if w != "" {
				words = append(words, w)
			}
		}
	}
	if e.Message != "" {
		words = append(words, e.Message)
	}
	for i := range words {
		words[i] = clean(words[i])
	}
	return strings.Join(words, "  ")
}

func (p *plainProgress) note(format string, args ...any) {
	fmt.Fprintf(p.out, "%s  %s\n", p.now().Format(time.RFC3339), clean(fmt.Sprintf(format, args...)))
}

func (p *plainProgress) close() {}

// jsonProgress prints one JSON document per change on standard output.
type jsonProgress struct {
	out, err io.Writer
	now      func() time.Time
	prev     *v1alpha1.Application
}

func (p *jsonProgress) show(app *v1alpha1.Application) {
	for _, e := range changes(p.prev, app) {
		e.Time = p.now().UTC()
		if data, err := json.Marshal(e); err == nil {
			fmt.Fprintln(p.out, string(data))
		}
	}
	p.prev = app
}

func (p *jsonProgress) note(format string, args ...any) {
	fmt.Fprintf(p.err, "%s\n", clean(fmt.Sprintf(format, args...)))
}

func (p *jsonProgress) close() {}

// liveBlock redraws a few lines in place: the operation, then the objects that are not done. One mutex orders the
// ticker that moves the clock and the states that arrive.
type liveBlock struct {
	mu            sync.Mutex
	out           io.Writer
	title         string
	now           func() time.Time
	started       time.Time
	width, height int
	drawn         int
	app           *v1alpha1.Application
	stop          chan struct{}
	done          sync.WaitGroup
}

func newLiveBlock(out io.Writer, title string, now func() time.Time, width, height int) *liveBlock {
	b := &liveBlock{out: out, title: title, now: now, started: now(), width: width, height: height, stop: make(chan struct{})}
	b.done.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-b.stop:
				return
			case <-tick.C:
				b.mu.Lock()
				b.draw()
				b.mu.Unlock()
			}
		}
	})
	return b
}

func (b *liveBlock) show(app *v1alpha1.Application) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.app = app
	b.draw()
}

func (b *liveBlock) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
	fmt.Fprintln(b.out, clean(fmt.Sprintf(format, args...)))
	b.draw()
}

func (b *liveBlock) close() {
	close(b.stop)
	b.done.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.erase()
}

func (b *liveBlock) erase() {
	if b.drawn > 0 {
		fmt.Fprintf(b.out, "\x1b[%dA\x1b[J", b.drawn)
	}
	b.drawn = 0
}

func (b *liveBlock) draw() {
	lines := blockLines(b.app, b.title, b.now().Sub(b.started), b.height-2)
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(cut(line, b.width-1))
		text.WriteByte('\n')
	}
	b.erase()
	fmt.Fprint(b.out, text.String())
	b.drawn = len(lines)
}

// blockLines lays the block out: a head line and up to limit-1 objects, those that are not done first.
func blockLines(app *v1alpha1.Application, title string, elapsed time.Duration, limit int) []string {
	limit = min(limit, 16)
	if app == nil {
		return []string{fmt.Sprintf("%s  %s", clean(title), elapsed.Round(time.Second))}
	}
	states := statesOf(app)
	var open, finished []resourceState
	for _, s := range states {
		if settled(s) {
			finished = append(finished, s)
		} else {
			open = append(open, s)
		}
	}
	phase, message, _ := strings.Cut(operationWord(app), "\x00")
	head := fmt.Sprintf("%s  %s  %s  %d/%d objects", title, phase, elapsed.Round(time.Second), len(finished), len(states))
	if message != "" {
		head += "  " + message
	}
	lines := []string{clean(head)}
	rows := append(open, finished...)
	hidden := 0
	if len(rows) > limit-1 {
		hidden = len(rows) - (limit - 2)
		rows = rows[:limit-2]
	}
	for _, s := range rows {
		wave := ""
		if s.Wave != 0 {
			wave = fmt.Sprintf("wave %d", s.Wave)
		}
		line := fmt.Sprintf("  %-44s %-10s %-12s %-8s %s", s.Ref, s.Status, s.Health, wave, s.Message)
		lines = append(lines, strings.TrimRight(clean(line), " "))
	}
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", hidden))
	}
	return lines
}

// settled reports whether there is nothing more to wait for with this object.
func settled(s resourceState) bool {
	if s.Hook != "" {
		return s.Status == string(v1alpha1.OperationSucceeded)
	}
	return s.Status == string(v1alpha1.SyncStatusSynced) && (s.Health == "" || s.Health == string(v1alpha1.HealthHealthy))
}

// cut shortens s to width characters.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}
