package identity

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	for _, name := range []string{"ci", "nobody"} {
		w := newWorld(t)
		for range 5 {
			_, _, err := w.LogIn(t.Context(), name, "wrong password", "192.0.2.1")
			refused(t, err, "invalid username or password")
		}
		_, _, err := w.LogIn(t.Context(), name, goodPassword, "192.0.2.2")
		refused(t, err, "too many failed logins: try again in 5m0s")
		if _, _, err := w.LogIn(t.Context(), Admin, goodPassword, "192.0.2.1"); err != nil {
			t.Errorf("another account is closed as well: %v", err)
		}
		w.clock.move(5*time.Minute + time.Second)
		if _, _, err := w.LogIn(t.Context(), name, goodPassword, "192.0.2.2"); (err == nil) != (name == "ci") || err != nil && strings.Contains(err.Error(), "too many") {
			t.Errorf("%s after the window: %v", name, err)
		}
	}
}

// TestGuessesAtOnce: guesses that are made at the same time count as they begin.
func TestGuessesAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	tried := 0
	for range 50 {
		all.Go(func() {
			_, _, err := w.LogIn(t.Context(), "ci", "wrong password", "")
			mu.Lock()
			defer mu.Unlock()
			if err != nil && !strings.Contains(err.Error(), "too many") {
				tried++
			}
		})
	}
	all.Wait()
	if tried != 5 {
		t.Errorf("%d guesses were tried", tried)
	}
}

func TestAddressLimit(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		_, _, err := w.LogIn(t.Context(), fmt.Sprint("guess-", i), "wrong password", "[2001:db8::1]:1234")
		refused(t, err, "invalid username or password")
	}
	_, _, err := w.LogIn(t.Context(), "ci", goodPassword, "2001:db8::ffff:2")
	refused(t, err, "too many failed logins")
	if _, _, err := w.LogIn(t.Context(), "ci", goodPassword, "2001:db8:0:1::1"); err != nil {
		t.Error(err)
	}
}

// TestSuccessDoesNotClearAnAddress: an account of one's own must not buy free guesses at others.
func TestSuccessDoesNotClearAnAddress(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		_, _, _ = w.LogIn(t.Context(), fmt.Sprint("guess-", i), "wrong password", "192.0.2.1")
		if i < 24 {
			if _, _, err := w.LogIn(t.Context(), "ci", goodPassword, "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, _, err := w.LogIn(t.Context(), "ci", goodPassword, "192.0.2.1")
	refused(t, err, "too many")
}

// TestLimiterIsBounded: a flood of names neither fills the memory nor opens an account that is closed.
func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(Limits{Entries: 100})
	now := time.Unix(0, 0)
	for range 5 {
		l.begin("ci", "192.0.2.1", true, now)
	}
	for i := range 5000 {
		l.begin(fmt.Sprint("x", i), fmt.Sprintf("198.51.%d.%d", i/250, i%250), false, now)
	}
	if n, m := len(l.strangers.byKey), len(l.addresses.byKey); n > 100 || m > 100 || l.strangers.order.Len() != n {
		t.Errorf("%d names and %d addresses are held", n, m)
	}
	if _, wait := l.begin("ci", "203.0.113.1", true, now); wait == 0 {
		t.Error("a flood opened the account")
	}
	later := now.Add(time.Hour)
	l.begin("y", "203.0.113.9", false, later)
	if n := len(l.strangers.byKey); n != 1 {
		t.Errorf("%d names are held after their time", n)
	}
}
