package configmap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

func start() time.Time { return time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC) }

// open returns a record in a namespace of its own, and another process's view of it for each of the others asked for.
func open(t *testing.T, n int, change func(*Options)) []*Store {
	t.Helper()
	s := sandbox.Start(t)
	c, err := client.New(s.RESTConfig(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Client: c, Reader: c, Namespace: s.Namespace(t), Now: start, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	stores := make([]*Store, n)
	for i := range stores {
		o.Writer = fmt.Sprint("process ", i)
		stores[i] = New(o)
	}
	return stores
}

func page(t *testing.T, s *Store, q audit.Query) *audit.Page {
	t.Helper()
	p, err := s.Activities(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func texts(p *audit.Page) string {
	var out []string
	for _, a := range p.Items {
		out = append(out, a.Text)
	}
	return strings.Join(out, " ")
}

func TestPagesAndFilters(t *testing.T) {
	s := open(t, 1, func(o *Options) { o.ChunkBytes = 600 })[0]
	for i := range 20 {
		a := audit.Activity{Kind: audit.KindSync, Application: "web", Namespace: "argocd", Project: "default", Actor: "admin", Text: fmt.Sprint("n", i)}
		if i%2 == 1 {
			a.Application, a.Reason, a.Kind = "api", "Ticket 7", audit.KindDelete
		}
		s.Record(t.Context(), a)
		if i%3 == 0 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	chunks, err := s.chunks(t.Context())
	if err != nil || len(chunks) < 4 {
		t.Fatalf("the record has %d ConfigMaps, %v; the pages below are to cross several", len(chunks), err)
	}
	if got, want := texts(page(t, s, audit.Query{})), "n19 n18 n17 n16 n15 n14 n13 n12 n11 n10 n9 n8 n7 n6 n5 n4 n3 n2 n1 n0"; got != want {
		t.Errorf("all: %s, want %s", got, want)
	}
	var all []string
	q := audit.Query{Limit: 3}
	for range 10 {
		p := page(t, s, q)
		all = append(all, texts(p))
		if q.Before = p.Next; p.Next == "" {
			break
		}
		s.Record(t.Context(), audit.Activity{Kind: audit.KindRefresh, Text: "later"}) // must not move the pages
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := strings.Join(all, "|"), "n19 n18 n17|n16 n15 n14|n13 n12 n11|n10 n9 n8|n7 n6 n5|n4 n3 n2|n1 n0"; got != want {
		t.Errorf("pages: %s, want %s", got, want)
	}
	for name, tt := range map[string]struct {
		q    audit.Query
		want string
	}{
		"application":          {audit.Query{Application: "api", Limit: 2}, "n19 n17"},
		"kind":                 {audit.Query{Kind: audit.KindSync, Limit: 2}, "n18 n16"},
		"text of the reason":   {audit.Query{Text: "TICKET", Limit: 1}, "n19"},
		"nobody did":           {audit.Query{Actor: "nobody"}, ""},
		"text in both letters": {audit.Query{Text: "N12"}, "n12"},
		"another namespace":    {audit.Query{Namespace: "other"}, ""},
	} {
		if got := texts(page(t, s, tt.q)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	hidden, err := s.Activities(t.Context(), audit.Query{Limit: 1, Kind: audit.KindSync}, func(a *audit.Activity) bool { return a.Text != "n18" })
	if err != nil || texts(hidden) != "n16" {
		t.Errorf("what the caller may not see: %q, %v", texts(hidden), err)
	}
	if _, err := s.Activities(t.Context(), audit.Query{Before: "x"}, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a cursor that is none: %v", err)
	}
}

// TestSeveralWriters: processes that append at the same time lose nothing, and what several of them saw is there once.
func TestSeveralWriters(t *testing.T) {
	const processes, each = 4, 15
	stores := open(t, processes, func(o *Options) { o.ChunkBytes = 1200 })
	var g errgroup.Group
	for n, s := range stores {
		g.Go(func() error {
			for i := range each {
				s.Record(t.Context(), audit.Activity{Kind: audit.KindRefresh, Text: fmt.Sprintf("own-%d-%d", n, i)})
				s.Record(t.Context(), audit.Activity{ID: fmt.Sprint("seen-", i), Kind: audit.KindSync, Text: fmt.Sprint("seen-", i)})
				// A writer that is too late too often gives up for this time, and has lost nothing.
				if err := s.Flush(t.Context()); err != nil && !errors.Is(err, errAgain) {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, s := range stores {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	counts := map[string]int{}
	for _, a := range page(t, stores[0], audit.Query{Limit: 1000}).Items {
		counts[a.Text]++
	}
	for n := range processes {
		for i := range each {
			if c := counts[fmt.Sprintf("own-%d-%d", n, i)]; c != 1 {
				t.Errorf("own-%d-%d is there %d times", n, i, c)
			}
		}
	}
	if len(counts) != processes*each+each {
		t.Errorf("%d different activities, want %d", len(counts), processes*each+each)
	}
}

// TestSeenTwice: what two processes see is recorded once, and by one that begins anew as well.
func TestSeenTwice(t *testing.T) {
	stores := open(t, 2, nil)
	for _, s := range stores {
		s.Record(t.Context(), audit.Activity{ID: "x", Kind: audit.KindSync, Text: "x"})
		s.Record(t.Context(), audit.Activity{ID: "x", Kind: audit.KindSync, Text: "x"})
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := texts(page(t, stores[1], audit.Query{})); got != "x" {
		t.Errorf("recorded: %q", got)
	}
}

func TestBounds(t *testing.T) {
	now := start()
	s := open(t, 1, func(o *Options) {
		o.ChunkBytes, o.MaxBytes, o.MaxAge = 500, 2000, time.Hour
		o.Now = func() time.Time { return now }
	})[0]
	add := func(n int) {
		for i := range n {
			s.Record(t.Context(), audit.Activity{Kind: audit.KindSync, Text: fmt.Sprint("n", i)})
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(60)
	chunks, err := s.chunks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, c := range chunks {
		total += c.size
	}
	if total > 2000+500+200 || len(chunks) < 3 {
		t.Errorf("%d bytes in %d ConfigMaps are kept of a record that may have 2000 and the one that is being written", total, len(chunks))
	}
	last := chunks[len(chunks)-1].number
	now = now.Add(2 * time.Hour)
	if err := s.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if chunks, err = s.chunks(t.Context()); err != nil || len(chunks) != 1 || chunks[0].number != last {
		t.Errorf("two hours later %v are kept, %v; want the last one alone", chunks, err)
	}
	add(10)
	if chunks, err = s.chunks(t.Context()); err != nil || chunks[len(chunks)-1].number <= last {
		t.Errorf("numbers are used again: %v, %v", chunks, err)
	}
}

// TestAwayAndBack: what cannot be written waits, and is written when the API server answers.
func TestAwayAndBack(t *testing.T) {
	stores := open(t, 1, nil)
	s := stores[0]
	good := s.Namespace
	s.Namespace = "not-there"
	s.Record(t.Context(), audit.Activity{Kind: audit.KindSync, Text: "kept"})
	if err := s.Flush(t.Context()); err == nil {
		t.Fatal("a write to a namespace that is not there succeeds")
	}
	s.Namespace = good
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := texts(page(t, s, audit.Query{})); got != "kept" {
		t.Errorf("recorded: %q", got)
	}
}

// TestForeignContent: ConfigMaps and lines that somebody else wrote do no harm.
func TestForeignContent(t *testing.T) {
	s := open(t, 1, nil)[0]
	for name, text := range map[string]string{"belay-audit-00000003": "{\"kind\":\"sync\",\"text\":\"good\"}\nnonsense\n[]\n", "belay-audit-x": "{}", "other": "x"} {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace, Labels: map[string]string{Label: "true"}}, Data: map[string]string{dataKey: text}}
		if err := s.Client.Create(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
	}
	s.Record(t.Context(), audit.Activity{Kind: audit.KindSync, Text: "next"})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := texts(page(t, s, audit.Query{})); got != "next good" {
		t.Errorf("recorded: %q", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("{\"kind\":\"sync\",\"text\":\"a\"}\n{}\n", "1.0")
	f.Add("\n\n", "x.y")
	f.Fuzz(func(t *testing.T, text, where string) {
		items := decode(text)
		if lines := strings.Count(strings.TrimSuffix(text, "\n"), "\n") + 1; text != "" && len(items) != lines && len(items) != lines+1 {
			t.Errorf("%d activities of %d lines: places would move", len(items), lines)
		}
		if c, ok := parseCursor(where); ok {
			if again, ok := parseCursor(c.String()); !ok || again != c {
				t.Errorf("cursor %q reads as %v and then as %v", where, c, again)
			}
		}
	})
}
